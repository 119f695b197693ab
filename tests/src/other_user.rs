//! The program run by a user who is not root, where the tests run as root.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::cli;

/// A user whom nothing belongs to: the system's `nobody`.
pub const USER: u32 = 65_534;

/// A group that this user is in, beside its own.
pub const GROUP: u32 = 2_000;

/// Whether the tests run as root.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The program, run by [`USER`] with [`GROUP`] where the tests run as root, and by the user who runs the tests elsewhere. None, with a word about it, where root
/// cannot become another user.
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

/// Any program, run by [`USER`] with [`GROUP`]; only root can.
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

/// The program where every user may run it: a checkout may lie in a directory that only root may enter.
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

/// A temporary directory that every user may enter, with a copy of `snapshot` in it that every user may read.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn open_folder(snapshot: &Path) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a directory");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a mode");
    let copy = folder.path().join("backup.db");
    fs::copy(snapshot, &copy).expect("a copy");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o644)).expect("a mode");
    (folder, copy)
}
