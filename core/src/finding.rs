//! Findings: what is wrong with a file, as data.

use crate::bolt::page_id::PageId;
use crate::offset::Offset;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::finding_code::Code;
use crate::limits::{EXCERPT, FINDINGS_PER_CODE};
use crate::severity::{Severity, Verdict};

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it weighs; follows from the code.
    pub severity: Severity,
    /// Its stable name.
    pub code: Code,
    /// Page id, where it belongs to a page.
    pub page: Option<PageId>,
    /// Offset in the file in bytes, where it has one.
    pub offset: Option<Offset>,
    /// Bucket key or etcd key it concerns, printable, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What is wrong here, in a sentence with the numbers of this place.
    pub message: String,
    /// Other damage of which this is a mere consequence: what it keeps from being read seems to be missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<Code>,
}

impl Finding {
    /// A finding without a place.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { severity: code.severity(), code, page: None, offset: None, key: None, message, because: None }
    }

    /// The same at a page.
    #[must_use]
    pub fn page(mut self, page: PageId) -> Self {
        self.page = Some(page);
        self
    }

    /// The same at an offset of the file.
    #[must_use]
    pub fn offset(mut self, offset: Offset) -> Self {
        self.offset = Some(offset);
        self
    }

    /// The same with another code, and the severity that follows from it.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.code = code;
        self.severity = code.severity();
        self
    }

    /// The same about a key, of which [`excerpt`] says as much as there is room for.
    #[must_use]
    pub fn key(mut self, key: &[u8]) -> Self {
        self.key = Some(excerpt(key));
        self
    }
}

/// Bytes of a file in a finding: other than printable ASCII is escaped, and of very long ones only the start is told.
#[must_use]
pub fn excerpt(bytes: &[u8]) -> String {
    match bytes.get(..EXCERPT) {
        Some(start) if bytes.len() > EXCERPT => format!("{}… ({} bytes)", start.escape_ascii(), bytes.len()),
        _ => bytes.escape_ascii().to_string(),
    }
}

/// The findings of a scan: the first thousand of each code, and how many there were of each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// The findings kept, in the order of the scan.
    #[serde(rename = "findings")]
    list: Vec<Finding>,
    /// How many findings of each code there were, those not kept included.
    #[serde(rename = "findingCounts")]
    counts: BTreeMap<Code, u64>,
}

impl Findings {
    /// Takes a finding in; past the bound of its code it is only counted.
    pub fn push(&mut self, finding: Finding) {
        let count = self.counts.entry(finding.code).or_default();
        *count = count.saturating_add(1);
        if *count <= FINDINGS_PER_CODE {
            self.list.push(finding);
        }
    }

    /// Takes in the findings of a later part of the same scan.
    pub fn append(&mut self, later: Findings) {
        let mut kept: BTreeMap<Code, u64> = BTreeMap::new();
        for finding in later.list {
            let taken = kept.entry(finding.code).or_default();
            *taken = taken.saturating_add(1);
            self.push(finding);
        }
        for (code, count) in later.counts {
            let unkept = count.saturating_sub(kept.get(&code).copied().unwrap_or(0));
            let total = self.counts.entry(code).or_default();
            *total = total.saturating_add(unkept);
        }
    }

    /// Lets go of findings beyond so many of each code; they stay counted.
    pub fn keep(&mut self, room: impl Fn(Code) -> u64) {
        let mut kept: BTreeMap<Code, u64> = BTreeMap::new();
        self.list.retain(|finding| {
            let taken = kept.entry(finding.code).or_default();
            *taken = taken.saturating_add(1);
            *taken <= room(finding.code)
        });
        self.list.shrink_to_fit();
    }

    /// Raises the count of a code to `count`: more are known than could be told of.
    pub fn count_at_least(&mut self, code: Code, count: u64) {
        let known = self.counts.entry(code).or_default();
        *known = count.max(*known);
    }

    /// The findings kept, in the order of the scan.
    #[must_use]
    pub fn list(&self) -> &[Finding] {
        &self.list
    }

    /// Says of findings that they are consequences of other damage, where `of` says so. Of no finding of that damage itself.
    pub(crate) fn explain(&mut self, because: Code, of: impl Fn(&Finding) -> bool) {
        let unexplained = self.list.iter_mut().filter(|finding| finding.because.is_none() && finding.code != because);
        unexplained.filter(|finding| of(finding)).for_each(|finding| finding.because = Some(because));
    }

    /// The damage of which all findings of a code are mere consequences, as far back as it goes; the code itself when they are of none.
    #[must_use]
    pub fn cause(&self, code: Code) -> Code {
        cause_among(|| self.list.iter(), &self.counts, code)
    }

    /// How many findings of each code there were.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<Code, u64> {
        &self.counts
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether one of this code was found.
    #[must_use]
    pub fn has(&self, code: Code) -> bool {
        self.counts.contains_key(&code)
    }

    /// The verdict that follows.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.list.iter().map(|finding| finding.severity).max() {
            None => Verdict::Sound,
            Some(Severity::Warning) => Verdict::Warnings,
            Some(Severity::Damage) => Verdict::Damaged,
        }
    }
}

/// The damage of which all findings of a code are mere consequences, among all that were found.
pub(crate) fn cause_among<'f, I: Iterator<Item = &'f Finding>>(
    findings: impl Fn() -> I,
    counts: &BTreeMap<Code, u64>,
    code: Code,
) -> Code {
    let mut cause = code;
    // Each code is met once, so a circle ends.
    for _ in Code::ALL {
        let mut of_code = findings().filter(|finding| finding.code == cause).map(|finding| finding.because);
        match of_code.next() {
            Some(Some(because)) if of_code.all(|other| other == Some(because)) && counts.contains_key(&because) => {
                cause = because;
            }
            _ => break,
        }
    }
    cause
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_bound_findings_are_counted_only() {
        let mut first = Findings::default();
        let mut second = Findings::default();
        for _ in 0..FINDINGS_PER_CODE {
            first.push(Finding::new(Code::KeyOrder, "a"));
            second.push(Finding::new(Code::KeyOrder, "b"));
        }
        second.push(Finding::new(Code::KeyOrder, "c"));
        first.append(second);
        assert_eq!(first.list().len() as u64, FINDINGS_PER_CODE);
        assert_eq!(first.counts()[&Code::KeyOrder], 2 * FINDINGS_PER_CODE + 1);
    }

    #[test]
    fn the_heaviest_finding_decides() {
        let mut findings = Findings::default();
        assert_eq!(findings.verdict(), Verdict::Sound);
        findings.push(Finding::new(Code::TrailerMissing, ""));
        assert_eq!(findings.verdict(), Verdict::Warnings);
        findings.push(Finding::new(Code::KeyOrder, ""));
        assert_eq!(findings.verdict(), Verdict::Damaged);
    }
}
