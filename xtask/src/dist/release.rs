//! The properties that all artefacts of a release share: version, time, and output folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::repo;

/// A release that is being made.
pub struct Release {
    /// The tree from which it is made.
    pub source: PathBuf,
    /// The version of the workspace.
    pub version: &'static str,
    /// The time of the commit in seconds since 1970, which is the time of everything in the artefacts.
    pub epoch: u64,
    /// That time as in RFC 3339, in UTC.
    pub time: String,
    /// That time as in the header of a mail.
    pub mail_time: String,
    /// The commit's hash.
    pub commit: String,
    /// The folder of the artefacts.
    pub output: PathBuf,
}

impl Release {
    /// Describes the release that is made from this tree.
    ///
    /// # Errors
    /// When the folder cannot be made, or the tree is not in Git.
    pub fn of(source: &Path) -> Result<Self> {
        let output = source.join("target/dist");
        fs::create_dir_all(&output).with_context(|| format!("cannot create {}", output.display()))?;
        let of_commit = |format: &str, date: &str| -> Result<String> {
            let mut git = Command::new("git");
            git.args(["log", "-1", &format!("--format={format}"), &format!("--date={date}")]).env("TZ", "UTC0");
            let text = repo::capture(git.current_dir(source)).context("a release has the time of its commit")?;
            Ok(text.trim().to_owned())
        };
        Ok(Self {
            source: source.to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            epoch: of_commit("%ct", "unix")?.parse().context("the time of the commit")?,
            time: of_commit("%cd", "format-local:%Y-%m-%dT%H:%M:%SZ")?,
            mail_time: of_commit("%cd", "format-local:%a, %d %b %Y %H:%M:%S +0000")?,
            commit: of_commit("%H", "unix")?,
            output,
        })
    }

    /// Writes an artefact, prints its name and size, and returns its path.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, name: &str, contents: &[u8]) -> Result<PathBuf> {
        let path = self.output.join(name);
        fs::write(&path, contents).with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("{name}: {} bytes", contents.len());
        Ok(path)
    }
}
