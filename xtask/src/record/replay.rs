//! Starts servers on recorded snapshots, and records the history that they replay to a watch: the revisions above the last compaction survive a restore.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use tempfile::TempDir;

use super::server::{self, Cluster};
use crate::repo;

/// The fields of `case.toml` that a replay needs.
#[derive(Deserialize)]
struct About {
    user: Option<String>,
    trailer: bool,
}

/// Records every case of a version whose server was queried; the snapshots stay unchanged.
pub fn record_version(version: &str, history: &Path) -> Result<()> {
    for folder in cases_with_server_answers(version)? {
        record(version, &folder, history)?;
    }
    Ok(())
}

/// Restores a case's snapshot with the version's own program, starts its server on it, and writes `expected/watch.json`.
pub fn record(version: &str, case: &Path, history: &Path) -> Result<()> {
    let about = fs::read_to_string(case.join("case.toml")).context("the case has no case.toml yet")?;
    let about: About = toml::from_str(&about)?;
    eprintln!("replaying {}", case.file_name().unwrap_or_default().to_string_lossy());
    let folder = TempDir::new()?;
    let member_configs = server::member_configs(folder.path(), 1)?;
    let flags = if about.trailer { &[][..] } else { &["--skip-hash-check"] };
    server::restore(version, &case.join("snapshot.db"), &member_configs, flags)?;
    let cluster = Cluster::start_in(version, folder, member_configs, &[])?;
    let mut replay = cluster.ask(history, about.user.as_deref());
    repo::capture(replay.arg("--out").arg(case.join("expected")).arg("replay")).map(drop)
}

/// Returns the folders of a version's cases whose server was queried when the snapshot was saved.
fn cases_with_server_answers(version: &str) -> Result<Vec<PathBuf>> {
    let cases = repo::root().join("tests/cases");
    let mut folders = Vec::new();
    for entry in fs::read_dir(&cases).context("cannot list tests/cases")? {
        let entry = entry?;
        let of_version = entry.file_name().to_string_lossy().starts_with(&format!("{version}-"));
        if of_version && entry.path().join("expected/keys.json").exists() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}
