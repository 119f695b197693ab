//! Every command when its file cannot be read, or changes meanwhile: exit code 2 with the reason, never a verdict on the file, and no named output.

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use etcdsnap_tests::case;
use etcdsnap_tests::cli;
use etcdsnap_tests::failure_injection::{self, Failure, InjectedFailure};

/// The commands; `FILE`, `GZ`, `ZST` and `ZIP` are the snapshot, `OUT` is a new path.
const COMMANDS: &[&str] = &[
    "verify FILE",
    "verify FILE -w json",
    "status FILE",
    "status FILE -w json",
    "status FILE -w table",
    "snapshot status FILE",
    "keys FILE",
    "keys FILE -w json --filter value~a",
    "get FILE KEY",
    "history FILE KEY --values",
    "history FILE KEY --values -w json",
    "diff FILE --rev-a REV --values",
    "find KEY FILE",
    "find KEY FILE -w json",
    "find KEY GZ",
    "usage FILE --buckets",
    "usage FILE -w json",
    "hashkv FILE",
    "members FILE",
    "leases FILE",
    "auth FILE",
    "alarms FILE",
    "meta FILE",
    "export FILE",
    "export FILE -o OUT",
    "export FILE --history --format parquet -o OUT",
    "export GZ --format csv -o OUT",
    "verify GZ",
    "keys ZST",
    "verify ZIP",
    "kube get FILE all -A -o yaml",
    "keys FILE --rev REV --long",
    "kube history FILE pods/api-msepb83bo5-k0z7f",
    "kube diff FILE --rev-a REV",
    "kube check FILE",
    "kube events FILE -A",
    "kube helm FILE list -A",
    "usage FILE --by kind",
    "defrag FILE -o OUT",
    "compact GZ -o OUT",
    "redact GZ -o OUT",
    "cut FILE -o OUT --drop-type events",
    "salvage FILE -o OUT",
    "salvage GZ --dry-run",
    "restore FILE --data-dir OUT",
    "restore FILE --data-dir OUT --dry-run",
    "restore GZ --data-dir OUT",
];

/// A directory with a snapshot in every packing.
struct TestFolder {
    folder: tempfile::TempDir,
}

impl TestFolder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in packings() {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        Self { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(cli::program());
        // With one thread, all reads of the file are counted together.
        let threads = ["restore", "export", "snapshot"].iter().all(|word| !line.starts_with(word));
        command.args(line.split(' ').map(|word| match word {
            "FILE" | "GZ" | "ZST" | "ZIP" | "OUT" => self.at(word).into_os_string(),
            "KEY" => "/registry/pods/default/api-msepb83bo5-k0z7f".into(),
            "REV" => "400".into(),
            word => word.into(),
        }));
        if threads {
            command.args(["--threads", "1"]);
        }
        command.current_dir(self.folder.path());
        command
    }

    /// Returns the snapshot that a command reads.
    fn input(&self, line: &str) -> PathBuf {
        self.at(line.split(' ').find(|word| ["FILE", "GZ", "ZST", "ZIP"].contains(word)).unwrap())
    }

    /// Lists the files other than the snapshots.
    fn made(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let names = names.map(|name| name.into_string().unwrap());
        names.filter(|name| !packings().iter().any(|(packing, _)| packing == name)).collect()
    }
}

fn packings() -> &'static [(&'static str, Vec<u8>)] {
    static PACKINGS: std::sync::OnceLock<Vec<(&'static str, Vec<u8>)>> = std::sync::OnceLock::new();
    PACKINGS.get_or_init(|| {
        let plain = fs::read(case::named("3.7-cluster").path()).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file("snapshot.db", zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&plain).unwrap();
        let zstd = zstd::stream::encode_all(plain.as_slice(), 1).unwrap();
        vec![
            ("GZ", gzip.finish().unwrap()),
            ("ZST", zstd),
            ("ZIP", zip.finish().unwrap().into_inner()),
            ("FILE", plain),
        ]
    })
}

/// Runs `test` for every command, on two threads.
fn every_command(test: impl Fn(&str) + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(line) = COMMANDS.get(next.fetch_add(1, Ordering::Relaxed)) {
            test(line);
        }
    };
    thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
}

#[test]
fn a_failed_read_ends_with_exit_code_2() {
    if !failure_injection::available() {
        return;
    }
    let errors = Mutex::new(Vec::new());
    every_command(|line| {
        let whole = TestFolder::new();
        let expected = whole.command(line).output().unwrap();
        let made = whole.made();
        let mut met = 0;
        // Each of the first reads is of a different kind; of the many others, a few suffice.
        for nth in (1..10).chain((10..).step_by(7)) {
            let place = TestFolder::new();
            let trial = InjectedFailure { call: "pread64", nth, failure: Failure::Error("EIO") };
            let ended = failure_injection::run(&place.command(line), &trial);
            let text = cli::stderr(&ended.output);
            // The dynamic loader reads, too.
            if text.contains("error while loading shared libraries") {
                continue;
            }
            if !ended.hit {
                break;
            }
            // A failed read may be harmless: read-ahead is optional, and some reads are repeated.
            if ended.output.status.code() == expected.status.code() {
                let texts = [&ended.output, &expected].map(|output| output.stdout.len());
                assert_eq!(texts[0], texts[1], "{line}, read {nth}: {text}");
                assert_eq!(place.made(), made, "{line}, read {nth}");
                continue;
            }
            met += 1;
            assert_eq!(ended.output.status.code(), Some(2), "{line}, read {nth}: {text}");
            assert!(!text.contains("damaged") && !text.contains("broken"), "{line}, read {nth}: {text}");
            assert_eq!(place.made(), [""; 0], "{line}, read {nth}: {text}");
        }
        errors.lock().unwrap().push((line.to_owned(), met));
    });
    for (line, met) in errors.into_inner().unwrap() {
        assert!(met > 0, "no read of `{line}` failed");
    }
}

/// Returns the lines in which `strace` logged `pread64` and `statx` of a command's first thread.
fn calls(log: &str) -> Vec<&str> {
    let first = log.split(' ').next().unwrap_or_default();
    let of_first = |line: &&str| line.strip_prefix(first).is_some_and(|rest| rest.starts_with(' '));
    log.lines().filter(of_first).filter(|line| line.contains("pread64(") || line.contains("statx(")).collect()
}

fn traced(command: &Command, log: &Path, more: &[String]) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-y", "--trace=pread64,statx", "-o"]).arg(log).args(more).arg("--");
    strace.arg(command.get_program()).args(command.get_args()).current_dir(command.get_current_dir().unwrap());
    strace.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    strace
}

/// Returns the last read of its file by a command's first thread: its number among the reads, and how many calls precede it.
fn last_read(line: &str) -> (usize, usize) {
    let place = TestFolder::new();
    let log = tempfile::NamedTempFile::new().unwrap();
    traced(&place.command(line), log.path(), &[]).output().unwrap();
    let log = fs::read_to_string(log.path()).unwrap();
    let calls = calls(&log);
    let file = format!("<{}>", place.input(line).display());
    let is_read = |call: &&str| call.contains("pread64(");
    let before = calls.iter().rposition(|call| is_read(call) && call.contains(&file));
    let before = before.unwrap_or_else(|| panic!("{file} is not read: {log}"));
    (calls[..=before].iter().filter(|call| is_read(call)).count(), before)
}

/// Runs a command, delays its last read, and changes the file meanwhile.
///
/// Returns `None` if the read ended before the change, on a very slow machine, or never happened: if threads share
/// the reads, the first thread makes a different number each time.
fn changed_meanwhile(line: &str, change: fn(&Path), delay: Duration) -> Option<Output> {
    let (nth, before) = last_read(line);
    let place = TestFolder::new();
    let log = place.at("log");
    let slow = format!("--inject=pread64:delay_enter={}:when={nth}", delay.as_micros());
    let mut child = traced(&place.command(line), &log, &[slow]).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    // The file is open, and the program has read its length and time: the call before the read proves it.
    while calls(&fs::read_to_string(&log).unwrap_or_default()).len() < before && Instant::now() < end {
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        thread::sleep(Duration::from_millis(2));
    }
    change(&place.input(line));
    let over = || fs::read_to_string(&log).unwrap().contains("(DELAYED)");
    let early = !over();
    let output = child.wait_with_output().unwrap();
    (early && over()).then_some(output)
}

#[test]
fn a_file_that_changes_during_the_read_ends_with_exit_code_2() {
    if !failure_injection::available() {
        return;
    }
    let cut: fn(&Path) = |path| {
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    };
    let rewritten: fn(&Path) = |path| {
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.write_all_at(&[7; 600], file.metadata().unwrap().len() - 5000).unwrap();
    };
    every_command(|line| {
        for change in [cut, rewritten] {
            let delays = [150, 150, 150, 2_000, 2_000, 2_000, 10_000, 10_000].map(Duration::from_millis);
            let output = delays.into_iter().find_map(|delay| changed_meanwhile(line, change, delay));
            let output = output.unwrap_or_else(|| panic!("{line}: the machine is too slow"));
            let text = cli::stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{line}: {text}");
            assert!(text.contains("changed while it was read"), "{line}: {text}");
        }
    });
}
