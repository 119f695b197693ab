//! Checks that our libraries can be published: each makes a complete package.

use std::process::Command;

use anyhow::Result;

use crate::repo;

/// Our packages that others may use, each after those that it needs.
const PACKAGES: [&str; 4] = ["etcdsnap-proto", "etcdsnap-unpack", "etcdsnap-core", "etcdsnap"];

/// How thoroughly packages are checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// They can be packed; asks no registry.
    Files,
    /// What was packed also compiles.
    Compiled,
}

/// Packs them.
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
