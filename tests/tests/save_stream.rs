//! `etcdsnap save -` and to a FIFO: complete and verified with exit code 0, and cut short with any other (etcd#16242).

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use etcdsnap_tests::cli;
use etcdsnap_tests::faulty_proxy::{FaultyProxy, NetworkFault};
use etcdsnap_tests::server::{Servers, member_configs, program, stdout_of};
use etcdsnap_tests::shared_server::{SharedServer, Slot};
use etcdsnap_tests::terminal::Terminal;
use rustix::fs::{CWD, FileType, mknodat};
use rustix::process::{Pid, Signal, geteuid, kill_process};

/// Minimum size of the snapshot in bytes.
const SIZE: usize = 4_000_000;

/// Returns a server with some megabytes in it, which the tests that share it do not change.
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

/// Asserts the exit code, and words in the message.
fn assert_refused(output: &Output, code: i32, words: &[&str]) {
    let text = cli::stderr_in_one_line(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

/// Asserts that the bytes are a complete snapshot, for our program and for etcdutl.
fn assert_complete(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.db");
    fs::write(&file, bytes).unwrap();
    stdout_of(&cli::run(&["verify", file.to_str().unwrap()]));
    stdout_of(&program("3.7", "etcdutl").unwrap().args(["snapshot", "status"]).arg(&file).output().unwrap());
}

/// Asserts that etcdutl restores nothing from the bytes, and that etcdsnap does not call them sound.
fn assert_not_a_snapshot(bytes: &[u8]) {
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
fn the_output_is_the_snapshot() {
    let Some(shared) = server() else { return };
    let url = shared.member_config.client_url();
    for verify in ["full", "hash", "none"] {
        let output = command(&url, &["-", "--verify", verify]).output().unwrap();
        assert_refused(&output, 0, &["saved standard output", "SHA-256"]);
        assert!(output.stdout.len() > SIZE);
        assert_complete(&output.stdout);
    }
    let json = command(&url, &["-", "-w", "json"]).output().unwrap();
    assert_complete(&json.stdout);
    let told: serde_json::Value = serde_json::from_slice(&json.stderr).unwrap();
    assert_eq!((&told["file"], &told["verified"]), (&"-".into(), &true.into()));
    assert_eq!(told["bytes"], json.stdout.len());
    let quiet = command(&url, &["-", "--quiet"]).output().unwrap();
    assert_eq!(cli::stderr_in_one_line(&quiet), "");
    assert_complete(&quiet.stdout);
    let theirs = Command::new(cli::program()).args(["snapshot", "save", "-", "--endpoints", &url]).output().unwrap();
    assert_eq!(cli::stderr_in_one_line(&theirs), "Snapshot saved at - Server version 3.7.0");
    assert_complete(&theirs.stdout);
    // Standard output by its other names, and as a file.
    for name in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        assert_complete(&command(&url, &[name]).output().unwrap().stdout);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("redirected.db");
    let output = command(&url, &["-"]).stdout(File::create(&file).unwrap()).output().unwrap();
    assert_refused(&output, 0, &[]);
    assert_complete(&fs::read(&file).unwrap());
    // A file of that name is still possible.
    stdout_of(&command(&url, &["./-"]).current_dir(folder.path()).output().unwrap());
    assert_complete(&fs::read(folder.path().join("-")).unwrap());
}

#[test]
fn the_output_can_be_compressed() {
    let Some(shared) = server() else { return };
    let url = shared.member_config.client_url();
    let output = command(&url, &["-", "--compress", "zstd", "-w", "json"]).output().unwrap();
    assert_complete(&zstd::decode_all(&*output.stdout).unwrap());
    let told: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(told["fileBytes"], output.stdout.len());
    let output = command(&url, &["-", "--compress", "gzip:1"]).output().unwrap();
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&*output.stdout).read_to_end(&mut unpacked).unwrap();
    assert_complete(&unpacked);
}

/// Whatever fails, and wherever: the output so far is neither a complete snapshot nor a complete compressed file.
#[test]
fn a_failed_save_never_outputs_a_complete_snapshot() {
    let Some(shared) = server() else { return };
    let port = shared.member_config.client;
    for (fault, code) in [
        (NetworkFault::Cut(SIZE / 2), 2),
        (NetworkFault::Reset(SIZE / 2), 2),
        (NetworkFault::Cut(SIZE), 2),
        (NetworkFault::Stall(SIZE / 2), 2),
        (NetworkFault::Flip(SIZE / 2), 1),
    ] {
        let proxy = FaultyProxy::start(port, move |_| fault);
        let run = |flags: &[&str]| {
            let output = command(&proxy.url(), &[&["-", "--stall-timeout=2s"][..], flags].concat()).output().unwrap();
            assert_refused(&output, code, &[]);
            // A compressor may buffer all of it.
            assert_eq!(
                cli::stderr_in_one_line(&output).contains("Discard the output"),
                !output.stdout.is_empty(),
                "{output:?}"
            );
            output.stdout
        };
        for flags in [&[][..], &["--verify=hash"]] {
            let out = run(flags);
            // A reset discards what was not read yet.
            let some = out.len() > SIZE / 4 || matches!(fault, NetworkFault::Reset(_));
            assert!(some, "{fault:?}: {}", out.len());
            assert_not_a_snapshot(&out);
        }
        assert!(zstd::decode_all(&*run(&["--compress=zstd"])).is_err(), "{fault:?}");
        let gzip = run(&["--compress=gzip"]);
        assert!(flate2::read::GzDecoder::new(&*gzip).read_to_end(&mut Vec::new()).is_err(), "{fault:?}");
    }
    // Unless no check is requested.
    let proxy = FaultyProxy::start(port, |_| NetworkFault::Flip(SIZE / 2));
    let output = command(&proxy.url(), &["-", "--verify=none"]).output().unwrap();
    assert_refused(&output, 0, &["is NOT the one that the server sent"]);
    assert_eq!(output.stdout.len() % 512, 32);
}

/// Verifying the stream finds what verifying a file finds: here a database that is damaged on the server, with a right SHA-256.
#[test]
fn a_damaged_database_is_found_while_it_streams() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["one"]);
    let Some(servers) = Servers::start("3.7", &member_configs, folder.path()) else { return };
    servers.put_megabytes(6);
    let url = member_configs[0].client_url();
    let before = command(&url, &["-"]).output().unwrap();
    assert_refused(&before, 0, &[]);
    let path = member_configs[0].data.join("member/snap/db");
    let bytes = fs::read(&path).unwrap();
    let database = File::options().write(true).open(&path).unwrap();
    // The tag of a key within its value, in every copy of its page: pages outside the tree hold some.
    for (key, _) in bytes.windows(6).enumerate().filter(|(_, window)| *window == b"fill/1") {
        database.write_all_at(b"\x0f", (key - 2) as u64).unwrap();
    }
    let output = command(&url, &["-"]).output().unwrap();
    assert_refused(&output, 1, &["is damaged", "Discard the output"]);
    assert_not_a_snapshot(&output.stdout);
    let output = command(&url, &["-", "--verify=hash"]).output().unwrap();
    assert_refused(&output, 0, &["structure not checked"]);
    // Large leaves that do not look like pages would need a second read, which only a file allows, except within the first 128 KiB.
    let page_at = |at: &usize| bytes[*at..*at + 8] == (*at as u64 / 4096).to_le_bytes() && bytes[*at + 8] == 2;
    let pages: Vec<usize> = (1 << 17..bytes.len()).step_by(4096).filter(page_at).collect();
    let large = |at: &&usize| u32::from_le_bytes(bytes[**at + 12..**at + 16].try_into().unwrap()) > 100;
    assert!(pages.iter().any(|at| large(&at)));
    for at in pages.iter().filter(large) {
        database.write_all_at(&[0; 2], *at as u64 + 8).unwrap();
    }
    let output = command(&url, &["-"]).output().unwrap();
    assert_refused(
        &output,
        2,
        &["could not be verified while it was streamed", "Discard the output", "Save it to a file"],
    );
    assert_not_a_snapshot(&output.stdout);
    let file = folder.path().join("backup.db");
    assert_refused(&command(&url, &[file.to_str().unwrap()]).output().unwrap(), 1, &["is damaged"]);
}

/// Another server is tried only as long as no output was written.
#[test]
fn output_is_never_started_again() {
    let Some(shared) = server() else { return };
    let port = shared.member_config.client;
    let good = FaultyProxy::start(port, |_| NetworkFault::None);
    let gone = "http://127.0.0.1:1";
    let output = command(&format!("{gone},{}", good.url()), &["-"]).output().unwrap();
    assert_refused(&output, 0, &[]);
    assert_complete(&output.stdout);
    let broken = FaultyProxy::start(port, |_| NetworkFault::Cut(SIZE / 2));
    let output = command(&broken.url(), &["-", "--retries=3"]).output().unwrap();
    assert_refused(&output, 2, &["broke", "Discard the output"]);
    assert_eq!(broken.connections(), 1);
    assert_not_a_snapshot(&output.stdout);
}

fn fifo(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("fifo");
    mknodat(CWD, &path, FileType::Fifo, 0o600.into(), 0).unwrap();
    path
}

/// Waits for the end of a program, but not forever.
fn wait_for_output(mut child: Child) -> Output {
    let since = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(since.elapsed() < Duration::from_secs(60), "it does not end");
        thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

#[test]
fn saves_into_a_fifo() {
    let Some(shared) = server() else { return };
    let url = shared.member_config.client_url();
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(folder.path());
    let name = path.to_str().unwrap();
    let child = command(&url, &[name]).spawn().unwrap();
    let bytes = fs::read(&path).unwrap();
    // The report may use standard output.
    let output = wait_for_output(child);
    assert_refused(&output, 0, &[]);
    assert!(stdout_of(&output).starts_with(&format!("saved {name}: ")) && output.stderr.is_empty(), "{output:?}");
    assert_complete(&bytes);
    // The FIFO is still one, and there is nothing beside it.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    // A shell converts >(…) to such a path.
    let out = folder.path().join("through.db");
    let script = r#""$0" save --endpoints="$1" >(cat > "$2") && wait $!"#;
    let output = Command::new("bash").args(["-c", script]).arg(cli::program()).arg(&url).arg(&out).output().unwrap();
    stdout_of(&output);
    assert_complete(&fs::read(&out).unwrap());
    // Without a reader, the save waits, and a signal ends it.
    let child = command(&url, &[name]).spawn().unwrap();
    thread::sleep(Duration::from_millis(500));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(wait_for_output(child).status.code(), Some(130));
    let output = wait_for_output(command(&url, &[name, "--command-timeout=1s"]).spawn().unwrap());
    assert_refused(&output, 2, &["--command-timeout"]);
    assert!(!cli::stderr_in_one_line(&output).contains("Discard"), "{output:?}");
    let child = command(&url, &[name]).spawn().unwrap();
    thread::sleep(Duration::from_secs(3));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let output = wait_for_output(child);
    assert_refused(&output, 143, &["waiting for a reader of"]);
    if geteuid().is_root() {
        chown(&path, Some(65_534), None).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert_refused(&command(&url, &[name]).output().unwrap(), 2, &["is a FIFO of another user"]);
    }
}

#[test]
fn a_reader_that_closes_the_pipe_ends_the_save() {
    let Some(shared) = server() else { return };
    let mut child = command(&shared.member_config.client_url(), &["-"]).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 1000]).unwrap();
    drop(stdout);
    assert_refused(
        &wait_for_output(child),
        2,
        &["Cannot write to standard output", "roken pipe", "Discard the output"],
    );
}

/// A slow reader gets everything: the server waits, and does not count as stalled. A signal ends a save whose reader does not read at all.
#[test]
fn a_reader_that_pauses_gets_everything() {
    let Some(shared) = server() else { return };
    let start =
        |flags: &[&str]| command(&shared.member_config.client_url(), &[&["-"][..], flags].concat()).spawn().unwrap();
    let mut child = start(&["--stall-timeout=2s", "--keepalive-time=10s", "--keepalive-timeout=1s"]);
    let mut bytes = vec![0; 100_000];
    child.stdout.as_mut().unwrap().read_exact(&mut bytes).unwrap();
    thread::sleep(Duration::from_secs(13));
    child.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
    assert_refused(&wait_for_output(child), 0, &[]);
    assert_complete(&bytes);
    let mut child = start(&[]);
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 1000]).unwrap();
    thread::sleep(Duration::from_secs(1));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let stdout = child.stdout.take();
    assert_refused(&wait_for_output(child), 130, &["Discard the output"]);
    drop(stdout);
}

#[test]
fn invalid_targets_of_a_stream_are_refused() {
    let Some(shared) = server() else { return };
    let url = shared.member_config.client_url();
    assert_refused(&command(&url, &["-", "--every=1h"]).output().unwrap(), 2, &["--every", "with a stream"]);
    assert_refused(
        &command(&url, &["-", "--keep=1"]).output().unwrap(),
        2,
        &["Standard output: --keep", "a stream leaves none"],
    );
    assert_refused(&command(&url, &["-", "--keep-within=1d"]).output().unwrap(), 2, &["a stream leaves none"]);
    // No output was written if no server was reached, so there is nothing to discard.
    let output = command("http://127.0.0.1:1", &["-"]).output().unwrap();
    assert_refused(&output, 2, &["cannot be reached"]);
    assert!(output.stdout.is_empty() && !cli::stderr_in_one_line(&output).contains("Discard"), "{output:?}");
    // A device would discard it, and a directory is not a stream.
    assert_refused(&command(&url, &["/dev/null"]).output().unwrap(), 2, &["is a character device"]);
    assert_refused(&command(&url, &["/dev/full"]).output().unwrap(), 2, &["is a character device"]);
    let full = command(&url, &["-"]).stdout(File::options().write(true).open("/dev/full").unwrap()).output().unwrap();
    assert_refused(&full, 2, &["Cannot write to standard output", "pace left"]);
    assert_refused(
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
    let shown = terminal.output_until("cannot show a snapshot");
    assert!(shown.contains("Standard output is a terminal"), "{shown}");
    assert!(!shown.contains("fill/"));
}
