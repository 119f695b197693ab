//! The report of a scan.

use serde::Serialize;

use crate::finding::{Finding, Findings};
use crate::finding_code::Code;
use crate::lost_history::LostHistory;
use crate::needed_key_counts::NeededKeyCounts;
use crate::severity::Verdict;
use crate::status::Status;
use crate::trailer::Trailer;

/// Everything one scan learned about a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Verdict that follows from the findings.
    pub verdict: Verdict,
    /// Findings in scan order.
    #[serde(flatten)]
    pub findings: Findings,
    /// The SHA-256 after the database.
    #[serde(rename = "sha256")]
    pub trailer: Trailer,
    /// Size and counts; `None` if the file is not a bbolt database or has no readable root.
    pub status: Option<Status>,
    /// Lost history of keys; `None` if no loss is known.
    pub lost: Option<LostHistory>,
    /// Encrypted values that could and could not be decrypted; `None` if no keys were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decrypted: Option<Decrypted>,
}

/// How many encrypted values the given keys decrypted, by the encryption key that the values need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Decrypted {
    /// Values that the given keys decrypted.
    pub opened: NeededKeyCounts,
    /// Values that they did not decrypt.
    pub unopened: NeededKeyCounts,
}

impl Report {
    /// Adds the trailer, and a finding if its SHA-256 does not match, to the report about a database without valid meta
    /// pages. Other reports stay unchanged.
    #[must_use]
    pub fn with_trailer(mut self, trailer: Trailer) -> Self {
        if !self.only_trailer_can_be_checked() {
            return self;
        }
        if trailer.actual.is_some() && trailer.actual != trailer.expected {
            let text = "the file's SHA-256 does not match its contents";
            self.findings.push(Finding::new(Code::Sha256Mismatch, text));
            self.verdict = self.findings.verdict();
        }
        self.trailer = trailer;
        self
    }

    /// Whether the report is about a database without valid meta pages, of which only the SHA-256 can be checked.
    #[must_use]
    pub fn only_trailer_can_be_checked(&self) -> bool {
        self.status.is_none() && self.trailer.present
    }
}
