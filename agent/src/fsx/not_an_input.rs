//! Checks that an output is not one of the inputs, which it would overwrite.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::file_identity::FileIdentity;
use super::output_error::OutputError;

/// How many levels of subdirectories of an input directory contain files that are read: `member/wal` in a data directory.
const MAX_DEPTH: usize = 2;

/// Like [`check_identity`], for the metadata of an open file.
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

/// Refuses an open output inside a directory whose files are read, unless the output is empty: for `> FILE` the shell has already emptied the file, so nothing can be lost, and
/// a list of the directory's contents may be written there.
pub(super) fn check_not_in_directories(path: &Path, facts: &fs::Metadata, inputs: &[&Path]) -> Result<(), OutputError> {
    if !facts.is_file() || facts.len() == 0 {
        return Ok(());
    }
    let output = FileIdentity::of(facts);
    let directories = inputs.iter().filter(|input| input.is_dir());
    match directories.into_iter().find_map(|directory| file_below(directory, output, MAX_DEPTH)) {
        Some(input) => Err(OutputError::Input { path: path.to_owned(), input }),
        None => Ok(()),
    }
}

/// Returns the path of a file in or below a directory. A directory that cannot be listed cannot be read, either.
fn file_below(directory: &Path, file: FileIdentity, depth: usize) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).ok()?;
    entries.flatten().find_map(|entry| {
        // If the input is a link to the file, the file itself is read.
        let facts = fs::metadata(entry.path()).ok()?;
        if facts.is_dir() {
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            let deeper = depth.checked_sub(1).filter(|_| !is_link)?;
            return file_below(&entry.path(), file, deeper);
        }
        (FileIdentity::of(&facts) == file).then(|| entry.path())
    })
}
