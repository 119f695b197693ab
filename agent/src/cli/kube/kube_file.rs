//! The snapshot of a `kube` command: opened, decrypted, and read at the chosen revision.

use std::path::Path;

use etcdsnap::core::store::Store;
use etcdsnap::{Cluster, FileSource, Progress, Snapshot, printable, printable_path};

use crate::cli::args_kube_common::KubeFileArgs;
use crate::cli::failure::Failure;
use crate::cli::inspect::{chosen_revision, encrypted, key_text};
use crate::cli::progress_bar::Bar;

/// Opens the snapshot, and sets the decryption. `words` are those behind the file.
///
/// # Errors
/// When the file cannot be read, or the configuration of the encryption cannot.
pub fn open(args: &KubeFileArgs, words: &[String]) -> Result<(Snapshot, Bar), Failure> {
    check_order(args, words)?;
    encrypted::open(&args.file, &args.decrypt, args.work, args.meta)
}

/// Checks that the file does not stand behind the type.
///
/// # Errors
/// When it does.
pub fn check_order(args: &KubeFileArgs, words: &[String]) -> Result<(), Failure> {
    let (file, is_stdin) = (&args.file, args.file.as_os_str() == "-");
    match words.iter().find(|word| Path::new(word).is_file()) {
        Some(word) if !is_stdin && !file.exists() => {
            let (kind, word) = (printable_path(file), printable(word));
            let what = format!("there is no file {kind}, but {word} is one");
            Err(Failure::new(what, format!("The snapshot comes before the type: {word} {kind}")))
        }
        _ => Ok(()),
    }
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
