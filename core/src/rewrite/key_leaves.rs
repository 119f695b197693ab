//! Which leaves a damaged file has for bucket `key`, and the entries in them.

use crate::bolt::bucket::{self, BUCKET_HEADER, Place};
use crate::bolt::leaf::{BUCKET, Leaf};
use crate::bolt::page::Header;
use crate::bolt::page_id::PageId;
use crate::error::Error;
use crate::etcd::completeness;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::RevisionKey;
use crate::etcd::revision_record::Record;
use crate::finding::Finding;
use crate::finding_code::Code;
use crate::progress::Watch;
use crate::rewrite::damaged_buckets::DamagedBuckets;
use crate::rewrite::intact_tree::{Interval, Met};
use crate::rewrite::salvage_report::SalvageReport;
use crate::scan::digest::inspect;
use crate::source::Source;

/// Takes an entry of bucket `key`: its key, value and record, and whether it comes from the older tree; says whether to go on.
pub(super) type TakeEntry<'t> = dyn FnMut(RevisionKey, &[u8], Option<Record>, bool) -> bool + 't;

/// Where a run of entries of bucket `key` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spot {
    Page(PageId),
    /// In the value of the bucket's own element.
    Inline,
}

impl Spot {
    fn page(self) -> Option<PageId> {
        match self {
            Self::Page(page) => Some(page),
            Self::Inline => None,
        }
    }
}

/// A leaf of bucket `key`.
#[derive(Debug, Clone, Copy)]
struct Run {
    first: RevisionKey,
    last: RevisionKey,
    spot: Spot,
    older: bool,
}

/// The leaves of bucket `key` that can be used, in the order of keys; none overlaps another.
#[derive(Debug, Default)]
pub(super) struct KeyLeaves {
    runs: Vec<Run>,
}

impl KeyLeaves {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The last main revision in them; 0 when there is none.
    pub fn last_revision(&self) -> Revision {
        self.runs.last().map_or(Revision::ZERO, |run| run.last.revision.main)
    }

    /// Looks for them: in the live tree, elsewhere in it where they fit a gap, and in the older one.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn find<S: Source + ?Sized>(
        buckets: &mut DamagedBuckets<'_, S>,
        only_tree: bool,
        report: &mut SalvageReport,
    ) -> Result<Self, Error> {
        let Some(bucket) = buckets.get(b"key") else {
            report.add_damage(Finding::new(Code::BucketMissing, "there is no bucket `key`"));
            return Ok(Self::default());
        };
        let meta = if bucket.older { buckets.older.unwrap_or(buckets.live) } else { buckets.live };
        let older = bucket.older;
        let (mut runs, mut missing, mut displaced, mut damage) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut trees = buckets.trees(meta)?;
        match bucket::parse(&bucket.value) {
            Ok(Place::Inline(header, bytes)) => {
                let leaf = Leaf::new(header, bytes);
                damage.extend(leaf.hidden().map(|fault| Finding::new(fault.code, fault.message)));
                runs.extend(run(leaf, Spot::Inline, older));
            }
            Ok(Place::Tree(root)) => trees.walk(root, &mut |met| match met {
                Met::Leaf(page, leaf) => runs.extend(run(leaf, Spot::Page(page), older)),
                Met::Displaced(page) => displaced.push(page),
                Met::Missing(interval, finding) => {
                    missing.push(interval);
                    damage.push(finding);
                }
            })?,
            Err(fault) => {
                missing.push(Interval::all());
                damage.push(Finding::new(fault.code, fault.message));
            }
        }
        // A page within the overflow of another one is part of a value, whatever it looks like.
        runs.retain(|run| {
            let stays = !run.spot.page().is_some_and(|page| trees.is_overflow(page));
            if !stays {
                damage.push(Finding::new(Code::PageShared, "a leaf lies in a value of another one"));
            }
            stays
        });
        report.leaves = runs.len() as u64;
        displaced.retain(|page| !trees.is_overflow(*page));
        let mut fitting = Vec::new();
        for page in displaced.into_iter().filter(|_| !only_tree) {
            let found = trees.leaf(page)?.and_then(|leaf| run(leaf, Spot::Page(page), older));
            fitting.extend(found.filter(|run| fits(run, &missing)));
        }
        let displaced = add(&mut runs, fitting);
        report.displaced_leaves = displaced;
        if !missing.is_empty()
            && !older
            && let Some((meta, value)) = buckets.in_older_tree(b"key")?
            && let Ok(Place::Tree(root)) = bucket::parse(value)
        {
            let mut found = Vec::new();
            let mut older = buckets.trees(meta)?;
            older.walk(root, &mut |met| {
                if let Met::Leaf(page, leaf) = met {
                    found.extend(run(leaf, Spot::Page(page), true).filter(|run| fits(run, &missing)));
                }
            })?;
            found.retain(|run| !run.spot.page().is_some_and(|page| trees.was_met(page) || older.is_overflow(page)));
            report.older_leaves = add(&mut runs, found);
        }
        // What was lost behind the last leaf shows in no revision that is there.
        let end = runs.last().map(|run| run.last.to_vec());
        report.end_is_lost = missing
            .iter()
            .any(|interval| end.as_deref().is_none_or(|end| interval.high.as_deref().is_none_or(|high| high > end)));
        for interval in &missing {
            let main = |key: &[u8]| RevisionKey::parse(key).map(|key| key.revision.main);
            report.add_unread(main(&interval.low).unwrap_or_default(), interval.high.as_deref().and_then(main));
        }
        damage.into_iter().for_each(|finding| report.add_damage(finding));
        Ok(Self { runs })
    }

    /// Hands out the entries that etcd could have written, in order, with whether they come from the older tree; `take` says whether to go on. How many it could not have written.
    ///
    /// # Errors
    /// When bytes cannot be read, or the watch asks to stop.
    pub fn entries<S: Source + ?Sized>(
        &self,
        buckets: &DamagedBuckets<'_, S>,
        watch: &dyn Watch,
        take: &mut TakeEntry<'_>,
    ) -> Result<u64, Error> {
        let mut malformed = 0_u64;
        let (mut live, mut older) =
            (buckets.trees(buckets.live)?, buckets.trees(buckets.older.unwrap_or(buckets.live))?);
        let inline = buckets.get(b"key").map(|bucket| bucket.value.get(BUCKET_HEADER..).unwrap_or_default());
        for run in &self.runs {
            let leaf = match run.spot {
                Spot::Inline => inline.and_then(|bytes| Some(Leaf::new(Header::parse(bytes)?, bytes))),
                Spot::Page(page) => if run.older { &mut older } else { &mut live }.leaf(page)?,
            };
            for element in leaf.into_iter().flat_map(Leaf::pairs) {
                let key = RevisionKey::parse(element.key).filter(|_| element.flags & BUCKET == 0);
                let key = key.filter(|key| completeness::leaves_revisions(key.revision.main));
                let inspected = key.map(|key| (key, inspect(key, element.value)));
                match inspected {
                    Some((key, Ok(record))) => {
                        if !take(key, element.value, record.map(|entry| entry.record), run.older) {
                            return Ok(malformed);
                        }
                    }
                    _ => malformed = malformed.saturating_add(1),
                }
            }
            watch.advance(u64::from(buckets.live.page_size));
            if watch.cancelled() {
                return Err(Error::Cancelled);
            }
        }
        Ok(malformed)
    }
}

/// The run of a leaf; none when it holds no revision.
fn run(leaf: Leaf<'_>, spot: Spot, older: bool) -> Option<Run> {
    let mut keys = leaf.pairs().filter_map(|element| RevisionKey::parse(element.key));
    let first = keys.next()?;
    Some(Run { first, last: keys.last().unwrap_or(first), spot, older })
}

/// Whether a run lies in one of the intervals that are missing.
fn fits(run: &Run, missing: &[Interval]) -> bool {
    let (first, last) = (run.first.to_vec(), run.last.to_vec());
    missing.iter().any(|interval| interval.holds(&first, &last))
}

/// Adds runs where they overlap nothing: what conflicts is taken from none. How many were added.
fn add(runs: &mut Vec<Run>, mut found: Vec<Run>) -> u64 {
    found.sort_unstable_by_key(|run| run.first);
    let overlaps = |a: &Run, b: &Run| a.first <= b.last && b.first <= a.last;
    let alone: Vec<Run> = found
        .iter()
        .enumerate()
        .filter(|(at, run)| {
            let neighbours = [at.checked_sub(1), at.checked_add(1)];
            let beside = neighbours.into_iter().flatten().filter_map(|at| found.get(at));
            let place = runs.partition_point(|other| other.first < run.first);
            let around = [place.checked_sub(1), Some(place)].into_iter().flatten().filter_map(|at| runs.get(at));
            !beside.chain(around).any(|other| overlaps(run, other))
        })
        .map(|(_, run)| *run)
        .collect();
    let count = alone.len() as u64;
    runs.extend(alone);
    runs.sort_unstable_by_key(|run| run.first);
    count
}
