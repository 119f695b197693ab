//! Reads an EncryptionConfiguration into memory that is wiped.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use etcdsnap_core::kubernetes::encryption::configuration::Configuration;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::error::DecryptionError;

/// Bytes that are read. A configuration has some hundred, and a cluster with a hundred keys ten thousand.
const MAX_LEN: u64 = 1 << 20;

/// Reads and parses the file.
///
/// # Errors
/// When it cannot be read, or is no configuration.
pub(super) fn read(path: &Path) -> Result<Configuration, DecryptionError> {
    let failed = |cause| DecryptionError::Read { path: path.to_owned(), cause };
    // A FIFO would be waited for.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
    let facts = file.metadata().map_err(failed)?;
    if !facts.is_file() {
        return Err(DecryptionError::NotAFile { path: path.to_owned() });
    }
    let too_long = || DecryptionError::TooLong { path: path.to_owned(), limit: MAX_LEN };
    if facts.len() > MAX_LEN {
        return Err(too_long());
    }
    // All the room at once: a list that grows leaves copies behind, which nobody wipes.
    let mut bytes = Zeroizing::new(vec![0; usize::try_from(MAX_LEN).unwrap_or(usize::MAX)]);
    let mut len = 0_usize;
    loop {
        let room = bytes.get_mut(len..).filter(|room| !room.is_empty()).ok_or_else(too_long)?;
        match (&file).read(room) {
            Ok(0) => break,
            Ok(count) => len = len.saturating_add(count),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(failed(cause)),
        }
    }
    let invalid = |reason: String| DecryptionError::Invalid { path: path.to_owned(), reason };
    let text = bytes.get(..len).and_then(|bytes| std::str::from_utf8(bytes).ok());
    Configuration::parse(text.ok_or_else(|| invalid("it is no text".into()))?).map_err(invalid)
}
