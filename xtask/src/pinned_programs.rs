//! Locates the reference programs, and checks whether they are up to date.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::repo;

/// The build settings, which are part of the stamp: change this text if the way of building changes.
const RECIPE: &str = "CGO_ENABLED=0 -trimpath -ldflags='-s -w'";

/// Hashes all files of a module's folder (it is flat) and the build settings.
pub fn stamp(module: &Path) -> Result<String> {
    let mut files = fs::read_dir(module)
        .with_context(|| format!("no reference module {}", module.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    files.sort();
    let mut hash = Sha256::new();
    hash.update(RECIPE);
    for file in files {
        hash.update(file.file_name().unwrap_or_default().to_string_lossy().as_bytes());
        hash.update(fs::read(file)?);
    }
    Ok(crate::sha256::hex(&hash.finalize()))
}

/// Returns the folder in which they are pinned and built.
pub fn folder() -> PathBuf {
    repo::root().join("tests/reference")
}
