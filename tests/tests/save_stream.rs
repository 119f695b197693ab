//! `etcdsnap save -` and to a FIFO: whole and proven with exit code 0, and cut short with any other (etcd#16242).

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use etcdsnap_tests::cli;
use etcdsnap_tests::proxy::{Mischief, Proxy};
use etcdsnap_tests::server::{Servers, program, said, seats};
use etcdsnap_tests::shared_server::{SharedServer, Slot};
use etcdsnap_tests::terminal::Terminal;
use rustix::fs::{CWD, FileType, mknodat};
use rustix::process::{Pid, Signal, geteuid, kill_process};

/// Bytes of the snapshot at least.
const SIZE: usize = 4_000_000;

/// A server with some megabytes in it, which none of the tests that share it changes.
fn server() -> Option<Arc<SharedServer>> {
    static SLOT: Slot = Slot::new(Weak::new());
    SharedServer::get(&SLOT, 4)
}

fn command(url: &str, words: &[&str]) -> Command {
    let mut command = Command::new(cli::program());
    command.arg("save").arg(format!("--endpoints={url}")).args(words);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn words_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The exit code and words that must stand in what is said.
fn refused(output: &Output, code: i32, words: &[&str]) {
    let text = words_of(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

/// Checks that some bytes are a whole snapshot, for our program and for etcdutl.
fn is_whole(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.db");
    fs::write(&file, bytes).unwrap();
    said(&cli::run(&["verify", file.to_str().unwrap()]));
    said(&program("3.7", "etcdutl").unwrap().args(["snapshot", "status"]).arg(&file).output().unwrap());
}

/// Checks that etcdutl restores nothing from some bytes, and that ours does not call them sound.
fn is_no_snapshot(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.db");
    fs::write(&file, bytes).unwrap();
    let verify = cli::run(&["verify", "-w", "json", file.to_str().unwrap()]);
    assert_ne!(cli::json(&verify)["verdict"], "sound");
    let mut etcdutl = program("3.7", "etcdutl").unwrap();
    etcdutl.args(["snapshot", "restore", "--data-dir"]).arg(folder.path().join("restored")).arg(&file);
    assert!(!etcdutl.output().unwrap().status.success());
}

#[test]
fn what_comes_out_is_the_snapshot() {
    let Some(shared) = server() else { return };
    let url = shared.seat.client_url();
    for verify in ["full", "hash", "none"] {
        let output = command(&url, &["-", "--verify", verify]).output().unwrap();
        refused(&output, 0, &["saved standard output", "SHA-256"]);
        assert!(output.stdout.len() > SIZE);
        is_whole(&output.stdout);
    }
    let json = command(&url, &["-", "-w", "json"]).output().unwrap();
    is_whole(&json.stdout);
    let told: serde_json::Value = serde_json::from_slice(&json.stderr).unwrap();
    assert_eq!((&told["file"], &told["verified"]), (&"-".into(), &true.into()));
    assert_eq!(told["bytes"], json.stdout.len());
    let quiet = command(&url, &["-", "--quiet"]).output().unwrap();
    assert_eq!(words_of(&quiet), "");
    is_whole(&quiet.stdout);
    let theirs = Command::new(cli::program()).args(["snapshot", "save", "-", "--endpoints", &url]).output().unwrap();
    assert_eq!(words_of(&theirs), "Snapshot saved at - Server version 3.7.0");
    is_whole(&theirs.stdout);
    // Standard output by its other names, and where it is a file.
    for name in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        is_whole(&command(&url, &[name]).output().unwrap().stdout);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("redirected.db");
    let output = command(&url, &["-"]).stdout(File::create(&file).unwrap()).output().unwrap();
    refused(&output, 0, &[]);
    is_whole(&fs::read(&file).unwrap());
    // A file of that name is still to be had.
    said(&command(&url, &["./-"]).current_dir(folder.path()).output().unwrap());
    is_whole(&fs::read(folder.path().join("-")).unwrap());
}

#[test]
fn compressed_on_its_way() {
    let Some(shared) = server() else { return };
    let url = shared.seat.client_url();
    let output = command(&url, &["-", "--compress", "zstd", "-w", "json"]).output().unwrap();
    is_whole(&zstd::decode_all(&*output.stdout).unwrap());
    let told: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(told["fileBytes"], output.stdout.len());
    let output = command(&url, &["-", "--compress", "gzip:1"]).output().unwrap();
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&*output.stdout).read_to_end(&mut unpacked).unwrap();
    is_whole(&unpacked);
}

/// Whatever goes wrong, and wherever: what came out by then is no whole snapshot, and no whole file of its packing.
#[test]
fn what_failed_lacks_its_end() {
    let Some(shared) = server() else { return };
    let port = shared.seat.client;
    for (mischief, code) in [
        (Mischief::Cut(SIZE / 2), 2),
        (Mischief::Reset(SIZE / 2), 2),
        (Mischief::Cut(SIZE), 2),
        (Mischief::Stall(SIZE / 2), 2),
        (Mischief::Flip(SIZE / 2), 1),
    ] {
        let proxy = Proxy::start(port, move |_| mischief);
        let run = |flags: &[&str]| {
            let output = command(&proxy.url(), &[&["-", "--stall-timeout=2s"][..], flags].concat()).output().unwrap();
            refused(&output, code, &[]);
            // A compressor may hold all of it.
            assert_eq!(words_of(&output).contains("Discard the output"), !output.stdout.is_empty(), "{output:?}");
            output.stdout
        };
        for flags in [&[][..], &["--verify=hash"]] {
            let out = run(flags);
            // A reset takes with it what was not read yet.
            let some = out.len() > SIZE / 4 || matches!(mischief, Mischief::Reset(_));
            assert!(some, "{mischief:?}: {}", out.len());
            is_no_snapshot(&out);
        }
        assert!(zstd::decode_all(&*run(&["--compress=zstd"])).is_err(), "{mischief:?}");
        let gzip = run(&["--compress=gzip"]);
        assert!(flate2::read::GzDecoder::new(&*gzip).read_to_end(&mut Vec::new()).is_err(), "{mischief:?}");
    }
    // Unless nothing is to be checked.
    let proxy = Proxy::start(port, |_| Mischief::Flip(SIZE / 2));
    let output = command(&proxy.url(), &["-", "--verify=none"]).output().unwrap();
    refused(&output, 0, &["is NOT the one that the server sent"]);
    assert_eq!(output.stdout.len() % 512, 32);
}

/// The check while it streams sees what a check of the file sees: here a database that is damaged on the server, with a right SHA-256.
#[test]
fn a_damaged_database_is_found_while_it_streams() {
    let folder = tempfile::tempdir().unwrap();
    let seats = seats(folder.path(), &["one"]);
    let Some(servers) = Servers::start("3.7", &seats, folder.path()) else { return };
    servers.fill(6);
    let url = seats[0].client_url();
    let before = command(&url, &["-"]).output().unwrap();
    refused(&before, 0, &[]);
    let path = seats[0].data.join("member/snap/db");
    let bytes = fs::read(&path).unwrap();
    let database = File::options().write(true).open(&path).unwrap();
    // The tag of a key within its value, in every copy of its page: pages that the tree no longer has hold some.
    for (key, _) in bytes.windows(6).enumerate().filter(|(_, window)| *window == b"fill/1") {
        database.write_all_at(b"\x0f", (key - 2) as u64).unwrap();
    }
    let output = command(&url, &["-"]).output().unwrap();
    refused(&output, 1, &["is damaged", "Discard the output"]);
    is_no_snapshot(&output.stdout);
    let output = command(&url, &["-", "--verify=hash"]).output().unwrap();
    refused(&output, 0, &["structure not checked"]);
    // Large leaves that do not look like pages would have to be read again, which only a file can be; but for the first 128 KiB of it.
    let page_at = |at: &usize| bytes[*at..*at + 8] == (*at as u64 / 4096).to_le_bytes() && bytes[*at + 8] == 2;
    let pages: Vec<usize> = (1 << 17..bytes.len()).step_by(4096).filter(page_at).collect();
    let large = |at: &&usize| u32::from_le_bytes(bytes[**at + 12..**at + 16].try_into().unwrap()) > 100;
    assert!(pages.iter().any(|at| large(&at)));
    for at in pages.iter().filter(large) {
        database.write_all_at(&[0; 2], *at as u64 + 8).unwrap();
    }
    let output = command(&url, &["-"]).output().unwrap();
    refused(&output, 2, &["could not be verified while it was streamed", "Discard the output", "Save it to a file"]);
    is_no_snapshot(&output.stdout);
    let file = folder.path().join("backup.db");
    refused(&command(&url, &[file.to_str().unwrap()]).output().unwrap(), 1, &["is damaged"]);
}

/// Another server is asked only as long as nothing is out.
#[test]
fn what_is_out_is_not_begun_anew() {
    let Some(shared) = server() else { return };
    let port = shared.seat.client;
    let good = Proxy::start(port, |_| Mischief::None);
    let gone = "http://127.0.0.1:1";
    let output = command(&format!("{gone},{}", good.url()), &["-"]).output().unwrap();
    refused(&output, 0, &[]);
    is_whole(&output.stdout);
    let broken = Proxy::start(port, |_| Mischief::Cut(SIZE / 2));
    let output = command(&broken.url(), &["-", "--retries=3"]).output().unwrap();
    refused(&output, 2, &["broke", "Discard the output"]);
    assert_eq!(broken.connections(), 1);
    is_no_snapshot(&output.stdout);
}

fn fifo(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("fifo");
    mknodat(CWD, &path, FileType::Fifo, 0o600.into(), 0).unwrap();
    path
}

/// Waits for the end of a program, but not for ever.
fn ended(mut child: Child) -> Output {
    let since = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(since.elapsed() < Duration::from_secs(60), "it does not end");
        thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

#[test]
fn into_a_fifo() {
    let Some(shared) = server() else { return };
    let url = shared.seat.client_url();
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(folder.path());
    let name = path.to_str().unwrap();
    let child = command(&url, &[name]).spawn().unwrap();
    let bytes = fs::read(&path).unwrap();
    // Standard output is free for the report.
    let output = ended(child);
    refused(&output, 0, &[]);
    assert!(said(&output).starts_with(&format!("saved {name}: ")) && output.stderr.is_empty(), "{output:?}");
    is_whole(&bytes);
    // The FIFO is still one, and there is nothing beside it.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    // What a shell makes of >(…).
    let out = folder.path().join("through.db");
    let script = r#""$0" save --endpoints="$1" >(cat > "$2") && wait $!"#;
    let output = Command::new("bash").args(["-c", script]).arg(cli::program()).arg(&url).arg(&out).output().unwrap();
    said(&output);
    is_whole(&fs::read(&out).unwrap());
    // Nobody reads: a signal ends it.
    let child = command(&url, &[name]).spawn().unwrap();
    thread::sleep(Duration::from_millis(500));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(ended(child).status.code(), Some(130));
    let output = ended(command(&url, &[name, "--command-timeout=1s"]).spawn().unwrap());
    refused(&output, 2, &["--command-timeout"]);
    assert!(!words_of(&output).contains("Discard"), "{output:?}");
    let child = command(&url, &[name]).spawn().unwrap();
    thread::sleep(Duration::from_secs(3));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let output = ended(child);
    refused(&output, 143, &["waiting for a reader of"]);
    if geteuid().is_root() {
        chown(&path, Some(65_534), None).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        refused(&command(&url, &[name]).output().unwrap(), 2, &["is a FIFO of another user"]);
    }
}

#[test]
fn a_reader_that_goes_away() {
    let Some(shared) = server() else { return };
    let mut child = command(&shared.seat.client_url(), &["-"]).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 1000]).unwrap();
    drop(stdout);
    refused(&ended(child), 2, &["cannot write to standard output", "roken pipe", "Discard the output"]);
}

/// Who reads slowly gets everything: the server waits, and is not taken for one that hangs. Who does not read at all can be left by a signal.
#[test]
fn a_reader_that_pauses() {
    let Some(shared) = server() else { return };
    let start = |flags: &[&str]| command(&shared.seat.client_url(), &[&["-"][..], flags].concat()).spawn().unwrap();
    let mut child = start(&["--stall-timeout=2s", "--keepalive-time=10s", "--keepalive-timeout=1s"]);
    let mut bytes = vec![0; 100_000];
    child.stdout.as_mut().unwrap().read_exact(&mut bytes).unwrap();
    thread::sleep(Duration::from_secs(13));
    child.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
    refused(&ended(child), 0, &[]);
    is_whole(&bytes);
    let mut child = start(&[]);
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 1000]).unwrap();
    thread::sleep(Duration::from_secs(1));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let stdout = child.stdout.take();
    refused(&ended(child), 130, &["Discard the output"]);
    drop(stdout);
}

#[test]
fn what_is_no_place_for_a_stream() {
    let Some(shared) = server() else { return };
    let url = shared.seat.client_url();
    refused(&command(&url, &["-", "--every=1h"]).output().unwrap(), 2, &["--every", "with a stream"]);
    refused(
        &command(&url, &["-", "--keep=1"]).output().unwrap(),
        2,
        &["standard output: --keep", "a stream leaves none"],
    );
    refused(&command(&url, &["-", "--keep-within=1d"]).output().unwrap(), 2, &["a stream leaves none"]);
    // Nothing is out when no server is reached, so there is nothing to discard.
    let output = command("http://127.0.0.1:1", &["-"]).output().unwrap();
    refused(&output, 2, &["cannot be reached"]);
    assert!(output.stdout.is_empty() && !words_of(&output).contains("Discard"), "{output:?}");
    // A device would swallow it, and a directory is none.
    refused(&command(&url, &["/dev/null"]).output().unwrap(), 2, &["is a character device"]);
    refused(&command(&url, &["/dev/full"]).output().unwrap(), 2, &["is a character device"]);
    let full = command(&url, &["-"]).stdout(File::options().write(true).open("/dev/full").unwrap()).output().unwrap();
    refused(&full, 2, &["cannot write to standard output", "pace left"]);
    refused(
        &command(&url, &["-", "-w", "json"])
            .stdout(File::options().write(true).open("/dev/null").unwrap())
            .output()
            .unwrap(),
        0,
        &["\"file\":\"-\""],
    );
    let mut program = Command::new(cli::program());
    program.args(["save", "--endpoints", &url, "-"]);
    let mut terminal = Terminal::start(&program);
    let shown = terminal.shown("cannot show a snapshot");
    assert!(shown.contains("standard output is a terminal"), "{shown}");
    assert!(!shown.contains("fill/"));
}
