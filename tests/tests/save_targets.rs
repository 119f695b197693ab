//! The target of a save: checked before anything is fetched, and no files of other users are opened, followed or removed there.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use etcdsnap_tests::cli;
use etcdsnap_tests::faulty_proxy::{FaultyProxy, NetworkFault};
use etcdsnap_tests::folder_names::names;
use etcdsnap_tests::origin_mark::rename_with_mark;
use etcdsnap_tests::server::stdout_of;
use etcdsnap_tests::shared_server::{SharedServer, Slot};
use rustix::fs::{CWD, FileType, mknodat};

/// A user without privileges.
const USER: u32 = 65_534;

/// Returns a small server.
fn server() -> Option<Arc<SharedServer>> {
    static SLOT: Slot = Slot::new(Weak::new());
    SharedServer::get(&SLOT, 1)
}

fn command(url: &str, flags: &[&str], target: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(cli::program());
    command.arg("save").arg(format!("--endpoints={url}")).args(flags).arg(target);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn assert_refused(output: &Output, word: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains(word), "{word:?} is not in: {text}");
}

fn is_root(directory: &Path) -> bool {
    let root = fs::metadata(directory).unwrap().uid() == 0;
    if !root {
        eprintln!("*** not run: only root can act as another user ***");
    }
    root
}

/// Connects to no server if the target is impossible.
#[test]
fn impossible_targets_are_refused_before_anything_is_fetched() {
    let Some(shared) = server() else { return };
    let proxy = FaultyProxy::start(shared.member_config.client, |_| NetworkFault::None);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("directory.db")).unwrap();
    fs::create_dir_all(at("member/snap")).unwrap();
    fs::write(at("file"), "").unwrap();
    symlink("/dev/null", at("null")).unwrap();
    let long = "x".repeat(300);
    let before = names(folder.path());
    for (target, word) in [
        ("/dev/null".into(), "is a character device"),
        (at("null"), "is a character device"),
        (at(&long), "too long"),
        (at("missing/backup.db"), "create the directory first"),
        (at("missing/{time}.db"), "create the directory first"),
        (at("file/backup.db"), "ot a directory"),
        (at("member/snap/db"), "etcd member"),
    ] {
        let since = Instant::now();
        assert_refused(&command(&proxy.url(), &[], &target).output().unwrap(), word);
        assert!(since.elapsed() < Duration::from_secs(10), "{target:?}");
    }
    assert_eq!(proxy.connections(), 0);
    // A name with placeholders is known once the server has identified itself, and no file was begun by then.
    assert_refused(
        &command(&proxy.url(), &[], at(&format!("{{member}}{}", &long[..253]))).output().unwrap(),
        "too long",
    );
    fs::create_dir(at("one.db")).unwrap();
    assert_refused(&command(&proxy.url(), &[], at("{member}.db")).output().unwrap(), "is a directory");
    fs::remove_dir(at("one.db")).unwrap();
    assert_eq!(names(folder.path()), before);
}

/// The snapshot must not overwrite a certificate, which would be lost for good.
#[test]
fn inputs_are_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["ca.crt", "client.crt", "client.key", "password"] {
        fs::write(at(name), name).unwrap();
    }
    symlink("ca.crt", at("link")).unwrap();
    fs::hard_link(at("client.key"), at("hard")).unwrap();
    let flag = |name: &str, file: &str| format!("--{name}={}", at(file).display());
    let flags = [
        flag("cacert", "ca.crt"),
        flag("cert", "client.crt"),
        flag("key", "client.key"),
        flag("password-file", "password"),
        "--user=root".to_owned(),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    for target in ["ca.crt", "client.crt", "client.key", "password", "link", "hard", "./ca.crt"] {
        assert_refused(&command("https://127.0.0.1:1", &flags, at(target)).output().unwrap(), "which is an input");
    }
    for name in ["ca.crt", "client.crt", "client.key", "password"] {
        assert_eq!(fs::read_to_string(at(name)).unwrap(), name);
    }
}

/// A directory that is writable but not listable: the snapshot is saved, and --keep reports that it cannot work.
#[test]
fn an_unreadable_directory_can_be_saved_into() {
    let Some(shared) = server() else { return };
    let url = shared.member_config.client_url();
    let folder = tempfile::tempdir().unwrap();
    if !is_root(folder.path()) {
        return;
    }
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    for mode in [0o333, 0o300, 0o1733] {
        let directory = folder.path().join(format!("{mode:o}"));
        fs::create_dir(&directory).unwrap();
        let owner = if mode == 0o300 { USER } else { 0 };
        chown(&directory, Some(owner), Some(0)).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(mode)).unwrap();
        let run = |flags: &[&str], name: &str| {
            command(&url, flags, directory.join(name)).uid(USER).gid(USER).current_dir("/").output().unwrap()
        };
        let output = run(&[], "backup.db");
        stdout_of(&output);
        assert!(output.stderr.is_empty(), "{output:?}");
        let facts = fs::metadata(directory.join("backup.db")).unwrap();
        assert_eq!((facts.uid(), facts.mode() & 0o777), (USER, 0o600));
        let json = cli::json(&run(&["--keep=1", "-w=json"], "etcd-{cluster}-{time}.db"));
        assert!(json["warnings"].to_string().contains("cannot be listed"), "{json}");
        assert!(Path::new(json["file"].as_str().unwrap()).exists());
        assert_eq!(names(&directory).len(), 2, "{:?}", names(&directory));
    }
    // An unwritable directory is reported at once.
    let read_only = folder.path().join("read-only");
    fs::create_dir(&read_only).unwrap();
    let output = command("http://127.0.0.1:1", &[], read_only.join("x.db")).uid(USER).gid(USER).output().unwrap();
    assert_refused(&output, "permission denied");
    // So is a file in a directory such as /tmp that belongs to another user.
    let sticky = folder.path().join("sticky");
    fs::create_dir(&sticky).unwrap();
    fs::set_permissions(&sticky, Permissions::from_mode(0o1777)).unwrap();
    fs::write(sticky.join("backup.db"), "root's").unwrap();
    let output = command("http://127.0.0.1:1", &[], sticky.join("backup.db")).uid(USER).gid(USER).output().unwrap();
    assert_refused(&output, "permission denied");
}

/// Names of part files that a neighbour planted where they may write: never waited for, followed or removed. Our own are removed.
#[test]
fn planted_part_files_are_ignored() {
    let Some(shared) = server() else { return };
    let url = shared.member_config.client_url();
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let planted = |random: &str| folder.path().join(format!(".etcdsnap-{random}.part"));
    let victim = tempfile::tempdir().unwrap();
    fs::write(victim.path().join("precious"), "precious").unwrap();
    let write = |path: &Path, mode| {
        fs::write(path, "planted").unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    mknodat(CWD, planted("fifo0000"), FileType::Fifo, 0o666.into(), 0).unwrap();
    symlink("/dev/zero", planted("zero0000")).unwrap();
    symlink(victim.path().join("precious"), planted("link0000")).unwrap();
    symlink(victim.path(), planted("link0001")).unwrap();
    fs::create_dir(planted("director")).unwrap();
    fs::hard_link(victim.path().join("precious"), planted("hard0000")).unwrap();
    write(&planted("writable"), 0o666);
    // A file of ours to which the directory's owner gave such a name: a backup, for example.
    write(&planted("renamed0"), 0o600);
    if is_root(folder.path()) {
        write(&planted("stranger"), 0o600);
        chown(planted("stranger"), Some(USER), None).unwrap();
    }
    let before = names(folder.path());
    // A leftover of a killed run of ours.
    let slow = FaultyProxy::start(shared.member_config.client, |_| NetworkFault::Drip(5_000));
    let mut killed = command(&slow.url(), &[], folder.path().join("backup.db")).spawn().unwrap();
    let since = Instant::now();
    while names(folder.path()).len() == before.len() {
        assert!(since.elapsed() < Duration::from_secs(30), "it does not begin");
    }
    std::thread::sleep(Duration::from_millis(200));
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(names(folder.path()).len(), before.len() + 1);
    let since = Instant::now();
    let output = command(&url, &[], folder.path().join("backup.db")).output().unwrap();
    stdout_of(&output);
    assert!(since.elapsed() < Duration::from_secs(20));
    assert!(String::from_utf8_lossy(&output.stderr).contains("renamed0"), "{output:?}");
    let mut expected = before;
    expected.push("backup.db".into());
    expected.sort();
    assert_eq!(names(folder.path()), expected);
    assert_eq!(fs::read_to_string(victim.path().join("precious")).unwrap(), "precious");
    assert_eq!(fs::read_to_string(planted("renamed0")).unwrap(), "planted");
}

/// If the target becomes another type of file while the snapshot arrives, the save notices it before the rename.
#[test]
fn a_target_that_changes_its_type_is_refused() {
    let Some(shared) = server() else { return };
    for kind in ["directory", "fifo"] {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("backup.db");
        let slow = FaultyProxy::start(shared.member_config.client, |_| NetworkFault::Drip(20_000));
        let child = command(&slow.url(), &[], &target).spawn().unwrap();
        let since = Instant::now();
        while names(folder.path()).is_empty() {
            assert!(since.elapsed() < Duration::from_secs(30), "it does not begin");
        }
        match kind {
            "directory" => fs::create_dir(&target).unwrap(),
            _ => mknodat(CWD, &target, FileType::Fifo, 0o600.into(), 0).unwrap(),
        }
        assert_refused(&child.wait_with_output().unwrap(), "backup.db is a");
        assert_eq!(names(folder.path()), ["backup.db"]);
        assert!(!fs::metadata(&target).unwrap().is_file());
    }
}

/// Containers mount single files, which no rename can replace.
#[test]
fn a_mounted_file_is_written_in_place_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    [&from, &to].into_iter().for_each(|path| fs::write(path, "").unwrap());
    let mounted = Command::new("mount").arg("--bind").args([&from, &to]).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("*** not run: nothing can be mounted here ***");
        return;
    }
    let output = command("http://127.0.0.1:1", &[], &to).output().unwrap();
    assert!(Command::new("umount").arg(&to).status().unwrap().success());
    assert_refused(&output, "is a mount point");
}

#[test]
fn names_that_are_not_utf_8_work() {
    let Some(shared) = server() else { return };
    let url = shared.member_config.client_url();
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join(OsStr::from_bytes(b"d\xff"));
    fs::create_dir(&directory).unwrap();
    let fixed = directory.join(OsStr::from_bytes(b"b\xfe.db"));
    let output = command(&url, &[], &fixed).output().unwrap();
    stdout_of(&output);
    let report = etcdsnap::verify(&fixed, etcdsnap::VerifyOptions::default()).unwrap();
    assert_eq!(report.verdict, etcdsnap::Verdict::Sound);
    let decoded = |json: &serde_json::Value| {
        use base64::Engine;
        let bytes = base64::prelude::BASE64_STANDARD.decode(json["fileBase64"].as_str().expect("base64")).unwrap();
        PathBuf::from(OsStr::from_bytes(&bytes))
    };
    assert_eq!(decoded(&cli::json(&command(&url, &["-w=json"], &fixed).output().unwrap())), fixed);
    // As a template, with old snapshots to remove.
    let template = directory.join(OsStr::from_bytes(b"e\xfe-{time}.db"));
    let first = decoded(&cli::json(&command(&url, &["-w=json"], &template).output().unwrap()));
    let old = directory.join(OsStr::from_bytes(b"e\xfe-20200101T000000Z.db"));
    rename_with_mark(&first, &old);
    let json = cli::json(&command(&url, &["-w=json", "--keep=1"], &template).output().unwrap());
    assert_eq!(decoded(&json["removed"][0]), old);
    assert!(!old.exists() && decoded(&json).exists());
    // In etcdctl's output format, and on standard error.
    let etcdctl = Command::new(cli::program())
        .arg(format!("--endpoints={url}"))
        .args(["snapshot", "save"])
        .arg(&fixed)
        .output()
        .unwrap();
    stdout_of(&etcdctl);
    let nowhere = command(&url, &[], directory.join(OsStr::from_bytes(b"\xfd/x.db"))).output().unwrap();
    assert_refused(&nowhere, "create the directory first");
    drop(File::open(&fixed).unwrap());
}
