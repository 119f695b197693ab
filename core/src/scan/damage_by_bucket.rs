//! Keeps the damage that was found while a file was opened, by the bucket that it affects.

use std::collections::BTreeMap;

use crate::finding::{Finding, Findings};
use crate::finding_code::Code;
use crate::lost_parts::LostParts;
use crate::severity::Severity;

/// Damage, by the bucket that it affects, so that an answer only reports damage of the buckets that it reads.
#[derive(Debug, Default)]
pub(crate) struct DamageByBucket {
    /// Damage of the root tree, which lists the buckets: any bucket may be missing.
    root: LostParts,
    /// Damage of each bucket.
    buckets: BTreeMap<Box<[u8]>, LostParts>,
    /// The first damage of the meta pages or the freelist, which contain no entries.
    elsewhere: Option<Finding>,
}

impl DamageByBucket {
    /// Adds the findings of the root tree.
    pub fn add_root(&mut self, findings: &Findings) {
        damage_findings(findings).for_each(|finding| self.root.add(finding.clone()));
    }

    /// Adds the findings of a bucket.
    pub fn add_bucket(&mut self, name: &[u8], findings: &Findings) {
        damage_findings(findings).for_each(|finding| self.bucket_damage(name).add(finding.clone()));
    }

    /// Adds a finding about a bucket.
    pub fn add_finding(&mut self, name: &str, finding: Finding) {
        self.bucket_damage(name.as_bytes()).add(finding);
    }

    /// Adds the findings of the meta pages and the freelist, which contain no entries.
    pub fn add_without_entries(&mut self, findings: &Findings) {
        for finding in damage_findings(findings) {
            match finding.code {
                // With a wrong page size every page is read at the wrong offset.
                Code::PageSizeMismatch => self.root.add(finding.clone()),
                _ => drop(self.elsewhere.get_or_insert_with(|| finding.clone())),
            }
        }
    }

    /// Returns the damage that may make answers from these buckets incomplete.
    pub fn affecting(&self, buckets: &[&str]) -> LostParts {
        let mut lost = self.root.clone();
        lost.elsewhere.clone_from(&self.elsewhere);
        for (name, bucket_damage) in &self.buckets {
            if buckets.iter().any(|wanted| wanted.as_bytes() == &**name) {
                lost.append(bucket_damage.clone());
            } else if lost.elsewhere.is_none() {
                lost.elsewhere.clone_from(&bucket_damage.first);
            }
        }
        lost
    }

    /// Whether there is no damage.
    pub fn is_empty(&self) -> bool {
        self.root.places == 0 && self.buckets.is_empty() && self.elsewhere.is_none()
    }

    fn bucket_damage(&mut self, name: &[u8]) -> &mut LostParts {
        self.buckets.entry(name.into()).or_default()
    }
}

fn damage_findings(findings: &Findings) -> impl Iterator<Item = &Finding> {
    findings.list().iter().filter(|finding| finding.severity == Severity::Damage)
}
