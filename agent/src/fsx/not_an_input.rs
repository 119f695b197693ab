//! Whether an output is one of the inputs, which it would overwrite.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::FileType;

use super::file_identity::FileIdentity;
use super::output_error::OutputError;

/// The same of what an open file is.
pub(super) fn check_facts(path: &Path, facts: &fs::Metadata, inputs: &[&Path]) -> Result<(), OutputError> {
    check_identity(path, FileType::from_raw_mode(facts.mode()), FileIdentity::of(facts), inputs)
}

/// Refuses an output that is one of the inputs, by device and inode.
pub(super) fn check_identity(
    path: &Path,
    kind: FileType,
    output: FileIdentity,
    inputs: &[&Path],
) -> Result<(), OutputError> {
    if !matches!(kind, FileType::RegularFile | FileType::Fifo | FileType::BlockDevice) {
        return Ok(());
    }
    match inputs.iter().find(|input| FileIdentity::of_input(input) == Some(output)) {
        Some(input) => Err(OutputError::Input { path: path.to_owned(), input: input.to_path_buf() }),
        None => Ok(()),
    }
}
