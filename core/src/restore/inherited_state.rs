//! State that a restored cluster inherits from the old one, and that a person should know before starting it.

use etcdsnap_proto::etcdserverpb::{AlarmMember, AlarmType};
use prost::Message;

use crate::bolt::database::BoltDatabase;
use crate::etcd::version;
use crate::source::Source;

/// State that the new cluster inherits from the old one. Damaged entries are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InheritedState {
    /// Names of the alarms, each once: `NOSPACE`, `CORRUPT`. etcd refuses writes until each is disarmed.
    pub alarms: Vec<&'static str>,
    /// Whether leases exist. Each gets its full time to live again when etcd starts, so keys that had nearly expired
    /// live that long once more.
    pub has_leases: bool,
    /// The oldest etcd that starts on the store and supports it, as `MAJOR.MINOR`.
    pub oldest_etcd: String,
}

/// Collects the inherited state from the old database.
pub(super) fn inherited<S: Source + ?Sized>(database: &mut BoltDatabase<'_, S>) -> InheritedState {
    let mut alarms: Vec<&'static str> = Vec::new();
    // A member raises each alarm at most once, so all of them fit one page.
    for key in database.last_keys(b"alarm").unwrap_or_default() {
        let kind = AlarmMember::decode(key.as_slice()).ok().and_then(|alarm| AlarmType::try_from(alarm.alarm).ok());
        if let Some(kind @ (AlarmType::Nospace | AlarmType::Corrupt)) = kind {
            alarms.push(kind.as_str_name());
        }
    }
    alarms.sort_unstable();
    alarms.dedup();
    let has_leases = database.last_key(b"lease").ok().flatten().is_some();
    let mut text = |bucket: &[u8], key: &[u8]| {
        database.get(bucket, key).ok().flatten().and_then(|value| String::from_utf8(value).ok())
    };
    let (cluster, storage) = (text(b"cluster", b"clusterVersion"), text(b"meta", b"storageVersion"));
    let (major, minor) = version::oldest_etcd(cluster.as_deref(), storage.as_deref());
    InheritedState { alarms, has_leases, oldest_etcd: format!("{major}.{minor}") }
}
