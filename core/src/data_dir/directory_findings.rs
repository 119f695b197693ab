//! Findings about the files of a data directory: the first ones of each code, and their number.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::finding::{Finding, Findings, root_cause};
use crate::finding_code::Code;
use crate::limits::DIRECTORY_FINDINGS;
use crate::severity::{Severity, Verdict};

/// A finding about a file of a data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileFinding {
    /// Path of the file, relative to the data directory, such as `member/snap/db`.
    pub file: String,
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
}

/// The findings about the files of a data directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DirectoryFindings {
    #[serde(rename = "findings")]
    list: Vec<FileFinding>,
    #[serde(rename = "findingCounts")]
    counts: BTreeMap<Code, u64>,
}

impl DirectoryFindings {
    /// Adds a finding about `file`. If its code has [`DIRECTORY_FINDINGS`] findings already, it is only counted.
    pub fn push(&mut self, file: &str, finding: Finding) {
        let count = self.counts.entry(finding.code).or_default();
        *count = count.saturating_add(1);
        if *count <= DIRECTORY_FINDINGS {
            self.list.push(FileFinding { file: file.to_owned(), finding });
        }
    }

    /// Adds the findings of one file, except those with the codes in `except`.
    pub fn append(&mut self, file: &str, findings: &Findings, except: &[Code]) {
        for finding in findings.list().iter().filter(|finding| !except.contains(&finding.code)) {
            if self.counts.get(&finding.code).copied().unwrap_or_default() < DIRECTORY_FINDINGS {
                self.list.push(FileFinding { file: file.to_owned(), finding: finding.clone() });
            }
        }
        for (code, count) in findings.counts().iter().filter(|(code, _)| !except.contains(code)) {
            let total = self.counts.entry(*code).or_default();
            *total = total.saturating_add(*count);
        }
    }

    /// Appends the findings of a later part.
    pub fn extend(&mut self, later: DirectoryFindings) {
        let mut kept: BTreeMap<Code, u64> = BTreeMap::new();
        for file_finding in later.list {
            let kept_so_far = kept.entry(file_finding.finding.code).or_default();
            *kept_so_far = kept_so_far.saturating_add(1);
            self.push(&file_finding.file, file_finding.finding);
        }
        for (code, count) in later.counts {
            let not_kept = count.saturating_sub(kept.get(&code).copied().unwrap_or_default());
            let total = self.counts.entry(code).or_default();
            *total = total.saturating_add(not_kept);
        }
    }

    /// The findings kept.
    #[must_use]
    pub fn list(&self) -> &[FileFinding] {
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
        root_cause(|| self.list.iter().map(|file_finding| &file_finding.finding), &self.counts, code)
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
