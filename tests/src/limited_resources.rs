//! Runs the program with limited resources: no threads, or little memory.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::build::cluster::{self, Version};
use crate::build::history::{History, RevisionEntry};
use crate::build::message::KeyValue;
use crate::build::{Layout, with_trailer, write};
use crate::cli;
use crate::seeded_random::SeededRandom;

/// Returns a user id that no user has: a different one for each call, because the limit counts all processes of a user.
fn unused_user() -> String {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    (20_000 + std::process::id().wrapping_mul(131).wrapping_add(call) % 40_000).to_string()
}

/// A directory that any user may use, with the program in it: only its owner may be able to enter the build directory.
pub struct PublicFolder {
    folder: tempfile::TempDir,
}

impl PublicFolder {
    /// Creates the directory.
    ///
    /// # Panics
    /// Panics if it cannot be created.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("permissions");
        let program = folder.path().join("etcdsnap");
        fs::copy(cli::program(), &program).expect("a copy of the program");
        Self { folder }
    }

    /// Returns a path in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file in it that everybody may read.
    ///
    /// # Panics
    /// Panics if it cannot be written.
    #[must_use]
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("permissions");
        path
    }

    /// Returns the program in it, run through the programs of `wrapper`.
    #[must_use]
    pub fn command(&self, wrapper: &[String]) -> Command {
        let program = self.path("etcdsnap").into_os_string();
        let words: Vec<_> = wrapper.iter().map(|word| OsStr::new(word).to_owned()).chain([program]).collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("TMPDIR", self.folder.path());
        command
    }

    /// Runs the program through `wrapper`.
    ///
    /// # Panics
    /// Panics if it does not start.
    #[must_use]
    pub fn run<A: AsRef<OsStr>>(&self, wrapper: &[String], arguments: &[A]) -> Output {
        self.command(wrapper).args(arguments).output().expect("it starts")
    }

    /// Lists the names in it.
    ///
    /// # Panics
    /// Panics if it cannot be read.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("a folder");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Default for PublicFolder {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns a wrapper that limits a process to this many threads, including its first. The limit does not apply to root, so root becomes another user; for
/// any other user all processes count, so that no further thread can start.
#[must_use]
pub fn threads(count: usize) -> Vec<String> {
    let mut words = Vec::new();
    if is_root() {
        let unused_user = unused_user();
        words
            .extend(["setpriv", "--reuid", &unused_user, "--regid", &unused_user, "--clear-groups"].map(str::to_owned));
    }
    words.extend(["prlimit".to_owned(), format!("--nproc={count}:{count}"), "--".to_owned()]);
    words
}

/// Returns whether [`threads`] can grant a process some threads, but not all.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Returns a wrapper under which no thread can get a stack, for any user.
#[must_use]
pub fn no_stacks() -> Vec<String> {
    // 64 TiB each; Rust's standard library reads this variable.
    ["env", "RUST_MIN_STACK=70368744177664"].map(str::to_owned).to_vec()
}

/// Returns a wrapper that limits the address space.
#[must_use]
pub fn memory(mebibytes: usize) -> Vec<String> {
    vec!["prlimit".into(), format!("--as={}", mebibytes << 20), "--".into()]
}

/// Builds a sound snapshot with many small keys in three versions, and a few large values.
#[must_use]
pub fn large_snapshot(keys: i64, large_values: i64) -> Vec<u8> {
    let mut history = History::default();
    let mut revision = 1;
    let mut put = |key: Vec<u8>, create_revision: Option<i64>, version: i64, value: Vec<u8>| {
        revision += 1;
        let create_revision = create_revision.unwrap_or(revision);
        let message = KeyValue { key, create_revision, mod_revision: revision, version, value, lease: 0 };
        history.revisions.insert((revision, 0), RevisionEntry { tombstone: false, value: message });
        history.current = revision;
        create_revision
    };
    let name = |key: i64| format!("/registry/pods/namespace-{}/pod-{key:07}", key % 97).into_bytes();
    let created: Vec<i64> = (0..keys).map(|key| put(name(key), None, 1, vec![b'v'; 40])).collect();
    for version in [2, 3] {
        for (key, create) in (0..keys).zip(&created) {
            let _ = put(name(key), Some(*create), version, vec![b'w'; 30 + (key % 50) as usize]);
        }
    }
    for key in 0..large_values {
        let _ = put(format!("/large/{key}").into_bytes(), None, 1, vec![key as u8; 1 << 20]);
    }
    let root = cluster::database(&history, Version::V36, &mut SeededRandom::new(1));
    with_trailer(&write(&root, &Layout::plain(4096, 1)).database)
}

/// Returns the commands that work on one file, with arguments: all except those that serve or contact servers.
#[must_use]
pub fn commands(file: &Path, folder: &Path) -> Vec<Vec<String>> {
    let file = file.to_str().expect("a path of text");
    let out = |name: &str| folder.join(name).to_str().expect("a path of text").to_owned();
    let words = |text: &str| {
        text.split(' ').map(|word| if word == "FILE" { file.to_owned() } else { word.to_owned() }).collect::<Vec<_>>()
    };
    let mut all: Vec<Vec<String>> = [
        "status FILE",
        "status --sha256 -w json FILE",
        "verify FILE",
        "verify --threads 1 FILE",
        "verify --threads 8 -w json FILE",
        "keys FILE --limit 10",
        "keys FILE --long",
        "keys --threads 1 FILE",
        "keys FILE --filter value~www",
        "get FILE /registry/pods/namespace-3/pod-0000003",
        "history FILE /registry/pods/namespace-3/pod-0000003",
        "diff FILE --rev-a 200",
        "diff FILE FILE",
        "usage FILE",
        "usage FILE --by namespace --buckets",
        "export FILE",
        "export FILE --history --format csv",
        "hashkv FILE",
        "members FILE",
        "leases FILE",
        "auth FILE",
        "alarms FILE",
        "meta FILE",
        "snapshot status FILE -w json",
        "codes",
        "completions bash",
    ]
    .into_iter()
    .map(words)
    .collect();
    all.push([words("export FILE --format parquet --output"), vec![out("export.parquet")]].concat());
    all.push([words("export FILE --format ndjson --output"), vec![out("export.ndjson")]].concat());
    all.push([words("restore FILE --data-dir"), vec![out("restored.etcd")]].concat());
    all.push(words("restore FILE --dry-run --data-dir nowhere.etcd"));
    let cluster = "restore FILE --initial-cluster a=http://127.0.0.1:2380,b=http://127.0.0.1:2381 --all-members";
    all.push([words(cluster), vec![out("all")]].concat());
    all
}
