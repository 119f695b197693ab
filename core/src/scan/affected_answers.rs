//! Tracks which answers are affected by damage found while a file is opened.

use std::collections::BTreeMap;

use crate::finding::{Finding, Findings};
use crate::finding_code::Code;
use crate::missing_parts::Lost;
use crate::severity::Severity;

/// Damage, sorted by the answers that it affects.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// Damage of the root tree, which lists the buckets: any bucket may be missing.
    root: Lost,
    /// Damage of each bucket.
    buckets: BTreeMap<Box<[u8]>, Lost>,
    /// The first damage of parts without entries: the meta pages, the freelist.
    elsewhere: Option<Finding>,
}

impl Losses {
    /// Adds the findings of the root tree.
    pub fn of_root(&mut self, findings: &Findings) {
        damage(findings).for_each(|finding| self.root.add(finding.clone()));
    }

    /// Adds the findings of a bucket.
    pub fn of_bucket(&mut self, name: &[u8], findings: &Findings) {
        damage(findings).for_each(|finding| self.bucket(name).add(finding.clone()));
    }

    /// Adds a finding about a bucket.
    pub fn add_to(&mut self, name: &str, finding: Finding) {
        self.bucket(name.as_bytes()).add(finding);
    }

    /// Adds the findings of parts without entries.
    pub fn of_no_entries(&mut self, findings: &Findings) {
        for finding in damage(findings) {
            match finding.code {
                // With a wrong page size every page is read at the wrong offset.
                Code::PageSizeMismatch => self.root.add(finding.clone()),
                _ => drop(self.elsewhere.get_or_insert_with(|| finding.clone())),
            }
        }
    }

    /// Returns the damage that affects answers from these buckets.
    pub fn of(&self, buckets: &[&str]) -> Lost {
        let mut lost = self.root.clone();
        lost.elsewhere.clone_from(&self.elsewhere);
        for (name, of_bucket) in &self.buckets {
            if buckets.iter().any(|wanted| wanted.as_bytes() == &**name) {
                lost.append(of_bucket.clone());
            } else if lost.elsewhere.is_none() {
                lost.elsewhere.clone_from(&of_bucket.first);
            }
        }
        lost
    }

    /// Whether no answer is affected.
    pub fn is_empty(&self) -> bool {
        self.root.places == 0 && self.buckets.is_empty() && self.elsewhere.is_none()
    }

    fn bucket(&mut self, name: &[u8]) -> &mut Lost {
        self.buckets.entry(name.into()).or_default()
    }
}

fn damage(findings: &Findings) -> impl Iterator<Item = &Finding> {
    findings.list().iter().filter(|finding| finding.severity == Severity::Damage)
}
