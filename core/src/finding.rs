//! Findings: the problems of a file, as data.

use crate::bolt::page_id::PageId;
use crate::offset::Offset;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::finding_code::Code;
use crate::limits::{FINDINGS_PER_CODE, MAX_EXCERPT};
use crate::sentence::sentence;
use crate::severity::{Severity, Verdict};

/// One problem of a file, with its location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Severity; follows from the code.
    pub severity: Severity,
    /// Stable name of the kind of problem.
    pub code: Code,
    /// Page id, if the problem belongs to a page.
    pub page: Option<PageId>,
    /// Offset in the file in bytes, if the problem has one.
    pub offset: Option<Offset>,
    /// Key in a bucket, or key of etcd, that the problem concerns; escaped to printable ASCII.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The problem as a sentence, with its numbers.
    pub message: String,
    /// The code of other damage that caused this finding, such as unreadable pages that make data look missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<Code>,
}

impl Finding {
    /// Creates a finding without a location. Turns the clause `message` into a sentence, with a capital letter and a
    /// full stop.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let message = sentence(message);
        Self { severity: code.severity(), code, page: None, offset: None, key: None, message, because: None }
    }

    /// Sets the page.
    #[must_use]
    pub fn page(mut self, page: PageId) -> Self {
        self.page = Some(page);
        self
    }

    /// Sets the offset in the file.
    #[must_use]
    pub fn offset(mut self, offset: Offset) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Replaces the code, and the severity that follows from it.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.code = code;
        self.severity = code.severity();
        self
    }

    /// Sets the key, shortened by [`excerpt`].
    #[must_use]
    pub fn key(mut self, key: &[u8]) -> Self {
        self.key = Some(excerpt(key));
        self
    }
}

/// Formats bytes of a file for a finding: escapes everything but printable ASCII, and cuts long texts.
#[must_use]
pub fn excerpt(bytes: &[u8]) -> String {
    match bytes.get(..MAX_EXCERPT) {
        Some(start) if bytes.len() > MAX_EXCERPT => format!("{}… ({} bytes)", start.escape_ascii(), bytes.len()),
        _ => bytes.escape_ascii().to_string(),
    }
}

/// The findings of a scan: the first thousand of each code, and the number of findings of each code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// The findings kept, in the order of the scan.
    #[serde(rename = "findings")]
    list: Vec<Finding>,
    /// Number of findings of each code, including those not kept.
    #[serde(rename = "findingCounts")]
    counts: BTreeMap<Code, u64>,
}

impl Findings {
    /// Adds a finding. If its code has [`FINDINGS_PER_CODE`] findings already, it is only counted.
    pub fn push(&mut self, finding: Finding) {
        let count = self.counts.entry(finding.code).or_default();
        *count = count.saturating_add(1);
        if *count <= FINDINGS_PER_CODE {
            self.list.push(finding);
        }
    }

    /// Appends the findings of a later part of the same scan.
    pub fn append(&mut self, later: Findings) {
        let mut kept: BTreeMap<Code, u64> = BTreeMap::new();
        for finding in later.list {
            let kept_so_far = kept.entry(finding.code).or_default();
            *kept_so_far = kept_so_far.saturating_add(1);
            self.push(finding);
        }
        for (code, count) in later.counts {
            let not_kept = count.saturating_sub(kept.get(&code).copied().unwrap_or(0));
            let total = self.counts.entry(code).or_default();
            *total = total.saturating_add(not_kept);
        }
    }

    /// Drops findings beyond `limit` of each code; they stay counted.
    pub fn drop_beyond(&mut self, limit: impl Fn(Code) -> u64) {
        let mut kept: BTreeMap<Code, u64> = BTreeMap::new();
        self.list.retain(|finding| {
            let kept_so_far = kept.entry(finding.code).or_default();
            *kept_so_far = kept_so_far.saturating_add(1);
            *kept_so_far <= limit(finding.code)
        });
        self.list.shrink_to_fit();
    }

    /// Raises the count of a code to `count`, the number of known problems, if fewer were added as findings.
    pub fn raise_count(&mut self, code: Code, count: u64) {
        let known = self.counts.entry(code).or_default();
        *known = count.max(*known);
    }

    /// The findings kept, in the order of the scan.
    #[must_use]
    pub fn list(&self) -> &[Finding] {
        &self.list
    }

    /// Sets `because` as the cause of all findings for which `of` is true and which have no cause yet. Findings with
    /// the code `because` itself stay without a cause.
    pub(crate) fn mark_caused_by(&mut self, because: Code, of: impl Fn(&Finding) -> bool) {
        let without_cause = self.list.iter_mut().filter(|finding| finding.because.is_none() && finding.code != because);
        without_cause.filter(|finding| of(finding)).for_each(|finding| finding.because = Some(because));
    }

    /// Returns the code of the damage that caused all findings of `code`, followed back to the first cause; `code`
    /// itself if at least one of its findings has no cause.
    #[must_use]
    pub fn cause(&self, code: Code) -> Code {
        root_cause(|| self.list.iter(), &self.counts, code)
    }

    /// The number of findings of each code, including those not kept.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<Code, u64> {
        &self.counts
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether a finding of this code exists.
    #[must_use]
    pub fn has(&self, code: Code) -> bool {
        self.counts.contains_key(&code)
    }

    /// The verdict that follows from the findings.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.list.iter().map(|finding| finding.severity).max() {
            None => Verdict::Sound,
            Some(Severity::Warning) => Verdict::Warnings,
            Some(Severity::Damage) => Verdict::Damaged,
        }
    }
}

/// Returns the code of the damage that caused all findings of `code`, followed back to the first cause; `code` itself
/// if at least one of its findings has no cause.
pub(crate) fn root_cause<'f, I: Iterator<Item = &'f Finding>>(
    findings: impl Fn() -> I,
    counts: &BTreeMap<Code, u64>,
    code: Code,
) -> Code {
    let mut cause = code;
    // One round per code bounds the loop even if causes form a circle.
    for _ in Code::ALL {
        let mut causes = findings().filter(|finding| finding.code == cause).map(|finding| finding.because);
        match causes.next() {
            Some(Some(because)) if causes.all(|other| other == Some(because)) && counts.contains_key(&because) => {
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
    fn a_message_is_a_sentence() {
        let message = |text: &str| Finding::new(Code::KeyOrder, text).message;
        assert_eq!(message("page 39 is labelled 238"), "Page 39 is labelled 238.");
        assert_eq!(message("`term` is 0; etcd counts it up from 1."), "`term` is 0; etcd counts it up from 1.");
        assert_eq!(message("é"), "é.");
        assert_eq!(message(""), "");
    }

    #[test]
    fn findings_beyond_the_limit_are_only_counted() {
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
    fn the_most_severe_finding_decides_the_verdict() {
        let mut findings = Findings::default();
        assert_eq!(findings.verdict(), Verdict::Sound);
        findings.push(Finding::new(Code::TrailerMissing, ""));
        assert_eq!(findings.verdict(), Verdict::Warnings);
        findings.push(Finding::new(Code::KeyOrder, ""));
        assert_eq!(findings.verdict(), Verdict::Damaged);
    }
}
