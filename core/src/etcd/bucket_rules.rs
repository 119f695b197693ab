//! Decodes the entries of the small buckets (all top-level buckets except `key`) and checks them against what etcd
//! writes there.
//!
//! Source: etcd's `server/storage/schema` (3.5 to 3.7) and `etcdserver/membership/store.go` (3.3, 3.4).

use crate::bolt::page_id::PageId;
use crate::etcd::revision::Revision;
use crate::offset::Offset;
use std::collections::{BTreeMap, HashSet};

use etcdsnap_proto::etcdserverpb::{AlarmMember, AlarmType};
use etcdsnap_proto::leasepb::Lease;
use prost::Message;
use serde_json::Value;

use crate::etcd::access::AuthFacts;
use crate::etcd::json_value::{check_conf_state, decode_object, downgrade_target};
use crate::etcd::revision_key::RevisionKey;
use crate::etcd::revision_record::CompactionRevisions;
use crate::etcd::small_value::checked_length;
use crate::etcd::version;
use crate::finding_code::Code;
use crate::int_readers::{i64_be, u64_be};

/// Longest lease that etcd grants, in seconds: `MaxLeaseTTL` in its `lease/lessor.go`.
pub const MAX_LEASE_SECONDS: i64 = 9_000_000_000;

/// Buckets that etcd 3.3 to 3.7 create when they start.
pub const REQUIRED: &[&str] =
    &["alarm", "auth", "authRoles", "authUsers", "cluster", "key", "lease", "members", "members_removed", "meta"];

/// Whether a bucket is one of [`REQUIRED`].
#[must_use]
pub fn is_required(bucket: &[u8]) -> bool {
    REQUIRED.iter().any(|name| name.as_bytes() == bucket)
}

/// Entries, by bucket and key, that are checked only after all small buckets have been read. Their locations are kept
/// until then.
pub const JUDGED_LAST: &[(&str, &str)] = &[
    ("meta", "consistent_index"),
    ("meta", "term"),
    ("meta", "scheduledCompactRev"),
    ("meta", "finishedCompactRev"),
    ("meta", "storageVersion"),
    ("cluster", "clusterVersion"),
    ("cluster", "downgrade"),
    ("auth", "authEnabled"),
    ("auth", "authRevision"),
    ("authUsers", "root"),
];

/// Facts from the small buckets: all top-level buckets except `key`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaFacts {
    /// `meta/consistent_index`.
    pub consistent_index: Option<u64>,
    /// `meta/term`.
    pub term: Option<u64>,
    /// `meta/storageVersion`.
    pub storage_version: Option<String>,
    /// `meta/finishedCompactRev`.
    pub finished_compact: Option<Revision>,
    /// `meta/scheduledCompactRev`.
    pub scheduled_compact: Option<Revision>,
    /// `cluster/clusterVersion`.
    pub cluster_version: Option<String>,
    /// `cluster/downgrade`: the target version of an enabled downgrade.
    pub downgrade: Option<String>,
    /// Number of entries in bucket `members`.
    pub members: u64,
    /// Ids of the members.
    member_ids: HashSet<u64>,
    /// Ids of the leases.
    pub leases: HashSet<i64>,
    /// Users, roles and the authentication state.
    pub auth: AuthFacts,
    /// Page and file offset of each existing entry of [`JUDGED_LAST`], by its key.
    pub locations: BTreeMap<&'static str, (PageId, Offset)>,
}

impl SchemaFacts {
    /// The stored compaction revisions.
    #[must_use]
    pub fn compactions(&self) -> CompactionRevisions {
        CompactionRevisions {
            finished: self.finished_compact.unwrap_or(Revision::NONE),
            scheduled: self.scheduled_compact.unwrap_or(Revision::NONE),
        }
    }

    /// Stores page and file offset of an entry if it is one of [`JUDGED_LAST`].
    pub fn note_location(&mut self, bucket: &[u8], key: &[u8], at: (PageId, Offset)) {
        let entry = JUDGED_LAST.iter().find(|(of, name)| of.as_bytes() == bucket && name.as_bytes() == key);
        if let Some((_, name)) = entry {
            self.locations.insert(name, at);
        }
    }

    /// Adds an entry of a top-level bucket other than `key`.
    ///
    /// # Errors
    /// The entry's problem: its code, and a clause that describes it.
    pub fn add_entry(&mut self, bucket: &[u8], key: &[u8], value: &[u8]) -> Result<(), (Code, String)> {
        let (code, outcome) = match bucket {
            b"meta" => (Code::MetaMalformed, self.meta(key, value)),
            b"lease" => (Code::LeaseMalformed, self.lease(key, value)),
            b"members" => (Code::MemberMalformed, self.member(key, value)),
            b"members_removed" => return self.removed(key),
            b"cluster" => (Code::ClusterMalformed, self.cluster(key, value)),
            b"alarm" => return alarm(key),
            b"auth" => return self.auth.add_state(key, value),
            b"authUsers" => return self.auth.add_user(key, value),
            b"authRoles" => return self.auth.add_role(key, value),
            _ => return Ok(()),
        };
        match outcome {
            Ok(IsKnown::Yes) => Ok(()),
            Ok(IsKnown::No) => Err((Code::NameUnknown, "etcd never writes an entry with this name".into())),
            Err(message) => Err((code, message)),
        }
    }

    fn meta(&mut self, key: &[u8], value: &[u8]) -> Result<IsKnown, String> {
        match key {
            b"consistent_index" => self.consistent_index = Some(u64_value(value)?),
            b"term" => self.term = Some(u64_value(value)?),
            b"finishedCompactRev" => self.finished_compact = Some(compaction_revision(value)?),
            b"scheduledCompactRev" => self.scheduled_compact = Some(compaction_revision(value)?),
            b"confState" => check_conf_state(value)?,
            b"storageVersion" => self.storage_version = Some(version_text(value)?),
            _ => return Ok(IsKnown::No),
        }
        Ok(IsKnown::Yes)
    }

    fn lease(&mut self, key: &[u8], value: &[u8]) -> Result<IsKnown, String> {
        let id = i64_be(key, 0).filter(|_| key.len() == 8);
        let id = id.ok_or_else(|| format!("the lease's key has {} bytes instead of 8", key.len()))?;
        let lease = decode_message::<Lease>(value)?;
        if lease.id != id {
            return Err(format!("lease {:x} is stored under the key of lease {id:x}", lease.id));
        }
        self.leases.insert(id);
        // Servers count in nanoseconds, in 64 bits. A longer time overflows, so the lease expires at once with all its
        // keys.
        let Lease { ttl, remaining_ttl, .. } = lease;
        let is_valid_duration = (1..=MAX_LEASE_SECONDS).contains(&ttl) && (0..=ttl).contains(&remaining_ttl);
        if id == 0 || !is_valid_duration {
            return Err(format!(
                "lease {id:x} is granted for {ttl} seconds with {remaining_ttl} left; etcd grants 1 to {MAX_LEASE_SECONDS} seconds, and never the id 0"
            ));
        }
        Ok(IsKnown::Yes)
    }

    fn member(&mut self, key: &[u8], value: &[u8]) -> Result<IsKnown, String> {
        self.members = self.members.saturating_add(1);
        let id = member_id(key)?;
        self.member_ids.insert(id);
        let member = decode_object(value)?;
        let stored_id = member.get("id").and_then(Value::as_u64);
        if stored_id != Some(id) {
            return Err(format!("the member stored under the key {id:x} has the id {stored_id:x?}"));
        }
        let urls = member.get("peerURLs").and_then(Value::as_array);
        if !urls.is_some_and(|urls| urls.iter().all(Value::is_string)) {
            return Err("the member has no list of peer URLs".into());
        }
        Ok(IsKnown::Yes)
    }

    /// Checks an entry of bucket `members_removed`; bucket `members` must have been read before.
    fn removed(&self, key: &[u8]) -> Result<(), (Code, String)> {
        let id = member_id(key).map_err(|message| (Code::MemberMalformed, message))?;
        if self.member_ids.contains(&id) {
            return Err((Code::MemberRemoved, format!("member {id:x} is listed both as removed and as a member")));
        }
        Ok(())
    }

    fn cluster(&mut self, key: &[u8], value: &[u8]) -> Result<IsKnown, String> {
        match key {
            b"clusterVersion" => self.cluster_version = Some(version_text(value)?),
            b"downgrade" => self.downgrade = downgrade_target(value)?,
            _ => return Ok(IsKnown::No),
        }
        Ok(IsKnown::Yes)
    }
}

/// Whether etcd writes entries with this name.
enum IsKnown {
    Yes,
    No,
}

fn u64_value(value: &[u8]) -> Result<u64, String> {
    u64_be(value, 0)
        .filter(|_| value.len() == 8)
        .ok_or_else(|| format!("the value has {} bytes instead of 8", value.len()))
}

fn compaction_revision(value: &[u8]) -> Result<Revision, String> {
    match RevisionKey::parse(value) {
        Some(key) if !key.tombstone && key.revision.sub == 0 => Ok(key.revision.main),
        Some(key) if !key.tombstone => Err(format!("revision {} lies within a transaction", key.revision)),
        _ => Err(format!("the value of {} bytes is not a revision", value.len())),
    }
}

fn version_text(value: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(value).ok().filter(|text| version::parse(text).is_some());
    text.map(str::to_owned).ok_or_else(|| {
        format!("\"{}\" is not a version", value.get(..value.len().min(64)).unwrap_or_default().escape_ascii())
    })
}

fn decode_message<M: Message + Default>(value: &[u8]) -> Result<M, String> {
    M::decode(checked_length(value)?).map_err(|error| format!("the value cannot be decoded: {error}"))
}

fn member_id(key: &[u8]) -> Result<u64, String> {
    let text = std::str::from_utf8(key).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    text.and_then(|text| u64::from_str_radix(text, 16).ok())
        .ok_or_else(|| "the key is not a hexadecimal member id".to_owned())
}

fn alarm(key: &[u8]) -> Result<(), (Code, String)> {
    let key = checked_length(key).map_err(|text| (Code::AlarmMalformed, text))?;
    let alarm = AlarmMember::decode(key)
        .map_err(|error| (Code::AlarmMalformed, format!("the key cannot be decoded: {error}")))?;
    match AlarmType::try_from(alarm.alarm) {
        Ok(AlarmType::Corrupt) => {
            Err((Code::AlarmCorrupt, format!("member {:x} raised the alarm CORRUPT", alarm.member_id)))
        }
        Ok(AlarmType::Nospace) => {
            Err((Code::AlarmNospace, format!("member {:x} raised the alarm NOSPACE", alarm.member_id)))
        }
        Ok(AlarmType::None) => {
            let text = "the alarm has the type NONE, which no server raises: etcd reports that it is unhealthy";
            Err((Code::AlarmMalformed, text.into()))
        }
        Err(_) => Err((Code::AlarmMalformed, format!("the alarm has the unknown type {}", alarm.alarm))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn member_ids_may_have_fewer_than_16_digits() {
        // etcd prints ids without leading zeros.
        assert_eq!(member_id(b"8e9e05c52164694d"), Ok(0x8e9e_05c5_2164_694d));
        assert_eq!(member_id(b"bf9071f4639c75c"), Ok(0xbf9_071f_4639_c75c));
        assert!(member_id(b"").is_err());
        assert!(member_id(b"+8e9e05c5216469").is_err());
        assert!(member_id(b"18e9e05c52164694d").is_err());
    }

    #[test]
    fn values_of_the_wrong_size_are_rejected() {
        let mut facts = SchemaFacts::default();
        assert_eq!(facts.add_entry(b"meta", b"term", &[0; 7]).map_err(|(code, _)| code), Err(Code::MetaMalformed));
        assert_eq!(facts.add_entry(b"meta", b"term", &[0, 0, 0, 0, 0, 0, 0, 3]), Ok(()));
        assert_eq!(facts.term, Some(3));
        let mut lease = |ttl, remaining_ttl| {
            let message = Lease { id: 7, ttl, remaining_ttl }.encode_to_vec();
            facts.add_entry(b"lease", &7_i64.to_be_bytes(), &message).map_err(|(code, _)| code)
        };
        assert_eq!([lease(1, 0), lease(MAX_LEASE_SECONDS, 600)], [Ok(()); 2]);
        assert_eq!(lease(60, 61), Err(Code::LeaseMalformed));
        for (ttl, remaining) in [(0, 0), (-5, 0), (MAX_LEASE_SECONDS + 1, 0), (60, i64::MAX), (60, -1)] {
            assert_eq!(lease(ttl, remaining), Err(Code::LeaseMalformed), "{ttl} {remaining}");
        }
        assert_eq!(facts.add_entry(b"auth", b"authEnabled", b"").map_err(|(code, _)| code), Err(Code::AuthMalformed));
    }
}
