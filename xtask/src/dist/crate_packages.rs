//! Checks that our libraries can be published.

use std::process::Command;

use anyhow::Result;

use crate::repo;

/// Our packages for other projects, each after those that it needs.
const PACKAGES: [&str; 4] = ["etcdsnap-proto", "etcdsnap-unpack", "etcdsnap-core", "etcdsnap"];

/// The depth of the check.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The packages can be packed; uses no registry.
    Files,
    /// The packed files also compile.
    Compiled,
}

/// Packs the packages.
///
/// # Errors
/// When a package lacks something.
pub fn check(depth: Depth) -> Result<()> {
    eprintln!("packages for crates.io");
    let mut cargo = Command::new("cargo");
    cargo.args(["package", "--quiet", "--allow-dirty"]);
    cargo.args(match depth {
        Depth::Files => &["--no-verify", "--offline", "--exclude-lockfile"][..],
        Depth::Compiled => &["--locked"],
    });
    for package in PACKAGES {
        cargo.args(["--package", package]);
    }
    repo::run(cargo.current_dir(repo::root()))
}
