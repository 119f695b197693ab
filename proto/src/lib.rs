//! Messages of etcd that stand in snapshots.
//!
//! The `.proto` files in `proto/etcd` name the fields and where they come from; `cargo xtask proto` makes the Rust types from them.

/// Keys and values: `mvccpb`.
pub mod mvccpb {
    #![allow(missing_docs)]
    include!("generated/mvccpb.rs");
}

/// Leases: `leasepb`.
pub mod leasepb {
    #![allow(missing_docs)]
    include!("generated/leasepb.rs");
}

/// Users and roles: `authpb`.
pub mod authpb {
    #![allow(missing_docs)]
    include!("generated/authpb.rs");
}

/// Alarms: `etcdserverpb`.
pub mod etcdserverpb {
    #![allow(missing_docs)]
    include!("generated/etcdserverpb.rs");
}
