//! What is asked of a store, and which entries answer it.

use crate::code::Code;
use crate::etcd::keyvalue::KeyValue;
use crate::finding::Finding;
use crate::store::open::{Entry, Lost};
use crate::store::range::KeyRange;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Which keys.
    pub range: KeyRange,
    /// At which main revision.
    pub revision: i64,
    /// Whether values are hashed, to be compared with others.
    pub hash_values: bool,
}

impl Query {
    /// The message of an entry that is asked for; one that cannot be read goes into `lost`.
    #[inline]
    pub(crate) fn message<'a>(&self, entry: &Entry<'a>, lost: &mut Lost) -> Option<KeyValue<'a>> {
        if entry.key.revision.main > self.revision || (entry.value.is_empty() && !entry.key.tombstone) {
            return None;
        }
        let begins_with = first_key(entry.value);
        if begins_with.is_some_and(|key| !self.range.contains(key)) {
            return None;
        }
        let Some(message) = KeyValue::parse(entry.value) else {
            let text = format!("the {} bytes under revision {} are no KeyValue", entry.value.len(), entry.key.revision);
            lost.add(Finding::new(Code::KeyvalueMalformed, text).page(entry.place.page));
            return None;
        };
        if begins_with.is_none_or(|key| key.len() != message.key.len()) && !self.range.contains(message.key) {
            return None;
        }
        Some(message)
    }
}

/// The key of a message that begins with it, as all do that etcd writes; to pass over what is not asked for without reading more.
#[inline]
fn first_key(value: &[u8]) -> Option<&[u8]> {
    let (&tag, rest) = value.split_first()?;
    let (&len, rest) = rest.split_first()?;
    if tag != 0x0a || len >= 0x80 {
        return None;
    }
    rest.get(..usize::from(len))
}

/// The key of a message; none when it is no message.
#[inline]
pub(crate) fn key_of(value: &[u8]) -> Option<&[u8]> {
    first_key(value).or_else(|| KeyValue::parse(value).map(|message| message.key))
}
