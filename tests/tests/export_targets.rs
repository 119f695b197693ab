//! The target of an export: never one of its inputs, complete or absent, and checked before any work.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use etcdsnap_tests::failure_injection::{self, Failure, GROUPS};
use etcdsnap_tests::{case, cli};

/// A directory with a snapshot, plain and packed.
struct TestFolder {
    folder: tempfile::TempDir,
}

impl TestFolder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        let plain = fs::read(case::named("3.7-history").path()).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        fs::write(folder.path().join("a.db"), plain).unwrap();
        fs::write(folder.path().join("a.db.gz"), gzip.finish().unwrap()).unwrap();
        Self { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(cli::program());
        command.args(words).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Returns names and contents of all files.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let entries = fs::read_dir(self.folder.path()).unwrap().map(Result::unwrap);
        let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
        let mut files: Vec<_> =
            files.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect();
        files.sort();
        files
    }
}

#[test]
fn an_export_never_replaces_what_it_reads() {
    let place = TestFolder::new();
    for name in ["a.db", "a.db.gz"] {
        fs::hard_link(place.at(name), place.at(&format!("hard-{name}"))).unwrap();
        symlink(name, place.at(&format!("soft-{name}"))).unwrap();
    }
    let before = place.files();
    for name in ["a.db", "a.db.gz"] {
        let absolute = place.at(name).to_str().unwrap().to_owned();
        let (hard, soft) = (format!("hard-{name}"), format!("soft-{name}"));
        let (dotted, round) = (format!("./{name}"), format!("below/../{name}"));
        for output in [name, &dotted, &round, &absolute, &hard, &soft] {
            for input in [name, &hard, &soft] {
                let printed = place.run(&["export", input, "-o", output]);
                let text = cli::stderr(&printed);
                assert_eq!(printed.status.code(), Some(2), "{input} {output}: {text}");
                assert!(text.contains("is the same file as") && text.contains("Name another file."), "{text}");
            }
            let stdin = File::open(place.at(name)).unwrap();
            let printed = place.command(&["export", "-", "-o", output]).stdin(stdin).output().unwrap();
            assert_eq!(printed.status.code(), Some(2), "{}", cli::stderr(&printed));
            assert!(cli::stderr(&printed).contains("the same file as standard input"), "{}", cli::stderr(&printed));
        }
    }
    assert_eq!(place.files(), before);
}

#[test]
fn no_command_prints_into_its_input() {
    let place = TestFolder::new();
    let before = place.files();
    for words in [
        &["export", "a.db"][..],
        &["export", "a.db", "-o", "-"],
        &["export", "a.db", "-o", "/dev/stdout"],
        &["keys", "a.db"],
        &["get", "a.db", "x"],
        &["history", "a.db", "x"],
        &["diff", "below/../a.db", "--rev-a", "2"],
        &["usage", "a.db"],
        &["hashkv", "a.db"],
        &["members", "a.db"],
        &["auth", "a.db"],
        &["meta", "a.db"],
        &["verify", "a.db.gz", "a.db"],
        &["status", "a.db"],
        &["snapshot", "status", "a.db"],
        &["restore", "a.db", "--dry-run"],
        &["find", "x", "a.db"],
        &["find", "x", "."],
        &["kube", "find", ".", "pods/x"],
        &["kube", "kinds", "a.db"],
        &["verify", "."],
    ] {
        let append = || OpenOptions::new().append(true).open(place.at("a.db")).unwrap();
        let printed = place.command(words).stdout(append()).output().unwrap();
        assert_eq!(printed.status.code(), Some(2), "{words:?}: {}", cli::stderr(&printed));
        assert!(
            cli::stderr(&printed).contains("Standard output is the same file as"),
            "{words:?}: {}",
            cli::stderr(&printed)
        );
        // Where no file can be written, this case cannot be tested.
        let printed = place.command(words).stderr(append()).output().unwrap();
        assert_eq!((printed.status.code(), printed.stdout.len()), (Some(2), 0), "{words:?}");
        let text = fs::read(place.at("a.db")).unwrap();
        let grown = text.len() - before.iter().find(|(name, _)| name == "a.db").unwrap().1.len();
        assert_eq!(grown, 0, "{words:?} wrote {grown} bytes into its input");
    }
    assert_eq!(place.files(), before);
}

/// A shell empties the file before the command starts, so nothing is lost.
#[test]
fn a_directory_can_be_listed_into_a_new_file_in_it() {
    let place = TestFolder::new();
    let new = File::create(place.at("found.txt")).unwrap();
    let printed = place.command(&["find", "--prefix", "", "."]).stdout(new).output().unwrap();
    assert_eq!(printed.status.code(), Some(0), "{}", cli::stderr(&printed));
    assert!(fs::metadata(place.at("found.txt")).unwrap().len() > 0);
}

/// Certificates, keys, passwords and pages are inputs too, whichever flag or variable names them.
#[test]
fn no_command_prints_into_files_named_by_its_flags() {
    let place = TestFolder::new();
    for name in ["ca.crt", "pw", "page"] {
        fs::write(place.at(name), name).unwrap();
    }
    let before = place.files();
    let save = &["save", "x.db", "--endpoints=https://127.0.0.1:1"][..];
    let words = |more: &[&'static str]| [save, more].concat();
    for (file, words, variable) in [
        ("ca.crt", words(&["--cacert=ca.crt"]), None),
        ("ca.crt", words(&["--cert=ca.crt"]), None),
        ("ca.crt", words(&["--cert=pw", "--key=./ca.crt"]), None),
        ("ca.crt", words(&["--cacert=ca.crt", "--every=1h", "--metrics-listen=off"]), None),
        ("ca.crt", words(&[]), Some("ETCDCTL_CACERT")),
        ("ca.crt", words(&["--cert=pw"]), Some("ETCDCTL_KEY")),
        ("ca.crt", vec!["snapshot", "save", "x.db"], Some("ETCDCTL_CERT")),
        ("ca.crt", vec!["save", "-", "--cacert=ca.crt"], None),
        ("pw", words(&["--user=root", "--password-file=pw"]), None),
        ("page", vec!["open", "a.db", "--page=page"], None),
        ("a.db", vec!["open", "a.db", "--page=page"], None),
        ("a.db", vec!["open", "a.db"], None),
        ("a.db", vec!["diff", "a.db.gz", "a.db"], None),
        ("a.db", vec!["diff", "nowhere.db", "a.db"], None),
    ] {
        let append = || OpenOptions::new().append(true).open(place.at(file)).unwrap();
        let command = || {
            let mut command = place.command(&words);
            command.envs(variable.map(|name| (name, file)));
            command
        };
        let printed = command().stdout(append()).output().unwrap();
        assert_eq!(printed.status.code(), Some(2), "{words:?}: {}", cli::stderr(&printed));
        assert!(
            cli::stderr(&printed).contains("Standard output is the same file as"),
            "{words:?}: {}",
            cli::stderr(&printed)
        );
        let printed = command().stderr(append()).output().unwrap();
        assert_eq!((printed.status.code(), printed.stdout.len()), (Some(2), 0), "{words:?}");
        assert_eq!(place.files(), before, "{words:?} wrote into {file}");
    }
}

#[test]
fn targets_that_are_not_files_are_written_directly() {
    let place = TestFolder::new();
    let whole = place.run(&["export", "a.db"]).stdout;
    assert!(whole.len() > 1000);
    for output in ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        let printed = place.run(&["export", "a.db", "-o", output]);
        assert_eq!((printed.status.code(), cli::stderr(&printed).as_str()), (Some(0), ""), "{output}");
        assert!(printed.stdout == whole, "{output}");
        // Redirected to a file, as a shell does it.
        let redirected = File::create(place.at("redirected")).unwrap();
        let printed = place.command(&["export", "a.db", "-o", output]).stdout(redirected).output().unwrap();
        assert_eq!(printed.status.code(), Some(0), "{output}: {}", cli::stderr(&printed));
        assert!(fs::read(place.at("redirected")).unwrap() == whole, "{output}");
        fs::remove_file(place.at("redirected")).unwrap();
    }
    let null = fs::metadata("/dev/null").unwrap().ino();
    assert_eq!(place.run(&["export", "a.db", "-o", "/dev/null"]).status.code(), Some(0));
    assert_eq!(fs::metadata("/dev/null").unwrap().ino(), null);
    let full = place.run(&["export", "a.db", "-o", "/dev/full"]);
    assert_eq!(full.status.code(), Some(2), "{}", cli::stderr(&full));
    let full = place.command(&["export", "a.db"]).stdout(File::create("/dev/full").unwrap()).output().unwrap();
    assert_eq!(full.status.code(), Some(2), "{}", cli::stderr(&full));
    assert!(Command::new("mkfifo").arg(place.at("fifo")).status().unwrap().success());
    let read = thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut read = Vec::new();
            File::open(place.at("fifo")).unwrap().read_to_end(&mut read).unwrap();
            read
        });
        assert_eq!(place.run(&["export", "a.db", "-o", "fifo"]).status.code(), Some(0));
        reading.join().unwrap()
    });
    assert!(read == whole);
    // A reader that closes the pipe has everything it wants.
    thread::scope(|scope| {
        scope.spawn(|| File::open(place.at("fifo")).unwrap().read_exact(&mut [0; 10]).unwrap());
        let printed = place.run(&["export", "a.db", "--history", "-o", "fifo"]);
        assert_eq!((printed.status.code(), cli::stderr(&printed).as_str()), (Some(0), ""));
    });
    assert_eq!(place.files().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a.db", "a.db.gz"]);
}

/// Tests with a snapshot that never arrives: the program must report the target before it waits.
#[test]
fn targets_are_checked_before_the_snapshot_is_read() {
    let place = TestFolder::new();
    drop(std::os::unix::net::UnixListener::bind(place.at("socket")).unwrap());
    let long = "x".repeat(256);
    for (output, words) in [
        ("below", "is a directory"),
        (".", "is a directory"),
        ("socket", "is a socket"),
        ("nowhere/out", "there is no such file"),
        ("a.db/out", "Cannot write"),
        (long.as_str(), "Cannot write"),
    ] {
        let mut child =
            place.command(&["export", "-", "-o", output]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        let printed = child.wait_with_output().unwrap();
        drop(stdin);
        assert_eq!(printed.status.code(), Some(2), "{output}: {}", cli::stderr(&printed));
        assert!(cli::stderr(&printed).contains(words), "{output}: {}", cli::stderr(&printed));
    }
    assert_eq!(place.files().len(), 2);
}

#[test]
fn the_part_file_of_a_killed_save_can_be_exported_beside_it() {
    let place = TestFolder::new();
    fs::rename(place.at("a.db"), place.at(".etcdsnap-abcdefgh.part")).unwrap();
    let printed = place.run(&["export", ".etcdsnap-abcdefgh.part", "-o", "out.ndjson"]);
    assert_eq!(printed.status.code(), Some(0), "{}", cli::stderr(&printed));
    assert!(place.at(".etcdsnap-abcdefgh.part").exists() && place.at("out.ndjson").exists());
}

/// A signal during the work leaves nothing; one after the work leaves the complete export.
#[test]
fn a_signal_leaves_no_part_file() {
    let place = TestFolder::new();
    assert_eq!(place.run(&["export", "a.db.gz", "--history", "-o", "out"]).status.code(), Some(0));
    let whole = fs::read(place.at("out")).unwrap();
    fs::remove_file(place.at("out")).unwrap();
    for wait in [0, 5, 20, 60] {
        let mut child = place.command(&["export", "a.db.gz", "--history", "-o", "out"]).spawn().unwrap();
        thread::sleep(Duration::from_millis(wait));
        let pid = rustix::process::Pid::from_child(&child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let code = child.wait().unwrap().code();
        let names: Vec<_> = place.files().into_iter().map(|(name, _)| name).collect();
        match code {
            Some(0) => assert!(names.contains(&"out".to_owned())),
            // Before the program installs its handler, the signal kills it at once.
            Some(143) | None if names.len() == 2 => assert_eq!(names, ["a.db", "a.db.gz"]),
            Some(143) | None => {
                assert_eq!(names, ["a.db", "a.db.gz", "out"]);
                assert!(fs::read(place.at("out")).unwrap() == whole, "what has its name is complete");
            }
            other => panic!("{other:?}"),
        }
        let _ = fs::remove_file(place.at("out"));
    }
}

const OLD: &[u8] = b"yesterday's export";

/// Whichever call fails, the old file or the complete new one remains, the exit code says which, and nothing else is left.
#[test]
fn a_failure_at_any_call_leaves_the_old_or_the_complete_new_file() {
    if !failure_injection::available() {
        return;
    }
    let reference = TestFolder::new();
    reference.run(&["export", "a.db", "--format", "csv", "-o", "out"]);
    let new = fs::read(reference.at("out")).unwrap();
    let snapshots: Vec<_> = TestFolder::new().files();
    let prepare = || {
        let place = TestFolder::new();
        fs::write(place.at("out"), OLD).unwrap();
        let command = place.command(&["export", "a.db", "--format", "csv", "-o", "out", "--threads", "1"]);
        (place, command)
    };
    let swept = failure_injection::sweep(GROUPS, 150, prepare, |place, trial, ended| {
        let text = cli::stderr(&ended.output);
        let (out, rest): (Vec<_>, Vec<_>) = place.files().into_iter().partition(|(name, _)| name == "out");
        let [(_, out)] = out.try_into().unwrap();
        assert!(out == OLD || out == new, "{trial}: {} bytes: {text}", out.len());
        let left: Vec<_> = rest.iter().filter(|file| !snapshots.contains(file)).map(|(name, _)| name).collect();
        assert!(rest.len() - left.len() == 2, "{trial}: a snapshot changed");
        if ended.killed {
            assert!(left.iter().all(|name| name.starts_with(".etcdsnap-") && name.ends_with(".part")), "{left:?}");
            let again = place.run(&["export", "a.db", "--format", "csv", "-o", "out"]);
            assert_eq!(again.status.code(), Some(0), "{trial}: {}", cli::stderr(&again));
            assert_eq!(place.files().len(), 3, "{trial}: {:?}", place.files().len());
            return;
        }
        let cannot_remove =
            matches!(trial.call, "unlink" | "unlinkat" | "rmdir") && matches!(trial.failure, Failure::Error(_));
        assert!(left.is_empty() || cannot_remove, "{trial}: {left:?}: {text}");
        match ended.output.status.code() {
            Some(0) => assert!(out == new, "{trial}: {text}"),
            // The loader's own code for a program that it cannot start.
            Some(127) => assert!(out == OLD, "{trial}: {text}"),
            Some(2) => assert_eq!(out == new, text.contains("in place"), "{trial}: {text}"),
            other => panic!("{trial}: {other:?}: {text}"),
        }
    });
    assert!(swept.hit > 50, "{swept:?}");
}

/// Exports only the newest entries of two thousand keys: more than a pipe buffers.
#[test]
fn an_export_to_a_pipe_ends_with_an_error_when_the_file_changes() {
    let place = TestFolder::new();
    let path = place.at("large.db");
    fs::write(&path, large()).unwrap();
    for cut in [true, false] {
        fs::write(&path, large()).unwrap();
        let command = &mut place.command(&["export", "large.db", "--history"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 1000]).unwrap();
        change(&path, cut);
        let mut rest = Vec::new();
        stdout.read_to_end(&mut rest).unwrap();
        let printed = child.wait_with_output().unwrap();
        assert_eq!(printed.status.code(), Some(2), "{}", cli::stderr(&printed));
        assert!(cli::stderr(&printed).contains("changed while it was read"), "{}", cli::stderr(&printed));
    }
}

fn change(path: &Path, cut: bool) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    if cut { file.set_len(200_000).unwrap() } else { file.write_all(&[0; 64]).unwrap() }
}

fn large() -> Vec<u8> {
    use etcdsnap_tests::build::puts;
    static KEYS: [&[u8]; 4] = [b"a", b"b", b"c", b"d"];
    static VALUE: [u8; 3000] = [b'v'; 3000];
    let puts: Vec<puts::Put> = (0..2000).map(|number| (KEYS[number % 4], Some(&VALUE[..]), 0)).collect();
    puts::snapshot(&puts)
}
