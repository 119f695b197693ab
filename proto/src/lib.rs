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

/// Raft's log, votes and configuration: `raftpb`.
pub mod raftpb {
    #![allow(missing_docs)]
    include!("generated/raftpb.rs");
}

/// The write-ahead log: `walpb`.
pub mod walpb {
    #![allow(missing_docs)]
    include!("generated/walpb.rs");
}

/// `.snap` files: `snappb`.
pub mod snappb {
    #![allow(missing_docs)]
    include!("generated/snappb.rs");
}
