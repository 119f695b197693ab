//! Runs the program as a user other than root if the tests run as root.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::cli;

/// A user who owns no files: the system's `nobody`.
pub const USER: u32 = 65_534;

/// A supplementary group of that user.
pub const GROUP: u32 = 2_000;

/// Returns whether the tests run as root.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Returns the program, run by [`USER`] with [`GROUP`] if the tests run as root, and by the current user otherwise. Prints a note and returns `None` if root
/// cannot change users.
#[must_use]
pub fn program() -> Option<Command> {
    if !is_root() {
        return Some(Command::new(cli::program()));
    }
    let mut command = as_user(&readable_program());
    if probe(&mut command) {
        return Some(as_user(&readable_program()));
    }
    eprintln!("\n*** not run: root cannot run programs as another user here ***\n");
    None
}

/// Returns any program, run by [`USER`] with [`GROUP`]; requires root.
#[must_use]
pub fn as_user(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={USER}")).arg(format!("--regid={USER}")).arg(format!("--groups={GROUP}"));
    command.args(["--inh-caps=-all", "--bounding-set=-all", "--"]).arg(program);
    command.stdin(Stdio::null());
    command
}

fn probe(command: &mut Command) -> bool {
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Copies the program to where every user may run it: a checkout may lie in a directory that only root may enter.
fn readable_program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let copy = || {
        let program = cli::program();
        if probe(&mut as_user(program)) {
            return program.to_owned();
        }
        let folder = std::env::temp_dir().join(format!("etcdsnap-tests-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a directory");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("a mode");
        let copy = folder.join(program.file_name().unwrap_or(OsStr::new("etcdsnap")));
        fs::copy(program, &copy).expect("a copy");
        copy
    };
    PROGRAM.get_or_init(copy).clone()
}

/// Creates a temporary directory that every user may enter, with a copy of `snapshot` that every user may read.
///
/// # Panics
/// Panics if it cannot be created.
#[must_use]
pub fn world_readable_folder(snapshot: &Path) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a directory");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a mode");
    let copy = folder.path().join("backup.db");
    fs::copy(snapshot, &copy).expect("a copy");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o644)).expect("a mode");
    (folder, copy)
}
