//! The snapshot of a `kube` command: opened, decrypted, and read at the chosen revision.

use etcdsnap::core::store::Store;
use etcdsnap::{Cluster, FileSource, Progress, Snapshot};

use crate::cli::args_kube_common::KubeFileArgs;
use crate::cli::failure::Failure;
use crate::cli::inspect::{chosen_revision, encrypted, key_text};
use crate::cli::progress_bar::Bar;

/// Opens the snapshot, and sets the decryption.
///
/// # Errors
/// When the file cannot be read, or the configuration of the encryption cannot.
pub fn open(args: &KubeFileArgs) -> Result<(Snapshot, Bar), Failure> {
    encrypted::open(&args.file, &args.decrypt, args.work, args.meta)
}

/// Reads the objects at the revision that the arguments ask for.
///
/// # Errors
/// When the snapshot does not have the revision, the prefix is malformed, or the file cannot be read.
pub fn cluster(
    args: &KubeFileArgs,
    snapshot: &Snapshot,
    store: &Store<'_, FileSource>,
    progress: &dyn Progress,
) -> Result<Cluster, Failure> {
    let revision = chosen_revision::chosen(snapshot, store, &args.revision)?;
    let prefix = args.etcd_prefix.as_deref().map(key_text::typed).transpose()?;
    Ok(snapshot.cluster(store, revision, prefix.as_deref(), progress)?)
}
