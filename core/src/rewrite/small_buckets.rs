//! The buckets of a damaged file besides `key`: from which tree each is taken, and which of its entries are left out.

use std::collections::BTreeMap;

use crate::bolt::leaf::BUCKET;
use crate::bolt::write::file_builder::MAX_KEY;
use crate::error::Error;
use crate::etcd::bucket_rules::SchemaFacts;
use crate::etcd::completeness;
use crate::etcd::revision::Revision;
use crate::etcd::revision_record::CompactionRevisions;
use crate::etcd::version;
use crate::finding::{Finding, excerpt};
use crate::rewrite::damaged_buckets::DamagedBuckets;
use crate::rewrite::salvage_report::{BucketOrigin, Origin, SalvageReport};
use crate::severity::Severity;
use crate::source::Source;

/// Buckets with users, roles and permissions.
const AUTH: [&[u8]; 3] = [b"auth", b"authRoles", b"authUsers"];

/// The buckets besides `key`.
pub(super) struct SmallBuckets {
    /// The tree from which the entries of each are taken.
    origins: BTreeMap<Vec<u8>, Origin>,
    /// The compaction marks of the new file.
    pub marks: CompactionRevisions,
    /// Whether users and roles cannot be read completely.
    pub auth_is_damaged: bool,
    /// Settings that are left out because they contradict others or are malformed.
    impossible: Vec<String>,
}

impl SmallBuckets {
    /// Finds the best source of each bucket.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn find<S: Source + ?Sized>(
        buckets: &mut DamagedBuckets<'_, S>,
        report: &mut SalvageReport,
    ) -> Result<Self, Error> {
        let mut facts = SchemaFacts::default();
        let mut origins = BTreeMap::new();
        let mut auth_is_damaged = false;
        for name in buckets.names().iter().filter(|name| *name != b"key") {
            let (origin, damage) = buckets.best(name)?;
            let mut malformed = 0_u64;
            if let Some((meta, value)) = buckets.element(name, origin) {
                buckets.pairs(meta, value, &mut |flags, key, value| {
                    malformed = malformed.saturating_add(u64::from(!is_good(&mut facts, name, flags, key, value)));
                })?;
            }
            if Self::is_auth(name) && (origin != Origin::Tree || malformed > 0) {
                auth_is_damaged = true;
            }
            damage.into_iter().for_each(|finding| report.add_damage(finding));
            report.buckets.push(BucketOrigin { name: excerpt(name), origin, malformed });
            origins.insert(name.clone(), origin);
        }
        let versions = version::contradiction(facts.cluster_version.as_deref(), facts.storage_version.as_deref());
        let versions = versions.map(|(code, name, text)| Finding::new(code, text).key(name.as_bytes()));
        let settings = completeness::judge_schema(&facts, |_| true).into_iter().chain(versions);
        let wrong = settings.filter(|finding| finding.severity == Severity::Damage && !finding.code.is_about_auth());
        let impossible: Vec<String> = wrong.filter_map(|finding| finding.key).collect();
        for name in &impossible {
            let is_cluster = ["clusterVersion", "downgrade"].contains(&name.as_str());
            report.add_malformed(if is_cluster { "cluster" } else { "meta" });
        }
        Ok(Self { origins, marks: facts.compactions(), auth_is_damaged, impossible })
    }

    /// Whether the compaction marks could be read.
    pub fn knows_marks(&self) -> bool {
        matches!(self.origin(b"meta"), Origin::Tree | Origin::OlderTree)
    }

    /// Corrects compaction marks that contradict each other or the history: a finished compaction was requested before, and a compaction cannot be requested above the `last` revision.
    pub fn mend_marks(&mut self, last: Revision, report: &mut SalvageReport) {
        for mark in [&mut self.marks.finished, &mut self.marks.scheduled] {
            if !completeness::leaves_revisions(*mark) {
                *mark = Revision::NONE;
            }
        }
        let CompactionRevisions { finished, scheduled } = self.marks;
        let possible = if scheduled > finished && scheduled > last { last.max(finished) } else { scheduled };
        let mended = possible.max(finished);
        if mended != scheduled {
            self.marks.scheduled = mended;
            report.add_malformed("meta");
        }
    }

    /// Returns the tree from which the entries of a bucket are taken.
    pub fn origin(&self, name: &[u8]) -> Origin {
        self.origins.get(name).copied().unwrap_or(Origin::Nowhere)
    }

    /// Whether an entry is kept. `facts` come from the entries before it.
    pub fn keeps(&self, facts: &mut SchemaFacts, name: &[u8], flags: u32, key: &[u8], value: &[u8]) -> bool {
        is_good(facts, name, flags, key, value) && !self.impossible.iter().any(|name| name.as_bytes() == key)
    }

    /// Whether a bucket holds users, roles or permissions.
    pub fn is_auth(name: &[u8]) -> bool {
        AUTH.contains(&name)
    }
}

/// Whether etcd could have written an entry of a small bucket.
fn is_good(facts: &mut SchemaFacts, name: &[u8], flags: u32, key: &[u8], value: &[u8]) -> bool {
    let wrong = facts.add_entry(name, key, value).err();
    let harmless = wrong.is_none_or(|(code, _)| code.severity() != Severity::Damage);
    flags & BUCKET == 0 && (1..=MAX_KEY).contains(&key.len()) && harmless
}
