//! Whether two files that are compared are of one cluster.

use etcdsnap::core::Revision;
use etcdsnap::{KubernetesPrefixes, NoProgress, is_kube_system, printable};

use crate::cli::failure::Failure;
use crate::cli::inspect::compared_side::ComparedSide;
use crate::cli::output;

/// Whether the files are of two clusters; if so, reports it.
///
/// # Errors
/// When a file cannot be read.
pub fn are_two_clusters(
    sides: &[ComparedSide<'_>; 2],
    prefixes: &KubernetesPrefixes,
    prefix: Option<&[u8]>,
    revisions: [Revision; 2],
) -> Result<bool, Failure> {
    // A key that is in neither index is equal on both sides, or missing on both.
    let differs = |side: &ComparedSide<'_>| {
        let found = side
            .index
            .iter()
            .find(|key| !key.deleted && prefixes.object(key.key).is_some_and(|object| is_kube_system(&object)));
        side.snapshot.identity_by(side.store, found.as_ref())
    };
    let [a, b] = sides;
    let (mut ours, mut theirs) = (differs(a)?, differs(b)?);
    if ours.is_other(&theirs) && (ours.kube_system.is_none() || theirs.kube_system.is_none()) {
        // A restore gives etcd new members, so members decide only if there is no such namespace.
        let whole = |side: &ComparedSide<'_>, revision| {
            let cluster = side.snapshot.cluster(side.store, revision, prefix, &NoProgress)?;
            side.snapshot.identity(side.store, &cluster)
        };
        let [first, second] = revisions;
        (ours, theirs) = (whole(a, first)?, whole(b, second)?);
    }
    if !ours.is_other(&theirs) {
        return Ok(false);
    }
    output::warn(&format!(
        "These are two clusters: the first has {}, the second {}. Objects of the same name are different objects.",
        printable(&ours.text()),
        printable(&theirs.text())
    ));
    Ok(true)
}
