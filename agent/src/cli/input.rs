//! One file of a command line through the library.

use std::fs::{File, TryLockError};
use std::path::Path;

use etcdsnap::{Error, Report, Sha256, VerifyOptions, printable_path};

use super::args::WorkArgs;
use super::output;
use super::progress::Bar;

/// Judges one file with a progress bar.
///
/// # Errors
/// Those of [`etcdsnap::verify`].
pub fn judge(path: &Path, sha256: Sha256, work: WorkArgs) -> Result<Report, Error> {
    warn_when_in_use(path);
    let bar = Bar::new(path);
    etcdsnap::verify(path, VerifyOptions { sha256, threads: work.threads, progress: &bar })
}

/// bolt locks the file that it has open. The lock is let go at once: it must not keep an etcd from starting.
pub fn warn_when_in_use(path: &Path) {
    if !path.is_file() {
        return;
    }
    let Ok(file) = File::open(path) else { return };
    if let Err(TryLockError::WouldBlock) = file.try_lock_shared() {
        output::warn(&format!(
            "{} is open in a running etcd: what is read may be of no single moment. Take a snapshot instead.",
            printable_path(path)
        ));
    }
}
