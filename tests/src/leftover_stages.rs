//! Creates stages of a restore like those of killed runs, and lists directories for comparison.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{case, cli};

/// The first name that the program tries for the stage of `data`.
pub const STAGE_NAME: &str = "data.etcdsnap-0";

pub const MARKER: &str = "etcdsnap-stage";

#[must_use]
pub fn snapshot() -> PathBuf {
    case::named("3.7-fresh").path()
}

/// Returns everything below a directory: path, mode and content, or a link's target.
#[must_use]
pub fn tree(directory: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        let facts = fs::symlink_metadata(&path).unwrap();
        let content = if facts.len() > 1 << 20 {
            facts.len().to_string().into_bytes()
        } else if facts.is_file() {
            fs::read(&path).unwrap()
        } else if facts.is_symlink() {
            fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec()
        } else {
            Vec::new()
        };
        if facts.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        found.insert(path.strip_prefix(directory).unwrap().to_owned(), (facts.mode(), content));
    }
    found
}

/// Creates a directory with contents that must not be lost.
pub fn create_valuable_directory(path: &Path) {
    fs::create_dir_all(path.join("deep")).unwrap();
    fs::write(path.join("deep/precious"), "data").unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
}

/// Returns the program's own marker of a stage: see `agent/src/restore/stage_directory.rs`.
#[must_use]
pub fn marker(stage: &Path, target: &str) -> String {
    let inode = |path: &Path| fs::metadata(path).unwrap().ino();
    format!("etcdsnap restore\nstage {}\nparent {}\ntarget {target}\n", inode(stage), inode(stage.parent().unwrap()))
}

/// Creates a stage like that of a killed run, with a link that must not be followed.
pub fn create_leftover_stage(stage: &Path, target: &str, outside: &Path) {
    fs::create_dir_all(stage.join("new/member/snap")).unwrap();
    fs::set_permissions(stage, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(stage.join("new/member/snap/db"), "half").unwrap();
    symlink(outside, stage.join("new/link")).unwrap();
    write_private(&stage.join(MARKER), marker(stage, target).as_bytes());
}

pub fn write_private(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

pub fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Runs the program, which must end by itself; returns its exit code.
#[must_use]
pub fn run_to_end(args: &[&str]) -> Option<i32> {
    let mut child = Command::new(cli::program())
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let since = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if since.elapsed() > Duration::from_secs(60) {
            let _ = child.kill();
            panic!("{args:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
