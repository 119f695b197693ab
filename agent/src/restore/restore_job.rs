//! A restore in progress: its validated settings, and the checks of its snapshot.

use etcdsnap_core::restore::membership::Cluster;
use etcdsnap_core::restore::plan::{KeyChanges, PlanError, plan};
use etcdsnap_core::{Report, Severity, Verdict};

use super::{RestoreConfig, RestoreError, RestoreVerify};
use crate::input::{Body, Input};
use crate::progress::Progress;
use crate::sha256_stream::StreamDigest;

/// A restore in progress, with its validated settings.
pub(super) struct RestoreJob<'j> {
    pub config: &'j RestoreConfig,
    pub cluster: &'j Cluster,
    pub bump: Option<u64>,
    pub input: &'j Input,
    pub progress: &'j dyn Progress,
}

/// What the verification of a database found that is to be restored.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Accepted {
    /// How many keys it holds; `None` if they were not counted, or if not all of them could be read.
    pub keys: Option<u64>,
    /// Whether it is damaged, and is restored all the same because the configuration has `force`.
    pub is_damaged: bool,
}

impl RestoreJob<'_> {
    /// Checks, before anything is written, that the revision can be raised that far. For a compressed input this is checked later.
    pub fn check_bump(&self) -> Result<(), RestoreError> {
        let (Body::Plain(source), Some(_)) = (&self.input.body, self.bump) else { return Ok(()) };
        match plan(source, self.cluster, self.keys()) {
            Err(error @ (PlanError::Bump { .. } | PlanError::Exhausted)) => Err(error.into()),
            // Problems of the database itself are reported better after all of it was read.
            _ => Ok(()),
        }
    }

    /// Estimates the size of one member's database, as far as possible before it is read.
    pub fn estimated_size(&self) -> u64 {
        match &self.input.body {
            Body::Plain(source) => {
                let database = self.input.claimed_length().database().unwrap_or_else(|| super::len(source));
                plan(source, self.cluster, self.keys()).map_or(database, |plan| database.max(plan.edit.size))
            }
            Body::Packed(packed) => packed.claimed_length().database().unwrap_or_default(),
        }
    }

    /// Returns the changes of keys and revisions for a copied database.
    pub fn keys(&self) -> KeyChanges<'_> {
        KeyChanges { as_of: None, deleted: &self.config.delete, bump: self.bump }
    }

    /// Returns `outcome`, unless the input was written to meanwhile, which makes any result meaningless.
    pub fn unless_changed<T>(&self, outcome: Result<T, RestoreError>) -> Result<T, RestoreError> {
        let source = match &self.input.body {
            Body::Plain(file) => file,
            Body::Packed(packed) => packed.source(),
        };
        match outcome {
            Err(RestoreError::Input(crate::Error::Cancelled)) => outcome,
            outcome => source.assert_unchanged().map_err(RestoreError::from).and(outcome),
        }
    }

    /// Whether to verify the structure of the database.
    pub fn verifies_structure(&self) -> bool {
        self.config.verify != RestoreVerify::None
    }

    /// Compares the SHA-256; returns false if the check is disabled.
    pub fn compare(&self, copied: &StreamDigest) -> Result<bool, RestoreError> {
        let path = || self.input.path.clone();
        match copied.trailer {
            _ if self.config.skip_hash_check => Ok(false),
            None => Err(RestoreError::NoTrailer { path: path(), len: copied.len }),
            Some(expected) if expected == copied.sha256 => Ok(true),
            Some(_) => Err(RestoreError::Sha256 { path: path() }),
        }
    }

    /// Refuses a damaged database, unless the configuration has `force`; the SHA-256 is checked separately.
    pub fn accept(&self, report: Report) -> Result<Accepted, RestoreError> {
        let counts = |code: etcdsnap_core::Code| {
            let structure = !code.is_about_contents() || self.config.verify == RestoreVerify::Full;
            code.severity() == Severity::Damage && structure && code != etcdsnap_core::Code::Sha256Mismatch
        };
        let damaged = report.verdict == Verdict::Damaged && report.findings.counts().keys().any(|code| counts(*code));
        if damaged && !self.config.force {
            return Err(RestoreError::Damaged { path: self.input.path.clone(), report: Box::new(report) });
        }
        let keys = report.status.filter(|status| status.complete).map(|status| status.total_key);
        Ok(Accepted { keys, is_damaged: damaged })
    }
}
