//! Compiler flags that keep the names of this machine's folders out of what is compiled, so that it is the same wherever it is built.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Returns flags for rustc. Cargo leaves them out of the hashes in symbols.
///
/// # Errors
/// When cargo's own folder is unknown.
pub fn rust_flags(source: &Path) -> Result<Vec<String>> {
    Ok(mapped(source)?.map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())).into())
}

/// Returns flags for a C compiler.
///
/// # Errors
/// When cargo's own folder is unknown.
pub fn c_flags(source: &Path) -> Result<String> {
    let flags = mapped(source)?.map(|(from, to)| format!("-ffile-prefix-map={}={to}", from.display()));
    Ok(flags.join(" "))
}

/// The folders, and the names that stand for them: those of the sources and of the libraries. Rust's own library names no folder of this machine.
fn mapped(source: &Path) -> Result<[(PathBuf, &'static str); 2]> {
    Ok([(source.to_owned(), "/etcdsnap"), (cargo_home()?, "/cargo")])
}

fn cargo_home() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("CARGO_HOME") {
        return Ok(named.into());
    }
    std::env::home_dir().map(|home| home.join(".cargo")).context("neither CARGO_HOME nor a home directory is known")
}
