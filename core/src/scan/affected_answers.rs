//! Which answers suffer from the damage that is met while a file is opened.

use std::collections::BTreeMap;

use crate::finding::{Finding, Findings};
use crate::finding_code::Code;
use crate::missing_parts::Lost;
use crate::severity::Severity;

/// Damage, by the answers that it touches.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// That of the tree in which the buckets stand: any of them may be missing.
    root: Lost,
    /// That of each bucket.
    buckets: BTreeMap<Box<[u8]>, Lost>,
    /// The first damage of what holds no entries: the metas, the freelist.
    elsewhere: Option<Finding>,
}

impl Losses {
    /// Takes in what was found in the tree in which the buckets stand.
    pub fn of_root(&mut self, findings: &Findings) {
        damage(findings).for_each(|finding| self.root.add(finding.clone()));
    }

    /// Takes in what was found in a bucket.
    pub fn of_bucket(&mut self, name: &[u8], findings: &Findings) {
        damage(findings).for_each(|finding| self.bucket(name).add(finding.clone()));
    }

    /// Takes in a finding about a bucket.
    pub fn add_to(&mut self, name: &str, finding: Finding) {
        self.bucket(name.as_bytes()).add(finding);
    }

    /// Takes in what was found where no entries are.
    pub fn of_no_entries(&mut self, findings: &Findings) {
        for finding in damage(findings) {
            match finding.code {
                // With the wrong page size nothing is read where it is.
                Code::PageSizeMismatch => self.root.add(finding.clone()),
                _ => drop(self.elsewhere.get_or_insert_with(|| finding.clone())),
            }
        }
    }

    /// What an answer from these buckets lacks.
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

    /// Whether there is none.
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
