//! What a salvage found, where it comes from, what is missing and what to distrust.

use serde::Serialize;

use crate::etcd::gap::RevisionGap;
use crate::etcd::revision::Revision;
use crate::finding::{Finding, Findings, excerpt};
use crate::limits::FINDINGS_PER_CODE;

/// Where the entries of a bucket come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The tree of the live meta page, whole.
    Tree,
    /// The tree of the older meta page, whole, because that of the live one is damaged.
    OlderTree,
    /// What can be read of the tree of the live meta page.
    Parts,
    /// It cannot be read, and is empty in the new file.
    Nowhere,
    /// It cannot be read, and was made empty because that was asked for.
    Reset,
}

/// What became of a bucket other than `key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BucketOrigin {
    /// Its name.
    pub name: String,
    /// Where its entries come from.
    pub origin: Origin,
    /// Entries that were left out because no etcd writes such.
    pub malformed: u64,
}

/// What a salvage found.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SalvageReport {
    /// Entries of bucket `key` that the new file holds.
    pub entries: u64,
    /// Leaves of bucket `key` in their place in the tree.
    pub leaves: u64,
    /// Leaves of the tree that hung in a wrong place, and fit a gap.
    pub displaced_leaves: u64,
    /// Leaves from the tree of the older meta page.
    pub older_leaves: u64,
    /// Pages that hang in no tree, of which some entries were taken.
    pub stray_leaves: u64,
    /// Entries from such pages that the new file holds.
    pub stray_entries: u64,
    /// Entries of such pages that contradict others, or are only a part of a transaction: none of them is in the new file.
    pub conflicting: u64,
    /// Whether page size and root were searched for, because both meta pages are gone or lead to no root: there may have been a newer root than the one that was found, if any.
    pub root_was_searched: bool,
    /// Entries that were left out because no etcd writes such.
    pub malformed: u64,
    /// Entries that were left out because a later revision of their key is lost: they could not be asked for.
    pub superseded: u64,
    /// Entries of which nobody can tell whether they were deleted since: those from the older tree and from pages that hang in no tree at or below the compaction, and what a single such page says.
    pub unproven: u64,
    /// Between which main revisions pages of bucket `key` could not be read, by the pages above them: the first thousand; none for the end of the history.
    pub unread: Vec<(Revision, Option<Revision>)>,
    /// Main revisions that are missing whole, above the last compaction.
    pub missing_revisions: u64,
    /// Which: the first thousand gaps, each its first and last.
    pub missing: Vec<(Revision, Revision)>,
    /// Main revisions of which some operations are missing: the first thousand.
    pub incomplete: Vec<Revision>,
    /// Whether the end of the history is lost, so that nobody can tell what the latest revision was.
    pub end_is_lost: bool,
    /// The last main revision that is there; 0 when there is none.
    pub revision: Revision,
    /// To which revision the mark of compaction was raised, because history is complete only above it.
    pub raised_to: Option<Revision>,
    /// Keys that live by what is there, and may have been changed or deleted by what is missing.
    pub doubtful_keys: u64,
    /// Keys of which revisions are missing for certain: how many, and the first thousand.
    pub broken_keys: u64,
    /// See above.
    pub broken: Vec<String>,
    /// The other buckets.
    pub buckets: Vec<BucketOrigin>,
    /// Pages that could not be read.
    #[serde(flatten)]
    pub damage: Findings,
}

impl SalvageReport {
    /// Whether the new file holds all that the old one did, and nothing in it is in doubt.
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
        let room = |len: usize| (len as u64) < FINDINGS_PER_CODE;
        if room(self.missing.len()) {
            self.missing.extend(gap.mains);
        }
        if room(self.incomplete.len()) {
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
