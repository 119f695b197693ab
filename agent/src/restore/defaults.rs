//! Defaults for flags that are not given, as in etcdutl.

/// The default peer URL of a member, as in etcd and its tools.
pub const DEFAULT_PEER_URL: &str = "http://localhost:2380";

/// The default cluster.
pub const DEFAULT_CLUSTER: &str = "default=http://localhost:2380";

/// The default time to live of a lease that is granted again because it no longer exists in the snapshot's latest state: as long as Kubernetes keeps Events by default.
pub(super) const DEFAULT_LEASE_SECONDS: i64 = 3600;
