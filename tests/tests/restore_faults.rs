//! An incomplete restore is never visible: kills, a full disk, a failing source, a target that appears, two runs at once.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use etcdsnap::{Progress, RestoreConfig, RestoreError, Stage, restore};
use etcdsnap_core::{ScanProgress, Verdict};
use etcdsnap_tests::build::cluster::Version;
use etcdsnap_tests::build::history::HistoryParams;
use etcdsnap_tests::build::random::member;
use etcdsnap_tests::build::{Layout, with_trailer};
use etcdsnap_tests::cli;
use etcdsnap_tests::folder_names;
use etcdsnap_tests::seeded_random::SeededRandom;
use flate2::write::GzEncoder;

/// A snapshot of some tens of megabytes, so that a run takes long enough to be disturbed.
fn snapshot() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let params = HistoryParams { transactions: 6_000, keys: 900, longest_value: 12_000, ..HistoryParams::rich() };
        let layout = Layout::plain(4096, 7);
        let bytes = with_trailer(&member(&params, &layout, Version::V36, 7).built.database);
        assert!(bytes.len() > 20 << 20, "{} bytes", bytes.len());
        bytes
    })
}

/// A directory with the snapshot in it.
struct TestFolder {
    folder: tempfile::TempDir,
    source: PathBuf,
    target: PathBuf,
    wal: PathBuf,
}

impl TestFolder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("backup.db");
        fs::write(&source, snapshot()).unwrap();
        let (target, wal) = (folder.path().join("data"), folder.path().join("log"));
        Self { folder, source, target, wal }
    }

    fn command(&self, separate_wal: bool) -> Command {
        let mut command = Command::new(cli::program());
        command.arg("restore").arg(&self.source).arg("--data-dir").arg(&self.target);
        if separate_wal {
            command.arg("--wal-dir").arg(&self.wal);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    fn config(&self) -> RestoreConfig {
        RestoreConfig {
            snapshot_path: self.source.clone(),
            output_data_dir: Some(self.target.clone()),
            ..RestoreConfig::default()
        }
    }

    fn names(&self) -> Vec<String> {
        folder_names::names(self.folder.path())
    }

    /// Asserts that the target is complete or absent; returns whether it exists.
    fn whole_or_absent(&self, separate_wal: bool) -> bool {
        let wal = if separate_wal { self.wal.clone() } else { self.target.join("member/wal") };
        if !self.target.exists() {
            return false;
        }
        let database = self.target.join("member/snap/db");
        let report = etcdsnap::status(&database).unwrap();
        assert_ne!(report.verdict, Verdict::Damaged, "{:?}", report.findings.list());
        assert_eq!(report.status.unwrap().members, 1);
        let segment = wal.join("0000000000000000-0000000000000000.wal");
        assert_eq!(fs::metadata(segment).unwrap().len(), 64_000_000);
        true
    }

    fn source_is_unchanged(&self) {
        assert!(fs::read(&self.source).unwrap() == snapshot(), "the source changed");
    }

    fn nothing_but_the_source(&self) {
        assert_eq!(self.names(), ["backup.db"]);
        self.source_is_unchanged();
    }

    fn clear(&self) {
        let _ = fs::remove_dir_all(&self.target);
        let _ = fs::remove_dir_all(&self.wal);
    }
}

fn wait_for_output(mut child: Child) -> Output {
    let _ = child.wait();
    child.wait_with_output().unwrap()
}

/// Kills at random moments. The test prints the seed, but the moments also depend on the machine.
fn kills(separate_wal: bool, seed: u64, times: usize) {
    println!("seed {seed}");
    let bench = TestFolder::new();
    let began = Instant::now();
    let output = bench.command(separate_wal).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let usual = began.elapsed();
    let mut rng = SeededRandom::new(seed);
    let (mut killed, mut done) = (0, 0);
    for _ in 0..times {
        bench.clear();
        let mut child = bench.command(separate_wal).spawn().unwrap();
        // A little longer than a run takes, so that kills also hit the renames at its end.
        std::thread::sleep(usual.mul_f64(rng.below(1100) as f64 / 1000.0));
        let _ = child.kill();
        let output = wait_for_output(child);
        let whole = bench.whole_or_absent(separate_wal);
        match output.status.signal() {
            Some(_) => killed += 1,
            None => assert!(whole && output.status.success(), "{output:?}"),
        }
        done += usize::from(whole);
    }
    println!("{killed} killed, {done} whole all the same");
    assert!(killed >= times / 3, "{killed} of {times} were killed in time");
    bench.clear();
    let output = bench.command(separate_wal).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(bench.whole_or_absent(separate_wal));
    let names = bench.names();
    let expected: &[&str] = if separate_wal { &["backup.db", "data", "log"] } else { &["backup.db", "data"] };
    assert_eq!(names, expected, "what killed runs left is gone");
    bench.source_is_unchanged();
}

#[test]
fn a_kill_at_any_moment_leaves_nothing_incomplete() {
    kills(false, 1, 60);
}

#[test]
fn a_kill_with_a_separate_log_leaves_nothing_incomplete() {
    kills(true, 2, 60);
}

/// Whenever a run is killed, even after it has put its log in place, the same command works again.
#[test]
fn the_same_command_works_after_a_kill() {
    let bench = TestFolder::new();
    let mut rng = SeededRandom::new(3);
    for _ in 0..25 {
        let mut child = bench.command(true).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(rng.below(250_000) as u64));
        let _ = child.kill();
        wait_for_output(child);
        if bench.whole_or_absent(true) {
            bench.clear();
        }
        let output = bench.command(true).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(bench.whole_or_absent(true));
        assert_eq!(bench.names(), ["backup.db", "data", "log"]);
        bench.clear();
    }
}

#[test]
fn a_restore_stopped_by_a_signal_cleans_up() {
    let bench = TestFolder::new();
    use rustix::process::Signal;

    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129), (Signal::QUIT, 131)] {
        let child = bench.command(true).spawn().unwrap();
        // Once a stage exists, the restore is working.
        let since = Instant::now();
        while bench.names().len() == 1 {
            assert!(since.elapsed() < Duration::from_secs(30), "no stage appears");
            std::thread::yield_now();
        }
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        let output = wait_for_output(child);
        if bench.whole_or_absent(true) {
            // The restore ended before the signal.
            bench.clear();
            continue;
        }
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        bench.nothing_but_the_source();
    }
}

#[test]
fn a_full_disk_leaves_nothing_incomplete() {
    let bench = TestFolder::new();
    // In units of 512 bytes: smaller than the database, and just large enough for the database but not for the log.
    for limit in [1, 1000, 20_000, 100_000] {
        let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" \"$@\"");
        let wanted = bench.command(false);
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).arg(wanted.get_program()).args(wanted.get_args());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{limit}: {output:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("Cannot write") && told.contains("File too large"), "{told}");
        bench.nothing_but_the_source();
    }
    let output = bench.command(false).output().unwrap();
    assert!(output.status.success() && bench.whole_or_absent(false));
}

/// A file system of 16 MiB, if the test may mount one.
#[test]
fn a_file_system_that_is_too_small_is_reported() {
    let bench = TestFolder::new();
    let Some(small) = Mounted::new("16m") else { return };
    let target = small.0.path().join("data");
    let packed = bench.folder.path().join("backup.db.gz");
    fs::write(&packed, gzipped(snapshot())).unwrap();
    for source in [&bench.source, &packed] {
        for flag in ["--data-dir", "--all-members"] {
            let told = |extra: &[&str]| {
                let args = [&["restore".as_ref(), source.as_os_str(), flag.as_ref(), target.as_os_str()][..]].concat();
                let output = cli::run(&[args, extra.iter().map(OsStr::new).collect()].concat());
                assert_eq!(output.status.code(), Some(2), "{output:?}");
                assert_eq!(fs::read_dir(small.0.path()).unwrap().count(), 0);
                String::from_utf8_lossy(&output.stderr).into_owned()
            };
            let dry = told(&["--dry-run"]);
            assert!(dry.contains(" bytes) free, but ") && dry.contains(" bytes) are needed"), "{dry}");
            let wet = told(&[]);
            assert!(wet.contains(" bytes) free, but ") && wet.contains(" bytes) are needed"), "{wet}");
            // The compressed file was not read yet: the pages that change may make it longer.
            assert!(wet == dry || *source == packed, "{wet}{dry}");
        }
    }
}

/// A dry run unpacks a compressed file to a temporary copy, and says so if there is no space for one.
#[test]
fn a_dry_run_of_a_packed_file_needs_a_temporary_copy() {
    let bench = TestFolder::new();
    fs::write(&bench.source, gzipped(snapshot())).unwrap();
    let told = |temporary: &Path| {
        let mut command = bench.command(false);
        let output = command.arg("--dry-run").env("TMPDIR", temporary).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("Cannot make a temporary copy in") && told.contains("Set TMPDIR"), "{told}");
        assert_eq!(output.status.code(), Some(2), "{told}");
        told
    };
    assert!(told(Path::new("/nowhere")).contains("/nowhere"));
    if let Some(small) = Mounted::new("16m") {
        assert!(told(small.0.path()).contains("it needs "));
        assert_eq!(fs::read_dir(small.0.path()).unwrap().count(), 0);
    }
    let script = "trap '' XFSZ; ulimit -f 1000; exec \"$0\" \"$@\"";
    let wanted = bench.command(false);
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(wanted.get_program()).args(wanted.get_args()).arg("--dry-run");
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("Cannot make a temporary copy in") && told.contains("File too large"), "{told}");
    let output = bench.command(false).arg("--dry-run").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(bench.names(), ["backup.db"]);
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// Calls a function once, after this many bytes.
struct ActAtByte<F: Fn() + Sync> {
    bytes: u64,
    seen: AtomicU64,
    done: AtomicBool,
    act: F,
    stop: bool,
}

impl<F: Fn() + Sync> ActAtByte<F> {
    fn half_way(act: F) -> Self {
        let bytes = snapshot().len() as u64 / 2;
        Self { bytes, seen: AtomicU64::new(0), done: AtomicBool::new(false), act, stop: false }
    }
}

impl<F: Fn() + Sync> ScanProgress for ActAtByte<F> {
    fn advance(&self, bytes: u64) {
        let seen = self.seen.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if seen >= self.bytes && !self.done.swap(true, Ordering::Relaxed) {
            (self.act)();
        }
    }

    fn cancelled(&self) -> bool {
        self.stop && self.done.load(Ordering::Relaxed)
    }
}

impl<F: Fn() + Sync> Progress for ActAtByte<F> {
    fn begin(&self, _stage: Stage, _total: Option<u64>) {}
}

#[test]
fn a_source_that_becomes_shorter_is_an_error() {
    let bench = TestFolder::new();
    let shorten = || fs::File::options().write(true).open(&bench.source).unwrap().set_len(9_000_000).unwrap();
    let error = restore(&bench.config(), &ActAtByte::half_way(shorten)).unwrap_err();
    assert!(matches!(error, RestoreError::Input(_)), "{error}");
    assert_eq!(bench.names(), ["backup.db"]);
}

#[test]
fn a_source_that_changes_is_an_error() {
    let bench = TestFolder::new();
    let touch = || {
        fs::OpenOptions::new()
            .append(true)
            .open(&bench.source)
            .map(|mut file| std::io::Write::write_all(&mut file, b"x"))
            .unwrap()
            .unwrap()
    };
    let error = restore(&bench.config(), &ActAtByte::half_way(touch)).unwrap_err();
    assert!(matches!(error, RestoreError::Input(etcdsnap::Error::Changed { .. })), "{error}");
    assert_eq!(bench.names(), ["backup.db"]);
}

#[test]
fn a_target_that_appears_meanwhile_is_not_replaced() {
    let bench = TestFolder::new();
    let appear = || {
        fs::create_dir(&bench.target).unwrap();
        fs::write(bench.target.join("precious"), "data").unwrap();
    };
    let error = restore(&bench.config(), &ActAtByte::half_way(appear)).unwrap_err();
    assert!(error.to_string().contains("appeared while the snapshot was restored"), "{error}");
    assert_eq!(bench.names(), ["backup.db", "data"]);
    assert_eq!(fs::read(bench.target.join("precious")).unwrap(), b"data");
    bench.source_is_unchanged();
}

#[test]
fn a_log_that_appears_meanwhile_is_not_replaced() {
    let bench = TestFolder::new();
    let config = RestoreConfig { output_wal_dir: Some(bench.wal.clone()), ..bench.config() };
    let error = restore(&config, &ActAtByte::half_way(|| fs::create_dir(&bench.wal).unwrap())).unwrap_err();
    assert!(error.to_string().starts_with("--wal-dir: "), "{error}");
    assert_eq!(bench.names(), ["backup.db", "log"]);
}

#[test]
fn the_caller_can_cancel_a_restore() {
    let bench = TestFolder::new();
    let stop = ActAtByte { stop: true, ..ActAtByte::half_way(|| {}) };
    let error = restore(&bench.config(), &stop).unwrap_err();
    assert!(matches!(error, RestoreError::Input(etcdsnap::Error::Cancelled)), "{error}");
    bench.nothing_but_the_source();
}

#[test]
fn only_one_of_two_concurrent_restores_succeeds() {
    let bench = TestFolder::new();
    for separate_wal in [false, true, false] {
        let both = [bench.command(separate_wal).spawn().unwrap(), bench.command(separate_wal).spawn().unwrap()];
        let outputs = both.map(wait_for_output);
        let won = outputs.iter().filter(|output| output.status.success()).count();
        assert_eq!(won, 1, "{outputs:?}");
        assert!(bench.whole_or_absent(separate_wal));
        assert!(bench.names().iter().all(|name| !name.contains("etcdsnap-")), "{:?}", bench.names());
        bench.clear();
    }
    bench.nothing_but_the_source();
}

/// A tmpfs that is unmounted when the value is dropped; prints a note and returns `None` where mounting is forbidden.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = mount(folder.path(), size);
        if !mounted {
            eprintln!("\n*** not run: no file system may be mounted here (RLIMIT_FSIZE stands for a full disk) ***\n");
        }
        mounted.then_some(Self(folder))
    }
}

fn mount(at: &Path, size: &str) -> bool {
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(at).stderr(Stdio::null());
    mount.status().is_ok_and(|status| status.success())
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}
