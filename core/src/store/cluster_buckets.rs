//! Reads the small buckets: members, leases, users and roles, alarms, settings.

use etcdsnap_proto::authpb::{Role, User};
use etcdsnap_proto::etcdserverpb::{AlarmMember, AlarmType};
use etcdsnap_proto::leasepb;
use prost::Message;
use serde_json::Value;

use crate::bolt::bucket::{self, BucketLocation};
use crate::bolt::leaf::BUCKET;
use crate::bolt::page::PageDefect;
use crate::bolt::page_set::PageSet;
use crate::credentials::without_credentials;
use crate::error::Error;
use crate::etcd::revision_key::RevisionKey;
use crate::etcd::small_value::checked_length;
use crate::finding::Findings;
use crate::int_readers::{i64_be, u64_be};
use crate::limits::{LIST_BYTES, SETTING_TEXT};
use crate::progress::IgnoreProgress;
use crate::scan::leaf_visitor::{LeafPage, LeafVisitor};
use crate::scan::scanner::inline_page;
use crate::scan::schema_buckets::ListedBucket;
use crate::scan::subtree::Subtree;
use crate::scan::sweep_cache::SweepCache;
use crate::scan::walk::Walk;
use crate::source::Source;
use crate::store::opened_store::Store;

/// A member of the cluster, as bucket `members` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Member {
    /// Its id.
    pub id: u64,
    /// Name; empty until the member has started once.
    pub name: String,
    /// URLs for the other members.
    pub peer_urls: Vec<String>,
    /// URLs for clients.
    pub client_urls: Vec<String>,
    /// Whether it is a learner, without a vote.
    pub is_learner: bool,
}

/// A lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Its id.
    pub id: i64,
    /// Granted time to live in seconds.
    pub ttl: i64,
    /// Remaining seconds when last saved; 0 if never saved.
    pub remaining_ttl: i64,
}

/// The authentication state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Auth {
    /// Returns the authentication state.
    pub enabled: bool,
    /// Auth revision: the number of changes to users, roles and this state.
    pub revision: u64,
}

/// An alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alarm {
    /// Id of the member that raised it.
    pub member: u64,
    /// Type of alarm; `None` if unknown.
    pub kind: Option<AlarmType>,
}

/// An entry of `meta`, `cluster` or `auth`, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSetting {
    /// Name of the bucket.
    pub bucket: &'static str,
    /// Key of the entry.
    pub key: Vec<u8>,
    /// Value as a number, a revision or text; otherwise in hexadecimal.
    pub value: String,
}

/// A list that accepts items until [`LIST_BYTES`] of memory are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// The accepted items, in order.
    pub items: Vec<T>,
    /// Number of items left out.
    pub left_out: u64,
    remaining_bytes: usize,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self { items: Vec::new(), left_out: 0, remaining_bytes: LIST_BYTES }
    }
}

impl<T> Listing<T> {
    /// Adds an item that owns `held` bytes outside itself.
    pub fn take(&mut self, item: T, held: usize) {
        // A growing vector has up to twice the capacity that its items need.
        let bytes = size_of::<T>().saturating_mul(2).saturating_add(held);
        match self.remaining_bytes.checked_sub(bytes) {
            Some(remaining_bytes) => {
                self.remaining_bytes = remaining_bytes;
                self.items.push(item);
            }
            None => self.left_out = self.left_out.saturating_add(1),
        }
    }
}

/// Memory of a text of this length, with the allocator's overhead.
fn held(len: usize) -> usize {
    size_of::<String>().saturating_add(len).saturating_add(16)
}

/// Passes elements on to a callback, and counts nested buckets instead.
struct Each<'f>(&'f mut dyn FnMut(&[u8], &[u8]), u64);

impl LeafVisitor for Each<'_> {
    fn visit_elements(&mut self, leaf: &LeafPage<'_>, _defects: &[PageDefect], _findings: &mut Findings) {
        for element in leaf.leaf().pairs() {
            if element.flags & BUCKET == 0 {
                (self.0)(element.key, element.value);
            } else {
                self.1 = self.1.saturating_add(1);
            }
        }
    }

    fn walks_nested_buckets(&self) -> bool {
        false
    }
}

impl<S: Source + ?Sized> Store<'_, S> {
    /// Calls `take` with key and value of each element of a bucket, in order; never if the bucket does not exist.
    /// Damaged parts are skipped: [`Store::lost`] reports them.
    ///
    /// # Errors
    /// A read fails.
    pub fn bucket(&self, name: &str, take: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Error> {
        let entry = self.listed.iter().find(|entry| *entry.name == *name.as_bytes());
        entry.map_or(Ok(()), |entry| self.pairs_of(entry, take).map(drop))
    }

    /// Calls `take` with key and value of each element of a bucket, in order; returns the number of nested buckets,
    /// which are skipped.
    ///
    /// # Errors
    /// A read fails.
    pub(crate) fn pairs_of(&self, entry: &ListedBucket, take: &mut dyn FnMut(&[u8], &[u8])) -> Result<u64, Error> {
        let mut each = Each(take, 0);
        let used = PageSet::new(self.geometry.present.get())?;
        let mut memory = SweepCache::default();
        let mut walk = Walk::new(self.source, self.geometry, &used, &mut memory, &IgnoreProgress);
        match bucket::parse(&entry.value) {
            Ok(BucketLocation::Tree(root)) => walk.visit(&Subtree::root(root, entry.at), &mut each)?,
            Ok(BucketLocation::Inline(header, bytes)) => {
                walk.visit_inline(&inline_page(entry, header, bytes), 1, &mut each)?
            }
            Err(_) => {}
        }
        Ok(each.1)
    }

    /// Returns the members, sorted by id.
    ///
    /// # Errors
    /// A read fails.
    pub fn members(&self) -> Result<Listing<Member>, Error> {
        let mut members = Listing::default();
        self.bucket("members", &mut |key, value| {
            let Some(member) = member(key, value) else { return };
            let urls = member.peer_urls.iter().chain(&member.client_urls).chain([&member.name]);
            let bytes = urls.map(|text| held(text.len())).fold(0, usize::saturating_add);
            members.take(member, bytes);
        })?;
        members.items.sort_by_key(|member: &Member| member.id);
        Ok(members)
    }

    /// Returns the ids of removed members.
    ///
    /// # Errors
    /// A read fails.
    pub fn removed_members(&self) -> Result<Vec<u64>, Error> {
        self.member_ids("members_removed")
    }

    /// Returns the ids in the keys of bucket `members` or `members_removed`, in order, whatever the values are.
    ///
    /// # Errors
    /// A read fails.
    pub fn member_ids(&self, bucket: &str) -> Result<Vec<u64>, Error> {
        let mut ids = Vec::new();
        self.bucket(bucket, &mut |key, _| ids.extend(member_id(key)))?;
        ids.sort_unstable();
        Ok(ids)
    }

    /// Returns the leases, sorted by id.
    ///
    /// # Errors
    /// A read fails.
    pub fn leases(&self) -> Result<Vec<Lease>, Error> {
        let mut leases = Vec::new();
        self.bucket("lease", &mut |_, value| {
            leases.extend(leasepb::Lease::decode(value).ok().map(|lease| Lease {
                id: lease.id,
                ttl: lease.ttl,
                remaining_ttl: lease.remaining_ttl,
            }));
        })?;
        leases.sort_by_key(|lease: &Lease| lease.id);
        Ok(leases)
    }

    /// Returns the authentication state.
    ///
    /// # Errors
    /// A read fails.
    pub fn auth(&self) -> Result<Auth, Error> {
        let mut auth = Auth::default();
        self.bucket("auth", &mut |key, value| match key {
            b"authEnabled" => auth.enabled = value == [1],
            b"authRevision" => auth.revision = u64_be(value, 0).unwrap_or_default(),
            _ => {}
        })?;
        Ok(auth)
    }

    /// Calls `take` with each user, sorted by name.
    ///
    /// # Errors
    /// A read fails.
    pub fn users(&self, take: &mut dyn FnMut(User)) -> Result<(), Error> {
        self.messages("authUsers", take)
    }

    /// Calls `take` with each role, sorted by name.
    ///
    /// # Errors
    /// A read fails.
    pub fn roles(&self, take: &mut dyn FnMut(Role)) -> Result<(), Error> {
        self.messages("authRoles", take)
    }

    fn messages<M: Message + Default>(&self, bucket: &str, take: &mut dyn FnMut(M)) -> Result<(), Error> {
        self.bucket(bucket, &mut |_, value| {
            if let Some(message) = checked_length(value).ok().and_then(|value| M::decode(value).ok()) {
                take(message);
            }
        })
    }

    /// Returns the alarms.
    ///
    /// # Errors
    /// A read fails.
    pub fn alarms(&self) -> Result<Vec<Alarm>, Error> {
        let mut alarms = Vec::new();
        self.bucket("alarm", &mut |key, _| {
            alarms.extend(
                checked_length(key)
                    .ok()
                    .and_then(|key| AlarmMember::decode(key).ok())
                    .map(|alarm| Alarm { member: alarm.member_id, kind: AlarmType::try_from(alarm.alarm).ok() }),
            );
        })?;
        Ok(alarms)
    }

    /// Calls `take` with each entry of `meta`, `cluster` and `auth`.
    ///
    /// # Errors
    /// A read fails.
    pub fn marks(&self, take: &mut dyn FnMut(StoredSetting)) -> Result<(), Error> {
        for bucket in ["meta", "cluster", "auth"] {
            self.bucket(bucket, &mut |key, value| {
                take(StoredSetting { bucket, key: key.to_vec(), value: in_words(key, value) });
            })?;
        }
        Ok(())
    }
}

fn in_words(key: &[u8], value: &[u8]) -> String {
    let number = || u64_be(value, 0).filter(|_| value.len() == 8).map(|number| number.to_string());
    let words = match key {
        b"consistent_index" | b"term" | b"authRevision" => number(),
        b"scheduledCompactRev" | b"finishedCompactRev" => {
            RevisionKey::parse(value).map(|key| key.revision.main.to_string())
        }
        b"authEnabled" => match value {
            [0] => Some("false".into()),
            [1] => Some("true".into()),
            _ => None,
        },
        _ => {
            let text = std::str::from_utf8(value).ok().filter(|text| text.len() <= SETTING_TEXT);
            text.filter(|text| !text.contains(char::is_control)).map(str::to_owned)
        }
    };
    words.unwrap_or_else(|| {
        let excerpt = value.get(..SETTING_TEXT).unwrap_or(value);
        let hex: String = excerpt.iter().map(|byte| format!("{byte:02x}")).collect();
        if excerpt.len() == value.len() { format!("0x{hex}") } else { format!("0x{hex}… ({} bytes)", value.len()) }
    })
}

fn member_id(key: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(key).ok()?, 16).ok()
}

fn member(key: &[u8], value: &[u8]) -> Option<Member> {
    let object: Value = serde_json::from_slice(checked_length(value).ok()?).ok()?;
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |name: &str| {
        let list = object.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(|url| without_credentials(url).into_owned()).collect()
    };
    Some(Member {
        id: member_id(key)?,
        name: text("name"),
        peer_urls: list("peerURLs"),
        client_urls: list("clientURLs"),
        is_learner: object.get("isLearner").and_then(Value::as_bool).unwrap_or_default(),
    })
}

/// Parses a lease id as etcd's programs print and take it, in hexadecimal.
///
/// # Errors
/// A message that quotes the text if it is not a lease id.
pub fn lease_id(text: &str) -> Result<i64, String> {
    let id = u64::from_str_radix(text.trim_start_matches("0x"), 16).map_err(|_| text.to_owned())?;
    Ok(i64_be(&id.to_be_bytes(), 0).unwrap_or_default())
}
