//! What a damaged snapshot still holds, as a new file from which etcd starts.
//!
//! ```text
//! live tree ── intact leaves ──┐
//! displaced leaves that fit a gap ─┼─▶ entries in order ──▶ chains of each key ──▶ marks, what is left out ──▶ new file
//! older tree, for what is lost ┘
//! ```
//! Nothing is taken that does not hang in a tree, so no page that a client forged inside a value comes in. Where revisions are missing, the mark of the compaction that was
//! requested is raised to the first revision behind the gap, and of a key whose history has a hole the entries before it are left out: history is complete above the mark, as
//! behind a compaction, and the store is one that etcd could have written.

use crate::bolt::meta::{MetaChoice, Metas};
use crate::bolt::write::file_builder::{Built, FileBuilder, Form, PageSink};
use crate::error::Error;
use crate::etcd::bucket_rules::Facts;
use crate::etcd::completeness::IMPOSSIBLE;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::int_readers::u64_le;
use crate::progress::Watch;
use crate::rewrite::damaged_buckets::DamagedBuckets;
use crate::rewrite::key_leaves::KeyLeaves;
use crate::rewrite::left_out::LeftOut;
use crate::rewrite::new_file::RewriteError;
use crate::rewrite::salvage_report::SalvageReport;
use crate::rewrite::small_buckets::SmallBuckets;
use crate::scan::trailer_hash::head;
use crate::source::Source;

/// From where entries are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Nothing but the live tree, each leaf in its place.
    pub only_tree: bool,
    /// Nothing of which it cannot be told whether it was deleted since.
    pub proven_only: bool,
}

/// What becomes of users and roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthPolicy {
    /// They are as they are read.
    AsRead,
    /// There are none, and everybody may read and write.
    Reset,
}

/// A damaged file, looked through.
pub struct Salvage<'s, S: Source + ?Sized> {
    buckets: DamagedBuckets<'s, S>,
    small: SmallBuckets,
    leaves: KeyLeaves,
    left: LeftOut,
    report: SalvageReport,
}

impl<'s, S: Source + ?Sized> Salvage<'s, S> {
    /// Looks through the file; none when no meta page is valid. Memory: 64 bytes a leaf, and as much a key.
    ///
    /// # Errors
    /// When bytes cannot be read, or the watch asks to stop.
    pub fn open(source: &'s S, limits: Limits, watch: &dyn Watch) -> Result<Option<Self>, Error> {
        let Some(metas) = Metas::find(&head(source)?) else { return Ok(None) };
        let (_, live) = metas.live();
        let older = metas.chosen(MetaChoice::Older).filter(|_| !limits.only_tree).map(|(_, meta)| meta);
        let (mut buckets, damage) = DamagedBuckets::find(source, live, older)?;
        let mut report = SalvageReport::default();
        damage.into_iter().for_each(|finding| report.add_damage(finding));
        let mut small = SmallBuckets::find(&mut buckets, &mut report)?;
        let leaves = KeyLeaves::find(&mut buckets, limits.only_tree, &mut report)?;
        small.mend_marks(leaves.last_revision(), &mut report);
        let left = LeftOut::find(&leaves, &buckets, small.marks, limits.proven_only, &mut report, watch)?;
        Ok(Some(Self { buckets, small, leaves, left, report }))
    }

    /// What was found.
    #[must_use]
    pub fn report(&self) -> &SalvageReport {
        &self.report
    }

    /// Whether users and roles cannot be read whole.
    #[must_use]
    pub fn auth_is_damaged(&self) -> bool {
        self.small.auth_is_damaged
    }

    /// Whether nothing of bucket `key` can be read although there is something.
    #[must_use]
    pub fn has_nothing(&self) -> bool {
        self.leaves.is_empty() && !self.report.damage.is_empty()
    }

    /// Bytes of a page.
    #[must_use]
    pub fn page_size(&self) -> u32 {
        self.buckets.live.page_size
    }

    /// Writes the pages of the new file; the meta pages are in the answer.
    ///
    /// # Errors
    /// When bytes cannot be read, or the sink fails: what was written by then is no file.
    pub fn write<K: PageSink>(
        &self,
        auth: AuthPolicy,
        sink: K,
        watch: &dyn Watch,
    ) -> Result<(Built, K), RewriteError<K::Error>> {
        let live = self.buckets.live;
        // A number that bolt never reaches is damage, too.
        let txid = if live.txid < IMPOSSIBLE >> 1 { live.txid.saturating_add(1) } else { 2 };
        let form = Form { page_size: live.page_size, txid, sequence: 0 };
        let mut builder = FileBuilder::new(form, sink);
        let mut facts = Facts::default();
        for name in self.buckets.names() {
            let sequence = self.buckets.get(&name).and_then(|bucket| u64_le(&bucket.value, 8)).unwrap_or(0);
            builder.begin_bucket(&name, sequence)?;
            if name == b"key" {
                self.write_key(&mut builder, watch)?;
            } else if !(auth == AuthPolicy::Reset && SmallBuckets::is_auth(&name)) {
                self.write_small(&name, &mut facts, &mut builder)?;
            }
            builder.end_bucket()?;
        }
        Ok(builder.finish()?)
    }

    fn write_key<K: PageSink>(
        &self,
        builder: &mut FileBuilder<K>,
        watch: &dyn Watch,
    ) -> Result<(), RewriteError<K::Error>> {
        let mut outcome = Ok(());
        self.leaves.entries(&self.buckets, watch, &mut |key, value, record, older| {
            if self.left.keeps(key, record.as_ref(), older) {
                outcome = builder.put(&key.to_vec(), value);
            }
            outcome.is_ok()
        })?;
        Ok(outcome?)
    }

    fn write_small<K: PageSink>(
        &self,
        name: &[u8],
        facts: &mut Facts,
        builder: &mut FileBuilder<K>,
    ) -> Result<(), RewriteError<K::Error>> {
        let scheduled = self.small.marks.scheduled.max(self.report.raised_to.unwrap_or(Revision::NONE));
        let mark = (name == b"meta" && scheduled >= Revision::ZERO).then_some(scheduled);
        let mut mark =
            mark.map(|main| RevisionKey { revision: FullRevision { main, sub: 0 }, tombstone: false }.to_vec());
        let mut outcome = Ok(());
        if let Some((meta, value)) = self.buckets.element(name, self.small.origin(name)) {
            self.buckets.pairs(meta, value, &mut |flags, key, value| {
                if outcome.is_err() || !self.small.keeps(facts, name, flags, key, value) {
                    return;
                }
                if key >= SCHEDULED
                    && let Some(mark) = mark.take()
                {
                    outcome = builder.put(SCHEDULED, &mark);
                    if key == SCHEDULED || outcome.is_err() {
                        return;
                    }
                }
                outcome = builder.put(key, value);
            })?;
        }
        outcome?;
        if let Some(mark) = mark {
            builder.put(SCHEDULED, &mark)?;
        }
        Ok(())
    }
}

/// The mark of a compaction that was requested: etcd carries it out when it starts.
const SCHEDULED: &[u8] = b"scheduledCompactRev";
