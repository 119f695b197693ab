//! What is asked of a store, and which entries answer it.

use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision::Revision;
use crate::finding::Finding;
use crate::finding_code::Code;
use crate::missing_parts::Lost;
use crate::store::entry::Entry;
use crate::store::range::KeyRange;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Which keys.
    pub range: KeyRange,
    /// At which main revision.
    pub revision: Revision,
    /// Whether values are hashed, to be compared with others.
    pub hash_values: bool,
}

impl Query {
    /// The message of an entry that is asked for; one that does not parse goes into `lost`, because nobody can tell which key it was of.
    #[inline]
    pub fn message<'a>(&self, entry: &Entry<'a>, lost: &mut Lost) -> Option<KeyValue<'a>> {
        if entry.key.revision.main > self.revision || (entry.value.is_empty() && !entry.key.tombstone) {
            return None;
        }
        // A damaged message can name a second key, which counts, so all of it is read.
        match KeyValue::parse(entry.value) {
            Some(message) if !message.key.is_empty() => self.range.contains(message.key).then_some(message),
            parsed => {
                lost.add(malformed(entry, if parsed.is_some() { "have no key" } else { "are no KeyValue" }));
                None
            }
        }
    }
}

/// The finding about an entry that does not parse.
pub(crate) fn malformed(entry: &Entry<'_>, what: &str) -> Finding {
    let text = format!("the {} bytes under revision {} {what}", entry.value.len(), entry.key.revision);
    Finding::new(Code::KeyvalueMalformed, text).page(entry.place.page)
}
