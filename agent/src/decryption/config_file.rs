//! Reads an EncryptionConfiguration into memory that is wiped afterwards.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use etcdsnap_core::kubernetes::encryption::configuration::Configuration;
use zeroize::Zeroizing;

use super::decryption_error::DecryptionError;
use crate::fsx::waitless_open::open_without_waiting;

/// Bytes that are read at most. A configuration has some hundred bytes, one with a hundred keys about ten thousand.
const MAX_LEN: u64 = 1 << 20;

/// Opens the file, or standard input for `-`. If it is a pipe, does not wait for a writer.
fn open(path: &Path) -> io::Result<File> {
    if path.as_os_str() == "-" {
        return Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?));
    }
    open_without_waiting(path)
}

/// Reads and parses the file or the pipe.
///
/// # Errors
/// When it cannot be read, or is not a configuration.
pub(super) fn read(path: &Path) -> Result<Configuration, DecryptionError> {
    let failed = |cause| DecryptionError::Read { path: path.to_owned(), cause };
    let file = open(path).map_err(failed)?;
    let facts = file.metadata().map_err(failed)?;
    let is_pipe = facts.file_type().is_fifo();
    // A pipe comes from a program that decrypts the configuration; a terminal or a device cannot have one.
    if !facts.is_file() && !is_pipe {
        return Err(DecryptionError::NotAFile { path: path.to_owned() });
    }
    let too_long = || DecryptionError::TooLong { path: path.to_owned(), limit: MAX_LEN };
    if facts.len() > MAX_LEN {
        return Err(too_long());
    }
    // Allocate all memory at once: a growing buffer would leave copies that are not wiped.
    let mut bytes = Zeroizing::new(vec![0; usize::try_from(MAX_LEN).unwrap_or(usize::MAX)]);
    let mut len = 0_usize;
    loop {
        let free = bytes.get_mut(len..).filter(|free| !free.is_empty()).ok_or_else(too_long)?;
        match (&file).read(free) {
            Ok(0) => break,
            Ok(count) => len = len.saturating_add(count),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(failed(cause)),
        }
    }
    if len == 0 && is_pipe {
        return Err(DecryptionError::EmptyPipe { path: path.to_owned() });
    }
    let invalid = |reason: String| DecryptionError::Invalid { path: path.to_owned(), reason };
    let text = bytes.get(..len).and_then(|bytes| std::str::from_utf8(bytes).ok());
    Configuration::parse(text.ok_or_else(|| invalid("it is not UTF-8 text".into()))?).map_err(invalid)
}
