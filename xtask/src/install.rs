//! Finds programs of the system that a task needs, or, on Debian as root, installs them.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::repo;

/// Returns the first of these programs in the search path. If there are none, and this is Debian and the user root, installs the packages first.
pub fn installed(names: &[&str], packages: &[&str]) -> Result<Option<PathBuf>> {
    if in_path(names).is_none() {
        debian(packages)?;
    }
    Ok(in_path(names))
}

/// Installs packages on Debian as root; does nothing elsewhere.
pub fn debian(packages: &[&str]) -> Result<()> {
    if !PathBuf::from("/etc/debian_version").exists() || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    eprintln!("\n── {}", packages.first().copied().unwrap_or_default());
    repo::run(Command::new("apt-get").args(["update", "-qq"]))?;
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages);
    repo::run(install.env("DEBIAN_FRONTEND", "noninteractive"))
}

fn in_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file()))
}
