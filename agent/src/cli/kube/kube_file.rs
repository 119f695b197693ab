//! The snapshot of a `kube` command: opened, decrypted, and read at the chosen revision.

use std::path::Path;

use etcdsnap::core::store::Store;
use etcdsnap::core::{FileKind, Revision, summarize};
use etcdsnap::{Cluster, FileSource, Progress, Snapshot, printable, printable_path};

use crate::cli::args_kube_common::KubeFileArgs;
use crate::cli::failure::Failure;
use crate::cli::inspect::{chosen_revision, encrypted, key_text};
use crate::cli::progress_bar::Bar;

/// Opens the snapshot, and sets the decryption. `words` are the arguments after the file.
///
/// # Errors
/// When the file or the EncryptionConfiguration cannot be read.
pub fn open(args: &KubeFileArgs, words: &[String]) -> Result<(Snapshot, Bar), Failure> {
    check_order(args, words)?;
    encrypted::open(&args.file, &args.decrypt, args.work, args.meta)
}

/// Checks that the snapshot comes before the type on the command line.
///
/// # Errors
/// When `args` names no file, but one of `words` is a snapshot.
pub fn check_order(args: &KubeFileArgs, words: &[String]) -> Result<(), Failure> {
    let (file, is_stdin) = (&args.file, args.file.as_os_str() == "-");
    match words.iter().find(|word| is_snapshot(Path::new(word))) {
        Some(word) if !is_stdin && !file.exists() => {
            let (kind, word) = (printable_path(file), printable(word));
            let what = format!("there is no file {kind}, but {word} is one");
            Err(Failure::new(what, format!("The snapshot comes before the type: {word} {kind}")))
        }
        _ => Ok(()),
    }
}

/// Whether a path is a file that begins like a snapshot, compressed or not. Other files may have the name of an object.
fn is_snapshot(path: &Path) -> bool {
    let is_kind =
        |kind| matches!(kind, FileKind::Bolt | FileKind::BrokenBolt | FileKind::Gzip | FileKind::Zip | FileKind::Zstd);
    path.is_file()
        && FileSource::open(path).is_ok_and(|file| summarize(&file).is_ok_and(|summary| is_kind(summary.kind)))
}

/// Returns the revision and the prefix of the API server's keys that the arguments ask for.
///
/// # Errors
/// When the snapshot does not have the revision, or the prefix is malformed.
pub fn revision_and_prefix(
    args: &KubeFileArgs,
    snapshot: &Snapshot,
    store: &Store<'_, FileSource>,
) -> Result<(Revision, Option<Vec<u8>>), Failure> {
    let revision = chosen_revision::chosen(snapshot, store, &args.revision)?;
    let prefix = args.etcd_prefix.as_deref().map(key_text::typed).transpose()?;
    Ok((revision, prefix))
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
    let (revision, prefix) = revision_and_prefix(args, snapshot, store)?;
    Ok(snapshot.cluster(store, revision, prefix.as_deref(), progress)?)
}
