//! Creates clean Debian systems in folders from Debian's packages; programs run in them as on a new machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::{install, repo};

/// The files that name this machine's sources of Debian packages.
const SOURCES: [&str; 2] = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"];

/// A Debian system in a folder, which is removed at the end.
pub struct DebianRoot {
    folder: TempDir,
}

impl DebianRoot {
    /// Creates a system of the essential packages and `packages`.
    ///
    /// # Errors
    /// When this system is not Debian, the process is not root, or the package sources cannot be reached.
    pub fn with(packages: &[&str]) -> Result<Self> {
        ensure!(rustix::process::geteuid().is_root(), "A Debian system in a folder can only be made by root.");
        install::installed(&["mmdebstrap"], &["mmdebstrap"])?.context("mmdebstrap is missing: install it")?;
        let sources = SOURCES.iter().find(|path| Path::new(path).exists());
        let sources = sources.context("This machine has no sources of Debian's packages.")?;
        let folder = tempfile::tempdir_in(repo::root().join("target")).context("a folder for Debian")?;
        eprintln!("Debian with {packages:?}");
        let mut make = Command::new("mmdebstrap");
        make.args(["--quiet", "--mode=root", "--variant=essential"]);
        if !packages.is_empty() {
            make.arg(format!("--include={}", packages.join(",")));
        }
        make.arg(codename()?).arg(folder.path()).arg(sources);
        repo::run(&mut make)?;
        Ok(Self { folder })
    }

    /// Returns the path outside the system of a path inside it.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside.trim_start_matches('/'))
    }

    /// Returns a command that runs inside the system.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("chroot");
        command.arg(self.folder.path()).arg(program);
        command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.current_dir("/");
        command
    }
}

/// Returns the name of this machine's version of Debian.
fn codename() -> Result<String> {
    let text = std::fs::read_to_string("/etc/os-release").context("/etc/os-release")?;
    let name = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    Ok(name.context("This is no Debian.")?.to_owned())
}
