//! Counts the live keys of a file whose entries are not in revision order.
//!
//! The history check relies on entries in revision order, as in every file that etcd wrote. If damage broke that order,
//! this module decides by the newest revision of each key whether it is live, as queries do.

use crate::bolt::page_id::PageId;
use std::collections::HashMap;

use crate::bolt::leaf::BUCKET;
use crate::bolt::page::PageDefect;
use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::etcd::revision_record::KeyHash;
use crate::finding::Findings;
use crate::progress::ScanProgress;
use crate::scan::leaf_prefetch::PrefetchedDigests;
use crate::scan::leaf_visitor::{LeafPage, LeafVisitor};
use crate::scan::scanner::Scan;
use crate::source::Source;

/// Counts the keys whose newest revision is a put, in a separate walk.
pub(crate) fn count<S: Source + ?Sized>(scan: &Scan<'_, S>, progress: &dyn ScanProgress) -> Result<u64, Error> {
    let mut visitor = LiveKeyCounter::default();
    scan.walk_keys_again(&mut visitor, &PrefetchedDigests::default(), progress)?;
    let bytes = (visitor.newest.len() as u64).saturating_mul(size_of::<(KeyHash, NewestEntry)>() as u64);
    if visitor.is_out_of_memory {
        return Err(Error::Memory { what: "the keys of a file whose entries are out of order", bytes });
    }
    Ok(visitor.newest.values().filter(|newest| !newest.tombstone).count() as u64)
}

/// The newest entry of a key.
struct NewestEntry {
    /// Revision, page and index in the page. If two entries have the same revision, which only damage causes, the later
    /// one in the file counts.
    at: (FullRevision, PageId, usize),
    tombstone: bool,
}

#[derive(Default)]
struct LiveKeyCounter {
    newest: HashMap<KeyHash, NewestEntry>,
    /// Whether memory ran out for some keys.
    is_out_of_memory: bool,
}

impl LeafVisitor for LiveKeyCounter {
    fn visit_elements(&mut self, leaf: &LeafPage<'_>, _defects: &[PageDefect], _findings: &mut Findings) {
        for (index, element) in leaf.leaf().elements().enumerate() {
            let Some(element) = element.ok().filter(|element| element.flags & BUCKET == 0) else { continue };
            let Some(RevisionKey { revision, tombstone }) = RevisionKey::parse(element.key) else { continue };
            // The entry of a revision bump belongs to no key.
            let Some(message) = KeyValue::parse(element.value).filter(|message| !message.key.is_empty()) else {
                continue;
            };
            if self.newest.try_reserve(1).is_err() {
                self.is_out_of_memory = true;
                return;
            }
            let at = (revision, leaf.page, index);
            let newest = self.newest.entry(KeyHash::of(message.key)).or_insert(NewestEntry { at, tombstone });
            if newest.at < at {
                *newest = NewestEntry { at, tombstone };
            }
        }
    }

    fn walks_nested_buckets(&self) -> bool {
        false
    }
}
