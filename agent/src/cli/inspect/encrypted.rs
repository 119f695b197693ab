//! Decrypts values that an API server encrypted, and reports those that could not be decrypted.

use std::path::Path;
use std::sync::Arc;

use etcdsnap::core::kubernetes::encryption::keyring::UndecryptedReason;
use etcdsnap::{Decryption, DecryptionError, Snapshot, UndecryptedCounts, printable};

use crate::cli::args_common::{DecryptArgs, MetaArgs, WorkArgs};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::progress_bar::Bar;
use crate::cli::render::grouped_number::counted;
use crate::cli::{judge_files, output, signals};

/// Returns the decryption that the command line asks for, for the values of some files.
///
/// # Errors
/// When the configuration cannot be read, is also one of the files, or would be overwritten by the output.
pub fn decryption(args: &DecryptArgs, files: &[&Path]) -> Result<Arc<Decryption>, Failure> {
    let stdin = Path::new("-");
    if args.encryption_config.as_deref() == Some(stdin) && files.contains(&stdin) {
        return Err(judge_files::stdin_twice());
    }
    let named: Vec<&Path> = args.encryption_config.iter().map(AsRef::as_ref).filter(|path| *path != stdin).collect();
    judge_files::check_not_written(&named)?;
    let configuration = args.encryption_config.as_deref();
    Ok(Arc::new(Decryption::new(configuration, &args.kms_socket, signals::is_stopping)?))
}

/// Like [`open`](super::open), and sets the decryption.
///
/// # Errors
/// As [`open`](super::open) and [`decryption`].
pub fn open(path: &Path, args: &DecryptArgs, work: WorkArgs, meta: MetaArgs) -> Result<(Snapshot, Bar), Failure> {
    let decryption = decryption(args, &[path])?;
    let (snapshot, bar) = super::open(path, work, meta)?;
    Ok((snapshot.with_decryption(decryption), bar))
}

/// Reports values that could not be decrypted. Returns the exit code for damage if the command line gave any means of decryption.
pub fn report_undecrypted(snapshot: &Snapshot) -> Exit {
    report_counts(&snapshot.undecrypted());
    if snapshot.decryption().can_decrypt() && !snapshot.undecrypted().is_empty() { Exit::Damage } else { Exit::Done }
}

/// Reports values that could not be decrypted.
pub fn report_counts(undecrypted: &UndecryptedCounts) {
    for (needs, why, count) in undecrypted.reasons() {
        let one = if count == 1 { "stays" } else { "stay" };
        let what = printable(&format!("{} {one} encrypted ({needs}): {why}", counted(count, "value", "values")));
        output::warn(&format!("{what}.{}", advice(why)));
    }
    if undecrypted.others() > 0 {
        output::warn(&format!("And {} more that stay encrypted.", counted(undecrypted.others(), "value", "values")));
    }
}

fn advice(why: &UndecryptedReason) -> &'static str {
    match why {
        UndecryptedReason::NothingGiven => {
            " To decrypt, give the cluster's EncryptionConfiguration (--encryption-config FILE) or a KMS plugin's socket (--kms-socket NAME=PATH)."
        }
        UndecryptedReason::NoPlugin { .. } => " Give it: --kms-socket NAME=PATH.",
        UndecryptedReason::PluginUnreachable(_) => {
            " Check that the plugin runs, and that this user may reach its socket."
        }
        UndecryptedReason::NoKey(_) | UndecryptedReason::WrongKey | UndecryptedReason::NoObject => {
            " Use the configuration from the time when the value was written."
        }
        UndecryptedReason::Redacted => " No key opens them: use the snapshot from which the copy was made.",
        _ => "",
    }
}

impl From<DecryptionError> for Failure {
    fn from(error: DecryptionError) -> Self {
        Self::new(error.to_string(), error.advice())
    }
}
