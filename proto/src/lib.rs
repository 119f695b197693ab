//! Messages of etcd that stand in snapshots, and those by which it and KMS plugins are called.
//!
//! The `.proto` files in `proto/etcd` and `proto/kubernetes` name the fields and where they come from; `cargo xtask proto` makes the Rust types from them.

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

/// KMS plugins of Kubernetes, second interface: `v2`.
pub mod kms_v2 {
    #![allow(missing_docs)]
    include!("generated/v2.rs");
}
