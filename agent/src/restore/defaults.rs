//! What a restore takes for flags that are not given, as etcdutl does.

/// The peer URL of a member when none is given, as for etcd and its tools.
pub const DEFAULT_PEER_URL: &str = "http://localhost:2380";

/// The cluster when none is given.
pub const DEFAULT_CLUSTER: &str = "default=http://localhost:2380";

/// For how long a lease is granted anew that is gone since the state that is restored: as long as Kubernetes keeps Events, by default.
pub(super) const DEFAULT_LEASE_SECONDS: i64 = 3600;
