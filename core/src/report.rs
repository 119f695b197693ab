//! The outcome of a scan.

use serde::Serialize;

use crate::finding::{Finding, Findings};
use crate::finding_code::Code;
use crate::key_tally::KeyTally;
use crate::lost_history::LostHistory;
use crate::severity::Verdict;
use crate::status::Status;
use crate::trailer::Trailer;

/// All that one scan found out about a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What follows from the findings.
    pub verdict: Verdict,
    /// What is wrong, in the order of the scan.
    #[serde(flatten)]
    pub findings: Findings,
    /// The trailer.
    #[serde(rename = "sha256")]
    pub trailer: Trailer,
    /// The numbers; none when the file is no bolt database or has no readable root.
    pub status: Option<Status>,
    /// What of the history of keys is gone; none when nothing is known to be.
    pub lost: Option<LostHistory>,
    /// What became of encrypted values, where something was given that opens them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decrypted: Option<Decrypted>,
}

/// Encrypted values by the key that they need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Decrypted {
    /// Those that open.
    pub opened: KeyTally,
    /// Those that do not.
    pub unopened: KeyTally,
}

impl Report {
    /// Adds the trailer to a report on a database whose metas are gone: its SHA-256 can be judged all the same. Other reports are left as they are.
    #[must_use]
    pub fn with_trailer(mut self, trailer: Trailer) -> Self {
        if !self.wants_trailer() {
            return self;
        }
        if trailer.actual.is_some() && trailer.actual != trailer.expected {
            let text = "the SHA-256 of the bytes before it is another than the trailer says";
            self.findings.push(Finding::new(Code::Sha256Mismatch, text));
            self.verdict = self.findings.verdict();
        }
        self.trailer = trailer;
        self
    }

    /// Whether the report is on a database of which only the trailer can be judged.
    #[must_use]
    pub fn wants_trailer(&self) -> bool {
        self.status.is_none() && self.trailer.present
    }
}
