//! Findings about the files of a directory: the first of each code, and the number of each code.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::finding::{Finding, Findings, cause_among};
use crate::finding_code::Code;
use crate::limits::DIRECTORY_FINDINGS;
use crate::severity::{Severity, Verdict};

/// A finding and its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Placed {
    /// Path of the file, relative to the data directory, such as `member/snap/db`.
    #[serde(rename = "file")]
    pub in_file: String,
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
}

/// The findings about a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PlacedFindings {
    #[serde(rename = "findings")]
    list: Vec<Placed>,
    #[serde(rename = "findingCounts")]
    counts: BTreeMap<Code, u64>,
}

impl PlacedFindings {
    /// Adds a finding about `file`. Beyond [`DIRECTORY_FINDINGS`] of its code it is only counted.
    pub fn push(&mut self, file: &str, finding: Finding) {
        let count = self.counts.entry(finding.code).or_default();
        *count = count.saturating_add(1);
        if *count <= DIRECTORY_FINDINGS {
            self.list.push(Placed { in_file: file.to_owned(), finding });
        }
    }

    /// Adds the findings of one file, except those with the codes in `but`.
    pub fn append(&mut self, file: &str, findings: &Findings, but: &[Code]) {
        for finding in findings.list().iter().filter(|finding| !but.contains(&finding.code)) {
            if self.counts.get(&finding.code).copied().unwrap_or_default() < DIRECTORY_FINDINGS {
                self.list.push(Placed { in_file: file.to_owned(), finding: finding.clone() });
            }
        }
        for (code, count) in findings.counts().iter().filter(|(code, _)| !but.contains(code)) {
            let total = self.counts.entry(*code).or_default();
            *total = total.saturating_add(*count);
        }
    }

    /// Appends the findings of a later part.
    pub fn extend(&mut self, later: PlacedFindings) {
        let mut kept: BTreeMap<Code, u64> = BTreeMap::new();
        for placed in later.list {
            let taken = kept.entry(placed.finding.code).or_default();
            *taken = taken.saturating_add(1);
            self.push(&placed.in_file, placed.finding);
        }
        for (code, count) in later.counts {
            let unkept = count.saturating_sub(kept.get(&code).copied().unwrap_or_default());
            let total = self.counts.entry(code).or_default();
            *total = total.saturating_add(unkept);
        }
    }

    /// The findings kept.
    #[must_use]
    pub fn list(&self) -> &[Placed] {
        &self.list
    }

    /// The number of findings of each code, including those not kept.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<Code, u64> {
        &self.counts
    }

    /// Returns the code of the damage that caused all findings of `code`; see [`Findings::cause`].
    #[must_use]
    pub fn cause(&self, code: Code) -> Code {
        cause_among(|| self.list.iter().map(|placed| &placed.finding), &self.counts, code)
    }

    /// Whether a finding of this code exists.
    #[must_use]
    pub fn has(&self, code: Code) -> bool {
        self.counts.contains_key(&code)
    }

    /// The verdict that follows from the findings.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.counts.keys().map(|code| code.severity()).max() {
            None => Verdict::Sound,
            Some(Severity::Warning) => Verdict::Warnings,
            Some(Severity::Damage) => Verdict::Damaged,
        }
    }
}
