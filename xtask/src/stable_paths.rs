//! Compiler flags that keep the paths of this machine out of the compiled program, so that every machine builds the same bytes.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Returns flags for rustc. Cargo does not include these flags in symbol hashes, so the paths in them do not change the output.
///
/// # Errors
/// When Cargo's home is unknown.
pub fn rust_flags(source: &Path) -> Result<Vec<String>> {
    Ok(mapped(source)?.map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())).into())
}

/// Returns flags for a C compiler.
///
/// # Errors
/// When Cargo's home is unknown.
pub fn c_flags(source: &Path) -> Result<String> {
    let flags = mapped(source)?.map(|(from, to)| format!("-ffile-prefix-map={}={to}", from.display()));
    Ok(flags.join(" "))
}

/// Pairs of a folder and its replacement: the source folder and Cargo's home, which holds the libraries. The standard library needs no entry: it was built elsewhere
/// and contains no path of this machine.
fn mapped(source: &Path) -> Result<[(PathBuf, &'static str); 2]> {
    Ok([(source.to_owned(), "/etcdsnap"), (cargo_home()?, "/cargo")])
}

fn cargo_home() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("CARGO_HOME") {
        return Ok(named.into());
    }
    std::env::home_dir().map(|home| home.join(".cargo")).context("neither CARGO_HOME nor a home directory is known")
}
