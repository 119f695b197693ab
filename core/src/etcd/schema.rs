//! The small buckets: what each holds, and whether an entry is what etcd writes there.
//!
//! Source: etcd's `server/storage/schema` (3.5 to 3.7) and `etcdserver/membership/store.go` (3.3, 3.4).

use std::collections::HashSet;

use etcdsnap_proto::authpb::{Role, User};
use etcdsnap_proto::etcdserverpb::{AlarmMember, AlarmType};
use etcdsnap_proto::leasepb::Lease;
use prost::Message;
use serde_json::Value;

use crate::code::Code;
use crate::etcd::record::Marks;
use crate::etcd::revision::RevisionKey;
use crate::etcd::version;
use crate::fields::{i64_be, u64_be};
use crate::finding::excerpt;
use crate::limits::MAX_SMALL_VALUE;

/// Buckets that etcd 3.3 to 3.7 make when they start.
pub const REQUIRED: &[&str] =
    &["alarm", "auth", "authRoles", "authUsers", "cluster", "key", "lease", "members", "members_removed", "meta"];

/// What the small buckets say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// `meta/consistent_index`.
    pub consistent_index: Option<u64>,
    /// `meta/term`.
    pub term: Option<u64>,
    /// `meta/storageVersion`.
    pub storage_version: Option<String>,
    /// `meta/finishedCompactRev`.
    pub finished_compact: Option<i64>,
    /// `meta/scheduledCompactRev`.
    pub scheduled_compact: Option<i64>,
    /// `cluster/clusterVersion`.
    pub cluster_version: Option<String>,
    /// Entries of bucket `members`.
    pub members: u64,
    /// Leases.
    pub leases: HashSet<i64>,
}

impl Facts {
    /// The marks of compaction.
    #[must_use]
    pub fn marks(&self) -> Marks {
        Marks { finished: self.finished_compact.unwrap_or(-1), scheduled: self.scheduled_compact.unwrap_or(-1) }
    }

    /// Takes in an entry of a top-level bucket other than `key`.
    ///
    /// # Errors
    /// What is wrong with it, as a code and a sentence.
    pub fn take(&mut self, bucket: &[u8], key: &[u8], value: &[u8]) -> Result<(), (Code, String)> {
        let (code, taken) = match bucket {
            b"meta" => (Code::MetaMalformed, self.meta(key, value)),
            b"lease" => (Code::LeaseMalformed, self.lease(key, value)),
            b"members" => (Code::MemberMalformed, self.member(key, value)),
            b"members_removed" => (Code::MemberMalformed, member_id(key).map(drop)),
            b"cluster" => (Code::ClusterMalformed, self.cluster(key, value)),
            b"alarm" => return alarm(key),
            b"auth" => (Code::AuthMalformed, auth(key, value)),
            b"authUsers" => (Code::AuthMalformed, named(key, message::<User>(value).map(|user| user.name))),
            b"authRoles" => (Code::AuthMalformed, named(key, message::<Role>(value).map(|role| role.name))),
            _ => return Ok(()),
        };
        taken.map_err(|message| (code, message))?;
        if bucket == b"meta" && key == b"storageVersion" {
            return self.known_version();
        }
        Ok(())
    }

    fn meta(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        match key {
            b"consistent_index" => self.consistent_index = Some(eight(value)?),
            b"term" => self.term = Some(eight(value)?),
            b"finishedCompactRev" => self.finished_compact = Some(mark(value)?),
            b"scheduledCompactRev" => self.scheduled_compact = Some(mark(value)?),
            b"confState" => drop(object(value)?),
            b"storageVersion" => self.storage_version = Some(version_text(value)?),
            _ => {}
        }
        Ok(())
    }

    fn known_version(&self) -> Result<(), (Code, String)> {
        match self.storage_version.as_deref().map(|text| (text, version::parse(text))) {
            Some((text, Some(numbers))) if !version::is_known(numbers) => {
                Err((Code::VersionUnknown, format!("the storage version is {text}; this program knows 3.5 to 3.7")))
            }
            _ => Ok(()),
        }
    }

    fn lease(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let id = i64_be(key, 0).filter(|_| key.len() == 8);
        let id = id.ok_or_else(|| format!("a lease under a key of {} bytes, not 8", key.len()))?;
        let lease = message::<Lease>(value)?;
        if lease.id != id {
            return Err(format!("lease {:x} stands under the key of lease {id:x}", lease.id));
        }
        self.leases.insert(id);
        Ok(())
    }

    fn member(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        self.members = self.members.saturating_add(1);
        let id = member_id(key)?;
        let member = object(value)?;
        let named = member.get("id").and_then(Value::as_u64);
        if named != Some(id) {
            return Err(format!("the member under the key {id:x} names the id {named:x?}"));
        }
        let urls = member.get("peerURLs").and_then(Value::as_array);
        if !urls.is_some_and(|urls| urls.iter().all(Value::is_string)) {
            return Err("a member without a list of peer URLs".into());
        }
        Ok(())
    }

    fn cluster(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        match key {
            b"clusterVersion" => self.cluster_version = Some(version_text(value)?),
            b"downgrade" => drop(object(value)?),
            _ => {}
        }
        Ok(())
    }
}

fn eight(value: &[u8]) -> Result<u64, String> {
    u64_be(value, 0).filter(|_| value.len() == 8).ok_or_else(|| format!("a value of {} bytes, not 8", value.len()))
}

fn mark(value: &[u8]) -> Result<i64, String> {
    match RevisionKey::parse(value) {
        Some(key) if !key.tombstone => Ok(key.revision.main),
        _ => Err(format!("a value of {} bytes that is no revision", value.len())),
    }
}

fn version_text(value: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(value).ok().filter(|text| version::parse(text).is_some());
    text.map(str::to_owned).ok_or_else(|| {
        format!("\"{}\" is no version", value.get(..value.len().min(64)).unwrap_or_default().escape_ascii())
    })
}

/// Decoded, a value can take thirty times its length.
fn small(value: &[u8]) -> Result<&[u8], String> {
    if value.len() > MAX_SMALL_VALUE {
        return Err(format!("{} bytes where etcd writes a few hundred", value.len()));
    }
    Ok(value)
}

fn object(value: &[u8]) -> Result<Value, String> {
    let value = small(value)?;
    match serde_json::from_slice(value) {
        Ok(object @ Value::Object(_)) => Ok(object),
        Ok(_) => Err("the value is JSON, but no object".into()),
        Err(error) => Err(format!("the value is no JSON: {error}")),
    }
}

fn message<M: Message + Default>(value: &[u8]) -> Result<M, String> {
    M::decode(small(value)?).map_err(|error| format!("the value cannot be decoded: {error}"))
}

fn named(key: &[u8], name: Result<Vec<u8>, String>) -> Result<(), String> {
    let name = name?;
    if name != key {
        return Err(format!("it stands under another name: it calls itself \"{}\"", excerpt(&name)));
    }
    Ok(())
}

fn member_id(key: &[u8]) -> Result<u64, String> {
    let text = std::str::from_utf8(key).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    text.and_then(|text| u64::from_str_radix(text, 16).ok())
        .ok_or_else(|| "the key is no member id in hexadecimal".to_owned())
}

fn alarm(key: &[u8]) -> Result<(), (Code, String)> {
    let key = small(key).map_err(|text| (Code::AlarmMalformed, text))?;
    let alarm = AlarmMember::decode(key)
        .map_err(|error| (Code::AlarmMalformed, format!("the key cannot be decoded: {error}")))?;
    match AlarmType::try_from(alarm.alarm) {
        Ok(AlarmType::Corrupt) => {
            Err((Code::AlarmCorrupt, format!("member {:x} had raised the alarm CORRUPT", alarm.member_id)))
        }
        Ok(_) => Ok(()),
        Err(_) => Err((Code::AlarmMalformed, format!("an alarm of unknown type {}", alarm.alarm))),
    }
}

fn auth(key: &[u8], value: &[u8]) -> Result<(), String> {
    match key {
        b"authEnabled" if !matches!(value, [0 | 1]) => {
            Err(format!("authEnabled has {} bytes that are neither 0 nor 1", value.len()))
        }
        b"authRevision" => eight(value).map(drop),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn member_keys_may_be_short() {
        // etcd prints ids without leading zeros.
        assert_eq!(member_id(b"8e9e05c52164694d"), Ok(0x8e9e_05c5_2164_694d));
        assert_eq!(member_id(b"bf9071f4639c75c"), Ok(0xbf9_071f_4639_c75c));
        assert!(member_id(b"").is_err());
        assert!(member_id(b"+8e9e05c5216469").is_err());
        assert!(member_id(b"18e9e05c52164694d").is_err());
    }

    #[test]
    fn wrong_sizes_are_named() {
        let mut facts = Facts::default();
        assert_eq!(facts.take(b"meta", b"term", &[0; 7]).map_err(|(code, _)| code), Err(Code::MetaMalformed));
        assert_eq!(facts.take(b"meta", b"term", &[0, 0, 0, 0, 0, 0, 0, 3]), Ok(()));
        assert_eq!(facts.term, Some(3));
        assert_eq!(facts.take(b"auth", b"authEnabled", b"").map_err(|(code, _)| code), Err(Code::AuthMalformed));
        assert_eq!(
            facts.take(b"meta", b"storageVersion", b"9.9.0").map_err(|(code, _)| code),
            Err(Code::VersionUnknown)
        );
    }
}
