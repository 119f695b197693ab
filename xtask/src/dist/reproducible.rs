//! Builds a release a second time in another folder and compares both, byte by byte.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::build_tools;
use super::checksums;
use super::release::Release;
use crate::repo;

/// Builds the last commit in another folder with these arguments of `cargo xtask dist`, and compares all artefacts.
///
/// # Errors
/// When something is not committed, the second build fails, or an artefact differs.
pub fn check(release: &Release, arguments: &[String]) -> Result<()> {
    let changed = repo::capture(Command::new("git").args(["status", "--porcelain"]).current_dir(&release.source))?;
    ensure!(changed.is_empty(), "Commit first: the second build is made from the last commit.\n{changed}");
    // Not below the first: cargo would also read its `.cargo/config.toml`, and use the flags there twice.
    let place = tempfile::Builder::new().prefix("etcdsnap-built-again-").tempdir()?;
    let copy = place.path().join("a/folder/of/another/depth");
    let mut clone = Command::new("git");
    clone.args(["clone", "--quiet", "--no-hardlinks"]).arg(&release.source).arg(&copy);
    repo::run(&mut clone)?;
    let mut build = Command::new(std::env::current_exe().context("the path of xtask")?);
    build
        .arg("dist")
        .args(arguments)
        .current_dir(&copy)
        .env(repo::ROOT_VARIABLE, &copy)
        .env(build_tools::FOLDER_VARIABLE, build_tools::folder())
        .env_remove("CARGO_TARGET_DIR");
    repo::run(&mut build).context("the second build")?;
    compare(&release.output, &copy.join("target/dist"))
}

/// Fails if two folders contain different files.
fn compare(first: &Path, second: &Path) -> Result<()> {
    let names = |folder: &Path| -> Result<BTreeSet<_>> {
        let files = checksums::files(folder)?;
        Ok(files.iter().filter_map(|path| path.file_name().map(|name| name.to_owned())).collect())
    };
    let (ours, theirs) = (names(first)?, names(second)?);
    ensure!(ours == theirs, "two builds made different files: {ours:?} and {theirs:?}");
    let mut different = Vec::new();
    for name in &ours {
        if fs::read(first.join(name))? != fs::read(second.join(name))? {
            different.push(name.to_string_lossy().into_owned());
        }
    }
    ensure!(different.is_empty(), "two builds differ in {}", different.join(", "));
    eprintln!("{} files are the same in two builds", ours.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_found() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [first, second] = [folders[0].path(), folders[1].path()];
        for folder in [first, second] {
            fs::write(folder.join("a"), "1").unwrap();
        }
        compare(first, second).unwrap();
        fs::write(second.join("a"), "2").unwrap();
        assert!(compare(first, second).unwrap_err().to_string().contains("differ in a"));
        fs::write(second.join("a"), "1").unwrap();
        fs::write(second.join("b"), "").unwrap();
        assert!(compare(first, second).unwrap_err().to_string().contains("different files"));
    }
}
