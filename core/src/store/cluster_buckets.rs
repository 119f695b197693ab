//! What the small buckets say: members, leases, users and roles, alarms, marks.

use etcdsnap_proto::authpb::{Role, User};
use etcdsnap_proto::etcdserverpb::{AlarmMember, AlarmType};
use etcdsnap_proto::leasepb;
use prost::Message;
use serde_json::Value;

use crate::bolt::bucket::{self, Place};
use crate::bolt::leaf::BUCKET;
use crate::bolt::page::Fault;
use crate::bolt::page_set::PageSet;
use crate::credentials::without_credentials;
use crate::error::Error;
use crate::etcd::revision_key::RevisionKey;
use crate::etcd::small_value::small;
use crate::finding::Findings;
use crate::int_readers::{i64_be, u64_be};
use crate::limits::{LIST_BYTES, MARK_TEXT};
use crate::progress::Unwatched;
use crate::scan::leaf_visitor::{Fold, LeafPage};
use crate::scan::scanner::inline_page;
use crate::scan::schema_buckets::Listed;
use crate::scan::subtree::Subtree;
use crate::scan::sweep_cache::Memory;
use crate::scan::walk::Walk;
use crate::source::Source;
use crate::store::opened_store::Store;

/// A member of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Member {
    /// Its id.
    pub id: u64,
    /// Its name; empty until it was started once.
    pub name: String,
    /// Where the other members reach it.
    pub peer_urls: Vec<String>,
    /// Where clients reach it.
    pub client_urls: Vec<String>,
    /// Whether it has no vote yet.
    pub is_learner: bool,
}

/// A lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Its id.
    pub id: i64,
    /// Seconds that it was granted for.
    pub ttl: i64,
    /// Seconds left when that was last written down; 0 when it never was.
    pub remaining_ttl: i64,
}

/// Whether users need to say who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Auth {
    /// Whether the server asks who asks.
    pub enabled: bool,
    /// How often anything of it was changed.
    pub revision: u64,
}

/// An alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alarm {
    /// The member that raised it.
    pub member: u64,
    /// Which; none for one that is not known.
    pub kind: Option<AlarmType>,
}

/// An entry of `meta`, `cluster` or `auth`, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The bucket.
    pub bucket: &'static str,
    /// Its key.
    pub key: Vec<u8>,
    /// Its value as a number, a revision or text; hexadecimal where it is none of these.
    pub value: String,
}

/// A list that takes items while they have room in [`LIST_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// Those that had room, in order.
    pub items: Vec<T>,
    /// How many had none.
    pub left_out: u64,
    room: usize,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self { items: Vec::new(), left_out: 0, room: LIST_BYTES }
    }
}

impl<T> Listing<T> {
    /// Takes an item that holds so many bytes outside of itself.
    pub fn take(&mut self, item: T, held: usize) {
        // A vector that grows has twice the room that its items need.
        let bytes = size_of::<T>().saturating_mul(2).saturating_add(held);
        match self.room.checked_sub(bytes) {
            Some(room) => {
                self.room = room;
                self.items.push(item);
            }
            None => self.left_out = self.left_out.saturating_add(1),
        }
    }
}

/// What a text takes, with what an allocator adds.
fn held(len: usize) -> usize {
    size_of::<String>().saturating_add(len).saturating_add(16)
}

/// Hands pairs on, and counts the buckets among them, which it does not.
struct Each<'f>(&'f mut dyn FnMut(&[u8], &[u8]), u64);

impl Fold for Each<'_> {
    fn examine(&mut self, leaf: &LeafPage<'_>, _faults: &[Fault], _findings: &mut Findings) {
        for element in leaf.leaf().pairs() {
            if element.flags & BUCKET == 0 {
                (self.0)(element.key, element.value);
            } else {
                self.1 = self.1.saturating_add(1);
            }
        }
    }

    fn descends(&self) -> bool {
        false
    }
}

impl<S: Source + ?Sized> Store<'_, S> {
    /// Hands out the pairs of a bucket in order; nothing when there is no such bucket. What is damaged is passed over: [`Store::lost`] tells of it.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn bucket(&self, name: &str, take: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Error> {
        let entry = self.listed.iter().find(|entry| *entry.name == *name.as_bytes());
        entry.map_or(Ok(()), |entry| self.pairs_of(entry, take).map(drop))
    }

    /// Hands out the pairs of a bucket in order: how many buckets are among them, which are passed over.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub(crate) fn pairs_of(&self, entry: &Listed, take: &mut dyn FnMut(&[u8], &[u8])) -> Result<u64, Error> {
        let mut each = Each(take, 0);
        let used = PageSet::new(self.geometry.present.get())?;
        let mut memory = Memory::default();
        let mut walk = Walk::new(self.source, self.geometry, &used, &mut memory, &Unwatched);
        match bucket::parse(&entry.value) {
            Ok(Place::Tree(root)) => walk.visit(&Subtree::root(root, entry.at), &mut each)?,
            Ok(Place::Inline(header, bytes)) => walk.inline(&inline_page(entry, header, bytes), 1, &mut each)?,
            Err(_) => {}
        }
        Ok(each.1)
    }

    /// The members, in order of their ids.
    ///
    /// # Errors
    /// When bytes cannot be read.
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

    /// The ids of members that were removed.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn removed_members(&self) -> Result<Vec<u64>, Error> {
        self.member_ids("members_removed")
    }

    /// The ids under which entries of bucket `members` or `members_removed` stand, in order, whatever the entries say.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn member_ids(&self, bucket: &str) -> Result<Vec<u64>, Error> {
        let mut ids = Vec::new();
        self.bucket(bucket, &mut |key, _| ids.extend(member_id(key)))?;
        ids.sort_unstable();
        Ok(ids)
    }

    /// The leases, in order of their ids.
    ///
    /// # Errors
    /// When bytes cannot be read.
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

    /// Whether authentication is on.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn auth(&self) -> Result<Auth, Error> {
        let mut auth = Auth::default();
        self.bucket("auth", &mut |key, value| match key {
            b"authEnabled" => auth.enabled = value == [1],
            b"authRevision" => auth.revision = u64_be(value, 0).unwrap_or_default(),
            _ => {}
        })?;
        Ok(auth)
    }

    /// Hands out the users, by name.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn users(&self, take: &mut dyn FnMut(User)) -> Result<(), Error> {
        self.messages("authUsers", take)
    }

    /// Hands out the roles, by name.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn roles(&self, take: &mut dyn FnMut(Role)) -> Result<(), Error> {
        self.messages("authRoles", take)
    }

    fn messages<M: Message + Default>(&self, bucket: &str, take: &mut dyn FnMut(M)) -> Result<(), Error> {
        self.bucket(bucket, &mut |_, value| {
            if let Some(message) = small(value).ok().and_then(|value| M::decode(value).ok()) {
                take(message);
            }
        })
    }

    /// The alarms.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn alarms(&self) -> Result<Vec<Alarm>, Error> {
        let mut alarms = Vec::new();
        self.bucket("alarm", &mut |key, _| {
            alarms.extend(
                small(key)
                    .ok()
                    .and_then(|key| AlarmMember::decode(key).ok())
                    .map(|alarm| Alarm { member: alarm.member_id, kind: AlarmType::try_from(alarm.alarm).ok() }),
            );
        })?;
        Ok(alarms)
    }

    /// Hands out the entries of `meta`, `cluster` and `auth`.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn marks(&self, take: &mut dyn FnMut(Mark)) -> Result<(), Error> {
        for bucket in ["meta", "cluster", "auth"] {
            self.bucket(bucket, &mut |key, value| {
                take(Mark { bucket, key: key.to_vec(), value: in_words(key, value) });
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
            let text = std::str::from_utf8(value).ok().filter(|text| text.len() <= MARK_TEXT);
            text.filter(|text| !text.contains(char::is_control)).map(str::to_owned)
        }
    };
    words.unwrap_or_else(|| {
        let told = value.get(..MARK_TEXT).unwrap_or(value);
        let hex: String = told.iter().map(|byte| format!("{byte:02x}")).collect();
        if told.len() == value.len() { format!("0x{hex}") } else { format!("0x{hex}… ({} bytes)", value.len()) }
    })
}

fn member_id(key: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(key).ok()?, 16).ok()
}

fn member(key: &[u8], value: &[u8]) -> Option<Member> {
    let object: Value = serde_json::from_slice(small(value).ok()?).ok()?;
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

/// A lease's id as etcd's programs print and take it, in hexadecimal.
///
/// # Errors
/// Nothing but the text itself when it is none.
pub fn lease_id(text: &str) -> Result<i64, String> {
    let id = u64::from_str_radix(text.trim_start_matches("0x"), 16).map_err(|_| text.to_owned())?;
    Ok(i64_be(&id.to_be_bytes(), 0).unwrap_or_default())
}
