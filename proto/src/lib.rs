//! Messages that etcd stores in its files, and those of the gRPC APIs of etcd and of KMS plugins.
//!
//! The `.proto` files in `proto/etcd` and `proto/kubernetes` have the fields and their source in upstream repositories;
//! `cargo xtask proto` generates the Rust types from them.

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

/// Alarms, the metadata of a write-ahead log, and etcd's gRPC API: `etcdserverpb`.
pub mod etcdserverpb {
    #![allow(missing_docs)]
    include!("generated/etcdserverpb.rs");
}

/// Entries, hard state, snapshots and members of raft: `raftpb`.
pub mod raftpb {
    #![allow(missing_docs)]
    include!("generated/raftpb.rs");
}

/// Records of the write-ahead log: `walpb`.
pub mod walpb {
    #![allow(missing_docs)]
    include!("generated/walpb.rs");
}

/// `.snap` files: `snappb`.
pub mod snappb {
    #![allow(missing_docs)]
    include!("generated/snappb.rs");
}

/// KMS plugins of Kubernetes, API version 2: `v2`.
pub mod kms_v2 {
    #![allow(missing_docs)]
    include!("generated/v2.rs");
}
