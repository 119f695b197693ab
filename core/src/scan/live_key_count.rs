//! Counts the live keys of a file whose entries are not in revision order.
//!
//! The history check relies on entries in revision order, as in every file that etcd wrote. If damage broke that order,
//! the newest revision of a key decides whether it lives, as in all answers about keys.

use crate::bolt::page_id::PageId;
use std::collections::HashMap;

use crate::bolt::leaf::BUCKET;
use crate::bolt::page::PageFault;
use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::etcd::revision_record::KeyHash;
use crate::finding::Findings;
use crate::progress::Watch;
use crate::scan::leaf_prefetch::PrefetchedDigests;
use crate::scan::leaf_visitor::{LeafPage, LeafVisitor};
use crate::scan::scanner::Scan;
use crate::source::Source;

/// Counts the keys whose newest revision is a put, by a walk of its own.
pub(crate) fn count<S: Source + ?Sized>(scan: &Scan<'_, S>, watch: &dyn Watch) -> Result<u64, Error> {
    let mut fold = LiveFold::default();
    scan.walk_keys_again(&mut fold, &PrefetchedDigests::default(), watch)?;
    let bytes = (fold.newest.len() as u64).saturating_mul(size_of::<(KeyHash, NewestInFile)>() as u64);
    if fold.exhausted {
        return Err(Error::Memory { what: "the keys of a file whose entries are out of order", bytes });
    }
    Ok(fold.newest.values().filter(|newest| !newest.tombstone).count() as u64)
}

/// The newest entry of a key.
struct NewestInFile {
    /// Revision and place; of two entries with the same revision, which only damage causes, the later in the file wins.
    at: (FullRevision, PageId, usize),
    tombstone: bool,
}

#[derive(Default)]
struct LiveFold {
    newest: HashMap<KeyHash, NewestInFile>,
    /// Whether memory ran out for some keys.
    exhausted: bool,
}

impl LeafVisitor for LiveFold {
    fn examine(&mut self, leaf: &LeafPage<'_>, _faults: &[PageFault], _findings: &mut Findings) {
        for (index, element) in leaf.leaf().elements().enumerate() {
            let Some(element) = element.ok().filter(|element| element.flags & BUCKET == 0) else { continue };
            let Some(RevisionKey { revision, tombstone }) = RevisionKey::parse(element.key) else { continue };
            // The entry of a revision bump belongs to no key.
            let Some(message) = KeyValue::parse(element.value).filter(|message| !message.key.is_empty()) else {
                continue;
            };
            if self.newest.try_reserve(1).is_err() {
                self.exhausted = true;
                return;
            }
            let at = (revision, leaf.page, index);
            let newest = self.newest.entry(KeyHash::of(message.key)).or_insert(NewestInFile { at, tombstone });
            if newest.at < at {
                *newest = NewestInFile { at, tombstone };
            }
        }
    }

    fn descends(&self) -> bool {
        false
    }
}
