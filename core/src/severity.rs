//! Severity of findings, and the verdict that follows from all of them.

use serde::Serialize;

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A fact worth knowing; the snapshot can be restored.
    Warning,
    /// Data is lost, contradicts itself, or cannot be trusted.
    Damage,
}

/// The verdict on a file, which follows from its findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No finding.
    Sound,
    /// Warnings only.
    Warnings,
    /// At least one finding of damage.
    Damaged,
}

impl Verdict {
    /// The verdict as the CLI and the web page print it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Warnings => "warnings",
            Self::Damaged => "damaged",
        }
    }
}
