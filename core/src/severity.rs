//! How much a finding weighs, and the verdict that follows from all of them.

use serde::Serialize;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; the snapshot can be restored.
    Warning,
    /// Data is lost, contradicts itself, or cannot be trusted.
    Damage,
}

/// What follows from the findings of a file.
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
    /// The word that the CLI and the page print.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Warnings => "warnings",
            Self::Damaged => "damaged",
        }
    }
}
