//! Reads the entries of all buckets except `key`, and the list of buckets.

use crate::bolt::page_id::PageId;
use crate::offset::Offset;
use std::sync::Arc;

use crate::bolt::bucket::BUCKET_HEADER;
use crate::bolt::leaf::BUCKET;
use crate::bolt::page::PageDefect;
use crate::crc::{CrcCombiner, PartialCrc};
use crate::etcd::bucket_rules::{SchemaFacts, is_required};
use crate::finding::{Findings, excerpt};
use crate::finding_code::Code;
use crate::int_readers::u64_le;
use crate::scan::leaf_visitor::{LeafPage, LeafVisitor};

/// Computes the CRC-32C of the elements of a leaf as etcd's `snapshot status` hashes them: keys and values in order,
/// and of a nested bucket only its name.
#[must_use]
pub fn hash_leaf(leaf: &LeafPage<'_>, combiner: &CrcCombiner) -> PartialCrc {
    let pairs = leaf.leaf();
    let plain = pairs.pairs().all(|element| element.flags & BUCKET == 0);
    if plain
        && let Some(range) = pairs.packed_range()
        && let Some(bytes) = leaf.bytes.get(range)
    {
        return PartialCrc::of(bytes);
    }
    pairs.pairs().fold(PartialCrc::default(), |run, element| {
        let run = run.then(PartialCrc::of(element.key), combiner);
        if element.flags & BUCKET == 0 { run.then(PartialCrc::of(element.value), combiner) } else { run }
    })
}

/// Adds the entries of a small bucket to the facts, and hashes and counts them.
pub struct SmallBucketVisitor<'a> {
    /// Name of the bucket.
    pub bucket: &'a [u8],
    /// Facts from all small buckets.
    pub facts: &'a mut SchemaFacts,
    /// Computes CRCs of concatenated data.
    pub combiner: &'a CrcCombiner,
    /// CRC-32C of all keys and values in order.
    pub run: PartialCrc,
    /// Number of entries.
    pub entries: u64,
}

impl LeafVisitor for SmallBucketVisitor<'_> {
    fn visit_elements(&mut self, leaf: &LeafPage<'_>, _defects: &[PageDefect], findings: &mut Findings) {
        self.run = self.run.then(hash_leaf(leaf, self.combiner), self.combiner);
        for element in leaf.leaf().pairs() {
            self.entries = self.entries.saturating_add(1);
            if element.flags & BUCKET != 0 {
                if is_required(self.bucket) {
                    let text = format!("bucket {} contains another bucket", excerpt(self.bucket));
                    findings.push(leaf.finding(Code::BucketNested, element.at, text).key(element.key));
                }
                continue;
            }
            self.facts.note_location(self.bucket, element.key, (leaf.page, leaf.offset.plus(element.at as u64)));
            if let Err((code, text)) = self.facts.add_entry(self.bucket, element.key, element.value) {
                let bucket = excerpt(self.bucket);
                findings.push(leaf.finding(code, element.at, format!("bucket {bucket}: {text}")).key(element.key));
            }
        }
    }
}

/// A top-level bucket, as the root tree lists it.
#[derive(Debug, Clone)]
pub struct ListedBucket {
    /// Its name.
    pub name: Arc<[u8]>,
    /// Its header; if the bucket is inline, also its page.
    pub value: Arc<[u8]>,
    /// Page and file offset of the value.
    pub at: (PageId, Offset),
}

/// Collects the top-level buckets.
pub struct BucketListVisitor<'a> {
    /// Buckets found, in key order.
    pub listed: Vec<ListedBucket>,
    /// Collects findings about the list: invalid or unknown buckets, and entries that are no buckets.
    pub findings: &'a mut Findings,
}

impl LeafVisitor for BucketListVisitor<'_> {
    fn visit_elements(&mut self, leaf: &LeafPage<'_>, _defects: &[PageDefect], _findings: &mut Findings) {
        for element in leaf.leaf().pairs() {
            if element.flags & BUCKET == 0 {
                let text = "an entry at the top level of the database is not a bucket";
                self.findings.push(leaf.finding(Code::BucketInvalid, element.at, text).key(element.key));
                continue;
            }
            if self.listed.len() >= crate::limits::MAX_BUCKETS {
                let text = format!("the database has more than {} top-level buckets", crate::limits::MAX_BUCKETS);
                self.findings.push(leaf.finding(Code::BucketInvalid, element.at, text));
                return;
            }
            if element.key.is_empty() {
                let text = "a bucket has an empty name, and bbolt refuses to open it";
                self.findings.push(leaf.finding(Code::BucketInvalid, element.at, text));
            } else if !is_required(element.key) {
                let text = format!("etcd never creates a bucket `{}`", excerpt(element.key));
                self.findings.push(leaf.finding(Code::BucketUnknown, element.at, text).key(element.key));
            }
            let at = element.at.saturating_add(element.key.len());
            // Bytes after the header of a bucket with its own pages have no meaning.
            let inline = u64_le(element.value, 0) == Some(0);
            if !inline && element.value.len() > BUCKET_HEADER {
                let text =
                    format!("a bucket with its own pages has a header of {} bytes instead of 16", element.value.len());
                self.findings.push(leaf.finding(Code::PageLayout, at, text).key(element.key));
            }
            let value = element.value.get(..BUCKET_HEADER).filter(|_| !inline).unwrap_or(element.value);
            self.listed.push(ListedBucket {
                name: element.key.into(),
                value: value.into(),
                at: (leaf.page, leaf.offset.plus(at as u64)),
            });
        }
    }

    fn walks_nested_buckets(&self) -> bool {
        false
    }
}
