//! Installs the tools that only a release needs: Zig with cargo-zigbuild from PyPI, and cargo's subcommands from crates.io.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{python_packages, repo};

/// Embeds the list of all libraries in a program, where scanners find it.
pub const AUDITABLE: &str = "cargo-auditable@0.7.7";

/// Checks licences and sources of libraries.
pub const DENY: &str = "cargo-deny@0.20.2";

/// The environment variable with another folder for the tools: the second of two builds uses those of the first.
pub const FOLDER_VARIABLE: &str = "ETCDSNAP_DIST_TOOLS";

/// Returns the folder of the tools.
pub fn folder() -> PathBuf {
    std::env::var_os(FOLDER_VARIABLE).map_or_else(|| repo::root().join("target/tools"), PathBuf::from)
}

/// Installs Zig and cargo-zigbuild unless they are up to date; returns their folder.
///
/// # Errors
/// When Python is missing, or PyPI cannot be reached.
pub fn ensure_zig() -> Result<PathBuf> {
    let environment = folder().join("python");
    python_packages::ensure_environment("zig", &repo::root().join("packaging/tools"), &environment)?;
    Ok(environment)
}

/// Installs a subcommand of cargo, given as `name@version`, unless this version is installed.
///
/// # Errors
/// When it cannot be installed.
pub fn ensure_cargo(tool: &str) -> Result<()> {
    let mut cargo = Command::new("cargo");
    // Without optimisation: the tools run for seconds but compile for minutes.
    cargo.args(["install", "--quiet", "--locked", "--debug", "--root"]).arg(folder()).arg(tool);
    // A folder for each: removing it disturbs no other installation.
    let build = folder().join("build").join(tool);
    repo::run(cargo.env("CARGO_TARGET_DIR", &build).current_dir(repo::root()))
        .with_context(|| format!("cannot install {tool}"))?;
    if build.exists() {
        std::fs::remove_dir_all(&build).with_context(|| format!("cannot remove {}", build.display()))?;
    }
    Ok(())
}

/// Returns the search path with the tools first.
///
/// # Errors
/// When a folder's name has a colon.
pub fn search_path() -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = [folder().join("bin"), folder().join("python/bin")];
    std::env::join_paths(own.into_iter().chain(std::env::split_paths(&path))).context("the search path")
}
