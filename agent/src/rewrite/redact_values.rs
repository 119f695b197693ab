//! Writes a redacted snapshot.

use etcdsnap_core::kubernetes::redact_rules::RedactRules;
use etcdsnap_core::rewrite::{Plan, RedactReport, Redaction};

use super::{NewFile, RewriteError, Rewritten, judged, pages};
use crate::progress::Progress;
use crate::snapshot::{KubernetesPrefixes, Snapshot};

/// The result of a redaction.
#[derive(Debug, Clone, PartialEq)]
pub struct RedactDone {
    /// The new file.
    pub rewritten: Rewritten,
    /// The numbers of replaced values.
    pub redacted: RedactReport,
}

/// Writes a redacted copy of a snapshot to `target`. Kubernetes objects are those below `prefix`, or below the known prefixes of API servers; other values are replaced
/// completely. Refuses a damaged input.
///
/// # Errors
/// When the input cannot be read or is damaged, or the output cannot be written; then no output is left.
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
