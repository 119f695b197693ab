//! A snapshot that may be shown.

use etcdsnap_core::kubernetes::redact_rules::RedactRules;
use etcdsnap_core::rewrite::{Plan, RedactReport, Redaction};

use super::{NewFile, RewriteError, Rewritten, judged, pages};
use crate::progress::Progress;
use crate::snapshot::{KubernetesPrefixes, Snapshot};

/// What a redaction made.
#[derive(Debug, Clone, PartialEq)]
pub struct RedactDone {
    /// The new file.
    pub rewritten: Rewritten,
    /// What was replaced.
    pub redacted: RedactReport,
}

/// Writes a snapshot with what may be shown of another one to `target`. Objects of Kubernetes are those below `prefix`, or below those that API servers have; other values are replaced
/// whole. An old file that is damaged is refused.
///
/// # Errors
/// When the old file cannot be read or is damaged, or the new one cannot be written; nothing is left of that then.
pub fn redact(
    snapshot: &Snapshot,
    rules: &RedactRules,
    prefix: Option<&[u8]>,
    target: NewFile,
    progress: &dyn Progress,
) -> Result<RedactDone, RewriteError> {
    let store = snapshot.store()?;
    let prefixes = KubernetesPrefixes::of(prefix);
    let mut redacted = RedactReport::default();
    let (target, rewritten) = judged(snapshot, &store, target, progress, |target| {
        let mut filter = Redaction::new(rules, prefixes.list());
        let written = pages(snapshot, &store, Plan::Filtered(&mut filter), target, progress)?;
        redacted = filter.into_report();
        Ok(written)
    })?;
    target.publish()?;
    Ok(RedactDone { rewritten, redacted })
}
