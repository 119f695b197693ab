//! What goes wrong between a server and a disk: each ends with the right exit code and message, no litter, and the old file whole.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Weak};
use std::thread::sleep;
use std::time::{Duration, Instant};

use etcdsnap_tests::cli;
use etcdsnap_tests::proxy::{Mischief, Proxy};
use etcdsnap_tests::seeded_random::Dice;
use etcdsnap_tests::server::{Seat, Servers, said, seats};
use etcdsnap_tests::shared_server::{SharedServer, Slot};
use rustix::process::{Pid, Signal, kill_process};

/// Bytes of the snapshot at least.
const SIZE: usize = 12_000_000;

/// What the old file holds.
const OLD: &[u8] = b"yesterday's";

/// A server with some megabytes in it.
fn server() -> Option<Arc<SharedServer>> {
    static SLOT: Slot = Slot::new(Weak::new());
    SharedServer::get(&SLOT, 12)
}

/// A directory with an old snapshot in it.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(bench.file(), OLD).unwrap();
        bench
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("backup.db")
    }

    fn command(&self, url: &str, flags: &[&str]) -> Command {
        let mut command = Command::new(cli::program());
        command.arg("save").arg(format!("--endpoints={url}")).args(flags).arg(self.file());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// The old file is whole, and there is nothing else.
    fn as_before(&self) {
        assert_eq!(self.names(), ["backup.db"]);
        assert_eq!(fs::read(self.file()).unwrap(), OLD);
    }

    /// The exit code, words that must stand in what is said, and everything as before.
    fn refused(&self, output: &Output, code: i32, words: &[&str]) {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{text}");
        for word in words {
            assert!(text.contains(word), "{word:?} is not in: {text}");
        }
        self.as_before();
    }
}

/// Saves through a proxy that does this to every connection.
fn through(mischief: Mischief, flags: &[&str], code: i32, words: &[&str]) {
    let Some(shared) = server() else { return };
    let seat = &shared.seat;
    let proxy = Proxy::start(seat.client, move |_| mischief);
    let bench = Bench::new();
    let output = bench.command(&proxy.url(), flags).output().unwrap();
    bench.refused(&output, code, words);
}

#[test]
fn a_connection_that_ends() {
    for at in [SIZE / 2, SIZE - 5, 100_000] {
        through(Mischief::Cut(at), &[], 2, &["broke"]);
    }
    through(Mischief::Cut(0), &[], 2, &[""]);
}

#[test]
fn a_connection_that_is_reset() {
    through(Mischief::Reset(SIZE / 2), &[], 2, &["broke"]);
}

#[test]
fn a_stream_that_stands_still() {
    through(Mischief::Stall(SIZE / 2), &["--stall-timeout=1s"], 2, &["sent nothing for 1s", "--stall-timeout"]);
    // Before anything came, the first question is not answered.
    through(Mischief::Stall(50), &["--stall-timeout=1s"], 2, &["is connected and has not answered", "within 5s"]);
    through(Mischief::Stall(50), &["--dial-timeout=6s"], 2, &["is connected and has not answered", "within 6s"]);
    through(Mischief::Stall(SIZE / 2), &["--command-timeout=2s"], 2, &["longer than 2s", "--command-timeout"]);
}

/// After ten seconds of silence at the earliest, as in Go's clients, the server is asked whether it is there.
#[test]
fn a_server_that_answers_no_ping() {
    let flags = ["--stall-timeout=60s", "--keepalive-time=1s", "--keepalive-timeout=1s"];
    let words = ["after 10s of silence", "did not answer within 1s (--keepalive-timeout)"];
    through(Mischief::Stall(SIZE / 2), &flags, 2, &words);
}

/// Wherever a byte changes, it is noticed: by HTTP/2, by gRPC, by the count of bytes, or at last by the SHA-256.
#[test]
fn a_byte_that_changes() {
    let Some(shared) = server() else { return };
    let seat = &shared.seat;
    let mut by_hash = 0;
    let mut dice = Dice::new(5);
    for round in 0..12 {
        let at = 10_000 + dice.below(SIZE - 20_000);
        let proxy = Proxy::start(seat.client, move |_| Mischief::Flip(at));
        let bench = Bench::new();
        let output = bench.command(&proxy.url(), &["--stall-timeout=5s"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(1 | 2)), "round {round}, byte {at}: {text}");
        if output.status.code() == Some(1) {
            assert!(text.contains("damaged on its way"), "{text}");
            by_hash += 1;
        }
        bench.as_before();
    }
    assert!(by_hash >= 6, "{by_hash}");
}

/// Who asks for no check is told all the same, and keeps what came.
#[test]
fn what_is_wrong_is_told_without_checks() {
    let Some(shared) = server() else { return };
    let seat = &shared.seat;
    let kept = (1..10).find_map(|tenth| {
        let proxy = Proxy::start(seat.client, move |_| Mischief::Flip(SIZE / 10 * tenth));
        let bench = Bench::new();
        let flags = ["--verify=none", "--stall-timeout=5s", "-w=json"];
        let output = bench.command(&proxy.url(), &flags).output().unwrap();
        output.status.success().then(|| (cli::json(&output), bench))
    });
    let (json, bench) = kept.expect("a byte of a value rather than of a frame");
    assert_eq!((&json["sha256Matches"], &json["verified"]), (&false.into(), &false.into()), "{json}");
    let report = etcdsnap::verify(bench.file(), etcdsnap::VerifyOptions::default()).unwrap();
    assert!(report.findings.list().iter().any(|finding| finding.code.to_string() == "sha256-mismatch"));
}

#[test]
fn frames_that_change_places() {
    let Some(shared) = server() else { return };
    let seat = &shared.seat;
    for at in [SIZE / 4, SIZE / 2] {
        let proxy = Proxy::start(seat.client, move |_| Mischief::Swap(at));
        let bench = Bench::new();
        let output = bench.command(&proxy.url(), &["--stall-timeout=5s"]).output().unwrap();
        assert!(matches!(output.status.code(), Some(1 | 2)), "{output:?}");
        bench.as_before();
    }
}

/// Slow is not stalled.
#[test]
fn a_slow_drip_arrives() {
    let Some(shared) = server() else { return };
    let seat = &shared.seat;
    let proxy = Proxy::start(seat.client, |_| Mischief::Drip(60_000));
    let bench = Bench::new();
    said(&bench.command(&proxy.url(), &["--stall-timeout=1s"]).output().unwrap());
    let report = etcdsnap::verify(bench.file(), etcdsnap::VerifyOptions::default()).unwrap();
    assert_eq!(report.verdict, etcdsnap::Verdict::Sound);
    assert_eq!(bench.names(), ["backup.db"]);
}

/// With retries the same server is asked once more.
#[test]
fn the_second_try_succeeds() {
    let Some(shared) = server() else { return };
    let seat = &shared.seat;
    let proxy = Proxy::start(seat.client, |number| if number < 2 { Mischief::Cut(SIZE / 2) } else { Mischief::None });
    let bench = Bench::new();
    let output = bench.command(&proxy.url(), &["--retries=1"]).output().unwrap();
    bench.refused(&output, 2, &["no server gave a snapshot"]);
    assert_eq!(proxy.connections(), 2);
    said(&bench.command(&proxy.url(), &["--retries=1"]).output().unwrap());
    assert_eq!(proxy.connections(), 3);
    assert_ne!(fs::read(bench.file()).unwrap(), OLD);
}

#[test]
fn a_server_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let seats = seats(folder.path(), &["one"]);
    let Some(mut servers) = Servers::start("3.6", &seats, folder.path()) else { return };
    servers.fill(12);
    // Slowly, so that it is killed in the middle.
    let proxy = Proxy::start(seats[0].client, |_| Mischief::Drip(30_000));
    let bench = Bench::new();
    let child = bench.command(&proxy.url(), &[]).spawn().unwrap();
    until_at_work(&bench);
    servers.kill(0);
    bench.refused(&child.wait_with_output().unwrap(), 2, &["broke"]);
    // And nothing listens any more.
    let output = bench.command(&seats[0].client_url(), &[]).output().unwrap();
    bench.refused(&output, 2, &["cannot be reached", "nothing listens there"]);
}

fn until_at_work(bench: &Bench) {
    let since = Instant::now();
    while bench.names().len() == 1 {
        assert!(since.elapsed() < Duration::from_secs(30), "it does not begin");
        sleep(Duration::from_millis(1));
    }
    sleep(Duration::from_millis(100));
}

fn slowly(bench: &Bench, seat: &Seat) -> Child {
    let proxy = Proxy::start(seat.client, |_| Mischief::Drip(20_000));
    let child = bench.command(&proxy.url(), &[]).spawn().unwrap();
    until_at_work(bench);
    child
}

#[test]
fn stopped_by_a_signal_it_cleans_up() {
    let Some(shared) = server() else { return };
    for (signal, code) in [
        (Signal::INT, 130),
        (Signal::TERM, 143),
        // A closed terminal, Ctrl-\, and what would end a program without a word.
        (Signal::HUP, 129),
        (Signal::QUIT, 131),
        (Signal::USR1, 138),
        (Signal::USR2, 140),
        (Signal::ALARM, 142),
        (Signal::VTALARM, 154),
        (Signal::PROF, 155),
        (Signal::XCPU, 152),
        (Signal::IO, 157),
    ] {
        let bench = Bench::new();
        let child = slowly(&bench, &shared.seat);
        kill_process(Pid::from_child(&child), signal).unwrap();
        // A closed terminal sends its signal more than once; only those by which somebody insists end it without tidying up.
        for _ in 0..if [Signal::INT, Signal::TERM, Signal::QUIT].contains(&signal) { 0 } else { 20 } {
            sleep(Duration::from_micros(500));
            kill_process(Pid::from_child(&child), signal).unwrap();
        }
        let since = Instant::now();
        bench.refused(&child.wait_with_output().unwrap(), code, &["stopped"]);
        assert!(since.elapsed() < Duration::from_secs(5));
    }
}

/// `nohup` ignores SIGHUP for what it starts, and a shell SIGQUIT for what runs in the background: such a save goes on.
#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let Some(shared) = server() else { return };
    for (name, signal) in [("HUP", Signal::HUP), ("QUIT", Signal::QUIT), ("USR1", Signal::USR1)] {
        let bench = Bench::new();
        let proxy = Proxy::start(shared.seat.client, |_| Mischief::Drip(20_000));
        let plain = bench.command(&proxy.url(), &[]);
        let mut command = Command::new("sh");
        command.args(["-c", &format!("trap '' {name}; exec \"$0\" \"$@\"")]).arg(plain.get_program());
        command.args(plain.get_args()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        until_at_work(&bench);
        kill_process(Pid::from_child(&child), signal).unwrap();
        sleep(Duration::from_millis(500));
        assert!(child.try_wait().unwrap().is_none(), "{name} ended it");
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        bench.refused(&child.wait_with_output().unwrap(), 143, &["stopped"]);
    }
}

/// What a killed run left is gone with the next, but not what another run still writes.
#[test]
fn killed_at_any_moment() {
    let Some(shared) = server() else { return };
    let seat = &shared.seat;
    let bench = Bench::new();
    let mut dice = Dice::new(9);
    let mut left = 0;
    for _ in 0..30 {
        let mut child = bench.command(&seat.client_url(), &[]).spawn().unwrap();
        sleep(Duration::from_millis(dice.below(120) as u64));
        let _ = child.kill();
        let _ = child.wait();
        // The old file, or a new one that is whole.
        if fs::read(bench.file()).unwrap() != OLD {
            let report = etcdsnap::verify(bench.file(), etcdsnap::VerifyOptions::default()).unwrap();
            assert_eq!(report.verdict, etcdsnap::Verdict::Sound);
            fs::write(bench.file(), OLD).unwrap();
        }
        left += bench.names().len() - 1;
    }
    println!("{left} times something was left");
    let other = slowly(&bench, seat);
    let before = bench.names().len();
    assert_eq!(before, 2, "the run at work, and nothing older: {:?}", bench.names());
    said(&bench.command(&seat.client_url(), &[]).output().unwrap());
    assert_eq!(bench.names().len(), 2, "{:?}", bench.names());
    said(&other.wait_with_output().unwrap());
    assert_eq!(bench.names(), ["backup.db"]);
}

#[test]
fn a_full_disk() {
    let Some(shared) = server() else { return };
    let seat = &shared.seat;
    let bench = Bench::new();
    // Files of at most 5 MB, as a quota would have it.
    let script = "ulimit -f 5000; exec \"$0\" save --endpoints=\"$1\" \"$2\"";
    let output = Command::new("bash")
        .args(["-c", script])
        .arg(cli::program())
        .arg(seat.client_url())
        .arg(bench.file())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    bench.refused(&output, 2, &["cannot write", bench.folder.path().to_str().unwrap()]);
    // Compressed, random letters take more than half of that.
    let script = "ulimit -f 2000; exec \"$0\" save --compress zstd --endpoints=\"$1\" \"$2\"";
    let output = Command::new("bash")
        .args(["-c", script])
        .arg(cli::program())
        .arg(seat.client_url())
        .arg(bench.file())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    bench.refused(&output, 2, &["cannot write"]);
}

/// A disk that has too little room is known before anything is written.
#[test]
fn too_little_room() {
    let Some(shared) = server() else { return };
    let seat = &shared.seat;
    let folder = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(folder.path()).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("*** nothing can be mounted here; the limit on file sizes stands for a full disk ***");
        return;
    }
    let file = folder.path().join("backup.db");
    fs::write(&file, OLD).unwrap();
    let output = cli::run(&["save", &format!("--endpoints={}", seat.client_url()), file.to_str().unwrap()]);
    let (names, old) = (fs::read_dir(folder.path()).unwrap().count(), fs::read(&file).unwrap());
    assert!(Command::new("umount").arg(folder.path()).status().unwrap().success());
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("are needed"), "{output:?}");
    assert_eq!((names, old.as_slice()), (1, OLD));
}

#[test]
fn places_that_cannot_be_written() {
    let Some(shared) = server() else { return };
    let seat = &shared.seat;
    let bench = Bench::new();
    let run = |path: &str| cli::run(&["save", &format!("--endpoints={}", seat.client_url()), path]);
    let nowhere = bench.folder.path().join("nowhere/backup.db");
    bench.refused(&run(nowhere.to_str().unwrap()), 2, &["nowhere", "make the directory first"]);
    bench.refused(&run("/proc/backup.db"), 2, &["/proc"]);
    bench.refused(&run(bench.folder.path().join("{host}.db").to_str().unwrap()), 2, &["{cluster}"]);
    let below = bench.file().join("x.db");
    bench.refused(&run(below.to_str().unwrap()), 2, &["cannot write"]);
    // What is no file is not replaced by one.
    let aside = tempfile::tempdir().unwrap();
    let socket = aside.path().join("socket");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    bench.refused(&run(socket.to_str().unwrap()), 2, &["is a socket"]);
    assert!(!fs::metadata(&socket).unwrap().is_file());
}

/// A database that is damaged on the server itself is not taken for a good snapshot; what the server sends has a right SHA-256 all the same.
#[test]
fn a_server_whose_database_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let seats = seats(folder.path(), &["one"]);
    let Some(servers) = Servers::start("3.7", &seats, folder.path()) else { return };
    servers.fill(4);
    // A snapshot, so that everything is in the file; then a byte of a value's encoding changes under the server.
    let file = folder.path().join("before.db");
    let url = format!("--endpoints={}", seats[0].client_url());
    said(&cli::run(&["save", &url, file.to_str().unwrap()]));
    let database = seats[0].data.join("member/snap/db");
    let bytes = fs::read(&database).unwrap();
    let needle = b"fill/2";
    let found: Vec<usize> = (0..bytes.len() - needle.len()).filter(|at| bytes[*at..].starts_with(needle)).collect();
    assert!(!found.is_empty());
    use std::os::unix::fs::FileExt;
    let open = fs::File::options().write(true).open(&database).unwrap();
    for at in found {
        // The tag of the key's own field, two bytes before it.
        open.write_all_at(&[0xff], at as u64 - 2).unwrap();
    }
    let bench = Bench::new();
    let output = bench.command(&seats[0].client_url(), &[]).output().unwrap();
    bench.refused(&output, 1, &["database of", "is damaged", "another member", "--verify hash"]);
    // Who wants it all the same gets it.
    said(&bench.command(&seats[0].client_url(), &["--verify=hash"]).output().unwrap());
    let report = etcdsnap::verify(bench.file(), etcdsnap::VerifyOptions::default()).unwrap();
    assert_eq!(report.verdict, etcdsnap::Verdict::Damaged);
    assert_eq!(report.trailer.actual, report.trailer.expected);
}
