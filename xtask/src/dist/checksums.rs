//! Writes `SHA256SUMS`, which `sha256sum --check` reads.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::sha256::hex;

/// The name of the list.
pub const NAME: &str = "SHA256SUMS";

/// Writes the list of all files of a folder into that folder.
///
/// # Errors
/// When a file cannot be read, or the folder is empty.
pub fn write(folder: &Path) -> Result<()> {
    let mut lines = String::new();
    for path in files(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        lines += &format!("{}  {name}\n", of_file(&path)?);
    }
    ensure!(!lines.is_empty(), "there are no files in {}", folder.display());
    fs::write(folder.join(NAME), lines).context(NAME)
}

/// Returns the files of a folder, without the list, by name.
///
/// # Errors
/// When the folder cannot be listed.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|path| path.is_file() && path.file_name().is_some_and(|name| name != NAME));
    files.sort();
    Ok(files)
}

/// Returns the SHA-256 of a file.
///
/// # Errors
/// When it cannot be read.
fn of_file(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(hex(&Sha256::digest(bytes)))
}
