//! Queries of a store, and the entries that match them.

use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision::Revision;
use crate::finding::Finding;
use crate::finding_code::Code;
use crate::lost_parts::LostParts;
use crate::store::entry::KeyEntry;
use crate::store::range::KeyRange;

/// A query of keys at a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Range of keys.
    pub range: KeyRange,
    /// Prefixes of which a key must have one; empty for every key of the range.
    pub folders: Vec<Vec<u8>>,
    /// Main revision.
    pub revision: Revision,
    /// Whether to hash values, for comparisons.
    pub hash_values: bool,
}

impl Query {
    /// Whether a key is wanted.
    #[inline]
    fn contains(&self, key: &[u8]) -> bool {
        self.range.contains(key)
            && (self.folders.is_empty() || self.folders.iter().any(|folder| key.starts_with(folder)))
    }

    /// Decodes an entry if it matches the query. An undecodable entry goes into `lost`, because its key is unknown.
    #[inline]
    pub fn message<'a>(&self, entry: &KeyEntry<'a>, lost: &mut LostParts) -> Option<KeyValue<'a>> {
        if entry.key.revision.main > self.revision || (entry.value.is_empty() && !entry.key.tombstone) {
            return None;
        }
        // A damaged message can contain a second key, which then counts, so the whole message is decoded.
        match KeyValue::parse(entry.value) {
            Some(message) if !message.key.is_empty() => self.contains(message.key).then_some(message),
            parsed => {
                lost.add(malformed(entry, if parsed.is_some() { "have no key" } else { "are not a KeyValue message" }));
                None
            }
        }
    }
}

/// Creates the finding about an undecodable entry.
pub(crate) fn malformed(entry: &KeyEntry<'_>, what: &str) -> Finding {
    let text = format!("the {} bytes under revision {} {what}", entry.value.len(), entry.key.revision);
    Finding::new(Code::KeyvalueMalformed, text).page(entry.place.page)
}
