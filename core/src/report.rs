//! The outcome of a scan.

use serde::Serialize;

use crate::finding::{Findings, Verdict};
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
}
