//! The report of a salvage: what was found and where, what is missing, and what is in doubt.

use serde::Serialize;

use crate::etcd::gap::RevisionGap;
use crate::etcd::revision::Revision;
use crate::finding::{Finding, Findings, excerpt};
use crate::limits::FINDINGS_PER_CODE;

/// Where the entries of a bucket were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Completely, from the tree of the newest meta page.
    Tree,
    /// Completely, from the tree of the older meta page, because the newest tree is damaged.
    OlderTree,
    /// From the readable part of the newest tree.
    Parts,
    /// Nowhere: it cannot be read, and is empty in the new file.
    Nowhere,
    /// Nowhere: it cannot be read, and the caller asked to make it empty.
    Reset,
}

/// The outcome for a bucket other than `key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BucketOrigin {
    /// Its name.
    pub name: String,
    /// Where its entries were read.
    pub origin: Origin,
    /// Malformed entries, which etcd never writes and which were left out.
    pub malformed: u64,
}

/// The report of a salvage.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SalvageReport {
    /// Entries of bucket `key` that the new file holds.
    pub entries: u64,
    /// Leaves of bucket `key` that are in their place in the newest tree.
    pub leaves: u64,
    /// Leaves that are in a wrong place in that tree and fit a gap.
    pub displaced_leaves: u64,
    /// Leaves from the tree of the older meta page.
    pub older_leaves: u64,
    /// Pages in no tree from which entries were taken.
    pub stray_leaves: u64,
    /// Entries from such pages that the new file holds.
    pub stray_entries: u64,
    /// Entries of such pages that were left out because they contradict other entries or are only a part of a transaction.
    pub conflicting: u64,
    /// Whether page size and root page were searched for, because both meta pages are gone or lead to no root page. There may have been a newer root page than the one that was found.
    pub root_was_searched: bool,
    /// Malformed entries, which etcd never writes and which were left out.
    pub malformed: u64,
    /// Entries that were left out because a later revision of their key is lost, as a compaction would have removed them.
    pub superseded: u64,
    /// Entries that may have been deleted later: those from the older tree or from pages in no tree, at or below the last compaction, and those that a single page in no tree has.
    pub unproven: u64,
    /// Ranges of main revisions whose pages could not be read, according to the pages above them: the first thousand. `None` is the end of the history.
    pub unread: Vec<(Revision, Option<Revision>)>,
    /// Number of main revisions above the last compaction that are missing completely.
    pub missing_revisions: u64,
    /// Their ranges, each with its first and last revision: the first thousand.
    pub missing: Vec<(Revision, Revision)>,
    /// Main revisions with missing operations: the first thousand.
    pub incomplete: Vec<Revision>,
    /// Whether the end of the history is lost, so that the latest revision is unknown.
    pub end_is_lost: bool,
    /// The last main revision that was found; 0 if there is none.
    pub revision: Revision,
    /// The revision to which the mark of the requested compaction was raised, because history is complete only above it.
    pub raised_to: Option<Revision>,
    /// Number of keys that exist according to the found entries and that missing entries may have changed or deleted.
    pub doubtful_keys: u64,
    /// Number of keys with missing revisions.
    pub broken_keys: u64,
    /// Their names: the first thousand.
    pub broken: Vec<String>,
    /// The other buckets.
    pub buckets: Vec<BucketOrigin>,
    /// The problems of pages that could not be read.
    #[serde(flatten)]
    pub damage: Findings,
}

impl SalvageReport {
    /// Whether the new file holds everything that the old one did, and nothing in it is in doubt.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let buckets = self.buckets.iter().all(|bucket| bucket.origin == Origin::Tree && bucket.malformed == 0);
        let entries = [self.malformed, self.superseded, self.unproven, self.stray_entries, self.conflicting];
        let counts = [self.missing_revisions, self.broken_keys];
        buckets
            && entries.iter().chain(&counts).all(|count| *count == 0)
            && !self.root_was_searched
            && self.damage.is_empty()
            && self.incomplete.is_empty()
            && !self.end_is_lost
    }

    pub(super) fn add_damage(&mut self, finding: Finding) {
        self.damage.push(finding);
    }

    pub(super) fn add_malformed(&mut self, bucket: &str) {
        let of_name = self.buckets.iter_mut().filter(|of| of.name == bucket);
        of_name.for_each(|of| of.malformed = of.malformed.saturating_add(1));
    }

    pub(super) fn add_unread(&mut self, from: Revision, to: Option<Revision>) {
        if (self.unread.len() as u64) < FINDINGS_PER_CODE {
            self.unread.push((from, to));
        }
    }

    pub(super) fn add_gap(&mut self, gap: RevisionGap) {
        self.missing_revisions = self.missing_revisions.saturating_add(gap.count());
        let has_space = |len: usize| (len as u64) < FINDINGS_PER_CODE;
        if has_space(self.missing.len()) {
            self.missing.extend(gap.mains);
        }
        if has_space(self.incomplete.len()) {
            self.incomplete.extend(gap.subs.map(|(main, ..)| main));
        }
    }

    pub(super) fn add_broken(&mut self, key: &[u8]) {
        self.broken_keys = self.broken_keys.saturating_add(1);
        if self.broken_keys <= FINDINGS_PER_CODE {
            self.broken.push(excerpt(key));
        }
    }
}
