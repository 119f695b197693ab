//! Lists the names in a directory.

use std::fs;
use std::path::Path;

/// Returns the names of the entries of a directory, sorted; bytes that are not UTF-8 are replaced.
///
/// # Panics
/// Panics if it cannot be listed.
#[must_use]
pub fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
