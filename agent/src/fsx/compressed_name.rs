//! Endings of the names of compressed files.

use std::path::Path;

use crate::fsx::output_error::OutputError;

/// Endings of compressed snapshots. Retention counts snapshots of one template together, with or without these, so that `--compress` can be turned on and off.
pub(crate) const ENDINGS: [&str; 4] = [".gz", ".zst", ".zstd", ".zip"];

/// Refuses the name of a compressed file for an output that is not compressed.
///
/// # Errors
/// [`OutputError::CompressedName`].
pub(crate) fn refuse(path: &Path) -> Result<(), OutputError> {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let ending = ENDINGS.into_iter().find(|ending| name.len() > ending.len() && name.ends_with(ending.as_bytes()));
    ending.map_or(Ok(()), |ending| Err(OutputError::CompressedName { path: path.to_owned(), ending }))
}
