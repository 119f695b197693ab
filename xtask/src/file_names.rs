//! Checks that each name of a source file occurs only once in its crate, so that a person who types a name in an editor reaches the right file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::repo;

/// The crates and the page's sources: each entry lists the folders that share one set of names.
const CRATES: &[&[&str]] = &[
    &["core/src"],
    &["proto/src"],
    &["unpack/src"],
    &["agent/src"],
    &["inspector-wasm/src"],
    &["tests/src", "tests/tests"],
    &["xtask/src"],
    &["web/src"],
];

/// Names that the language prescribes: they may occur in every folder.
const REPEATABLE_NAMES: &[&str] = &["mod", "lib", "main"];

/// The file extensions to check.
const EXTENSIONS: &[&str] = &["rs", "ts", "svelte"];

/// Fails when two files of a crate have the same name.
pub fn check() -> Result<()> {
    eprintln!("unique file names");
    let mut twice = Vec::new();
    for folders in CRATES {
        let mut files = BTreeMap::<_, Vec<PathBuf>>::new();
        for folder in *folders {
            collect(&repo::root().join(folder), &mut files)?;
        }
        twice.extend(files.into_values().filter(|paths| paths.len() > 1));
    }
    let lines = twice.iter().map(|paths| paths.iter().map(|path| shown(path)).collect::<Vec<_>>().join(", "));
    ensure!(twice.is_empty(), "Files of one crate have the same name:\n  {}", lines.collect::<Vec<_>>().join("\n  "));
    Ok(())
}

/// Adds the source files below a folder under their names without extension. A Rust file and the TypeScript that it declares
/// for the page (`types.rs`, `types.ts`) belong together, so the extension counts.
fn collect(folder: &Path, files: &mut BTreeMap<(String, String), Vec<PathBuf>>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for path in entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()? {
        let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            collect(&path, files)?;
        } else if EXTENSIONS.contains(&extension.as_str()) && !REPEATABLE_NAMES.contains(&name.as_str()) {
            files.entry((name, extension)).or_default().push(path);
        }
    }
    Ok(())
}

fn shown(path: &Path) -> String {
    path.strip_prefix(repo::root()).unwrap_or(path).display().to_string()
}
