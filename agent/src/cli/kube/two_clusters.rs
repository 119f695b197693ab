//! Whether two files that are compared are of one cluster.

use etcdsnap::core::Revision;
use etcdsnap::{KubernetesPrefixes, NoProgress, is_kube_system, printable};

use crate::cli::failure::Failure;
use crate::cli::inspect::compared_side::ComparedSide;
use crate::cli::output;

/// Whether the files are of two clusters, which is said then.
///
/// # Errors
/// When a file cannot be read.
pub fn are_two_clusters(
    sides: &[ComparedSide<'_>; 2],
    prefixes: &KubernetesPrefixes,
    prefix: Option<&[u8]>,
    revisions: [Revision; 2],
) -> Result<bool, Failure> {
    // What is in neither index is alike on both sides, or on none.
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
        // The members of etcd alone: new ones come with a restore, so only where there is no such namespace do they decide.
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
