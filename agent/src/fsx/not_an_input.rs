//! Whether an output is one of the inputs, which it would overwrite.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::file_identity::FileIdentity;
use super::output_error::OutputError;

/// Directories below one that is named whose files are read: `member/wal` below a data directory.
const DEPTH: usize = 2;

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

/// Refuses an open output that lies in a directory whose files are read, unless it is empty: a shell has emptied what `> FILE` names, so there is nothing to protect, and
/// a list of what a directory holds may be written to it.
pub(super) fn check_not_in_directories(path: &Path, facts: &fs::Metadata, inputs: &[&Path]) -> Result<(), OutputError> {
    if !facts.is_file() || facts.len() == 0 {
        return Ok(());
    }
    let output = FileIdentity::of(facts);
    let directories = inputs.iter().filter(|input| input.is_dir());
    match directories.into_iter().find_map(|directory| file_below(directory, output, DEPTH)) {
        Some(input) => Err(OutputError::Input { path: path.to_owned(), input }),
        None => Ok(()),
    }
}

/// The path of a file in a directory or below it. What cannot be listed cannot be read either.
fn file_below(directory: &Path, file: FileIdentity, depth: usize) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).ok()?;
    entries.flatten().find_map(|entry| {
        // A name that leads to the file is read as the file.
        let facts = fs::metadata(entry.path()).ok()?;
        if facts.is_dir() {
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            let deeper = depth.checked_sub(1).filter(|_| !is_link)?;
            return file_below(&entry.path(), file, deeper);
        }
        (FileIdentity::of(&facts) == file).then(|| entry.path())
    })
}
