//! The program where the system gives it little: no threads, or little memory.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::build::cluster::{self, Version};
use crate::build::history::{Entry, History};
use crate::build::message::KeyValue;
use crate::build::{Layout, with_trailer, write};
use crate::cli;
use crate::seeded_random::Dice;

/// A user that nobody is and that runs nothing else: another one for each call, because the limit is for all processes of a user.
fn nobody() -> String {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    (20_000 + std::process::id().wrapping_mul(131).wrapping_add(call) % 40_000).to_string()
}

/// A folder that any user may use, with the program in it: where it was built only its owner may be able to look.
pub struct OpenFolder {
    folder: tempfile::TempDir,
}

impl OpenFolder {
    /// Makes it.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("permissions");
        let program = folder.path().join("etcdsnap");
        fs::copy(cli::program(), &program).expect("a copy of the program");
        Self { folder }
    }

    /// A path in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file in it, readable for everybody.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("permissions");
        path
    }

    /// The program in it, run below the programs of `wrapper`.
    #[must_use]
    pub fn command(&self, wrapper: &[String]) -> Command {
        let program = self.path("etcdsnap").into_os_string();
        let words: Vec<_> = wrapper.iter().map(|word| OsStr::new(word).to_owned()).chain([program]).collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("TMPDIR", self.folder.path());
        command
    }

    /// What the program says, run below `wrapper`.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn run<A: AsRef<OsStr>>(&self, wrapper: &[String], arguments: &[A]) -> Output {
        self.command(wrapper).args(arguments).output().expect("it starts")
    }

    /// The names of what is in it.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("a folder");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Default for OpenFolder {
    fn default() -> Self {
        Self::new()
    }
}

/// Programs below which a process may have so many threads in all, its first one counted. The limit does not hold for root, so root becomes another user; for
/// another user all its processes count, so that there is no thread at all.
#[must_use]
pub fn threads(count: usize) -> Vec<String> {
    let mut words = Vec::new();
    if is_root() {
        let nobody = nobody();
        words.extend(["setpriv", "--reuid", &nobody, "--regid", &nobody, "--clear-groups"].map(str::to_owned));
    }
    words.extend(["prlimit".to_owned(), format!("--nproc={count}:{count}"), "--".to_owned()]);
    words
}

/// Whether [`threads`] can leave a process some threads, but not all.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Programs below which no thread gets its stack, for whichever user.
#[must_use]
pub fn no_stacks() -> Vec<String> {
    // 64 TiB for each; the variable is that of Rust's own library.
    ["env", "RUST_MIN_STACK=70368744177664"].map(str::to_owned).to_vec()
}

/// Programs below which a process has so much address space.
#[must_use]
pub fn memory(mebibytes: usize) -> Vec<String> {
    vec!["prlimit".into(), format!("--as={}", mebibytes << 20), "--".into()]
}

/// A sound snapshot of many small keys in three versions, and a few large values.
#[must_use]
pub fn large_snapshot(keys: i64, large_values: i64) -> Vec<u8> {
    let mut history = History::default();
    let mut revision = 1;
    let mut put = |key: Vec<u8>, create_revision: Option<i64>, version: i64, value: Vec<u8>| {
        revision += 1;
        let create_revision = create_revision.unwrap_or(revision);
        let message = KeyValue { key, create_revision, mod_revision: revision, version, value, lease: 0 };
        history.revisions.insert((revision, 0), Entry { tombstone: false, value: message });
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
    let root = cluster::database(&history, Version::V36, &mut Dice::new(1));
    with_trailer(&write(&root, &Layout::plain(4096, 1)).database)
}

/// The commands that work on one file, each with its arguments: all of them but those that serve or reach servers.
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
