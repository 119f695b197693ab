//! A neighbour who may write to the directory swaps files there during a save or an export: the unfinished file, the file that just got its name, the directory
//! itself. Only the written file is ever reported as the result, nothing blocks, and nothing happens elsewhere.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Weak};
use std::thread::sleep;
use std::time::{Duration, Instant};

use etcdsnap_tests::failure_injection::available;
use etcdsnap_tests::faulty_proxy::{FaultyProxy, NetworkFault};
use etcdsnap_tests::folder_names::names;
use etcdsnap_tests::server::stdout_of;
use etcdsnap_tests::shared_server::{SharedServer, Slot};
use etcdsnap_tests::{case, cli};
use rustix::fs::{CWD, FileType, mknodat};

const TIMEOUT: Duration = Duration::from_secs(60);

fn server() -> Option<Arc<SharedServer>> {
    static SLOT: Slot = Slot::new(Weak::new());
    SharedServer::get(&SLOT, 1)
}

/// Creates a directory that everyone may write to, and a file beside it that only its owner may read.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let shared = folder.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, Permissions::from_mode(0o777)).unwrap();
    fs::write(folder.path().join("secret"), "only for its owner").unwrap();
    (folder, shared)
}

fn save(url: &str, flags: &[&str], target: &Path) -> Child {
    let mut command = Command::new(cli::program());
    command.arg("save").arg(format!("--endpoints={url}")).args(flags).arg(target);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until something other than `known` appears in the directory.
fn until_there(directory: &Path, known: &[&str]) -> PathBuf {
    let since = Instant::now();
    loop {
        if let Some(new) = names(directory).into_iter().find(|name| !known.contains(&name.as_str())) {
            return directory.join(new);
        }
        assert!(since.elapsed() < TIMEOUT, "it does not begin");
        sleep(Duration::from_millis(1));
    }
}

/// Waits for a child that must not block.
fn wait_for_output(mut child: Child) -> Output {
    let since = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if since.elapsed() > TIMEOUT {
            let _ = child.kill();
            panic!("it hangs");
        }
        sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

fn assert_refused(output: &Output, words: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains(words), "{words:?} is not in: {text}");
}

type Swap = (&'static str, fn(&Path, &Path));

/// Ways in which a neighbour replaces a file; the second path is that of a file that only its owner may read.
const SWAPS: [Swap; 4] = [
    ("nothing", |_, _| {}),
    ("a FIFO", |path, _| mknodat(CWD, path, FileType::Fifo, 0o666.into(), 0).unwrap()),
    ("a link", |path, secret| symlink(secret, path).unwrap()),
    ("a file", |path, _| fs::write(path, "evil, not a snapshot").unwrap()),
];

#[test]
fn a_swapped_unfinished_snapshot_is_detected() {
    let Some(shared_server) = server() else { return };
    for (what, plant) in SWAPS {
        for flags in [&[][..], &["--compress=zstd"]] {
            let (folder, shared) = place();
            let proxy = FaultyProxy::start(shared_server.member_config.client, |_| NetworkFault::Drip(20_000));
            let target = shared.join("backup.db");
            fs::write(&target, "yesterday's").unwrap();
            let child = save(&proxy.url(), flags, &target);
            let part = until_there(&shared, &["backup.db"]);
            sleep(Duration::from_millis(100));
            fs::rename(&part, shared.join("stolen")).unwrap();
            plant(&part, &folder.path().join("secret"));
            let planted = fs::symlink_metadata(&part).ok().map(|facts| facts.file_type());
            assert_refused(&wait_for_output(child), "was moved away or replaced by another user");
            assert_eq!(fs::read(&target).unwrap(), b"yesterday's", "{what}");
            // Foreign files stay, and the removed file takes no space.
            assert_eq!(fs::symlink_metadata(&part).ok().map(|facts| facts.file_type()), planted, "{what}");
            assert_eq!(fs::metadata(shared.join("stolen")).unwrap().len(), 0, "{what}");
            assert_eq!(fs::read(folder.path().join("secret")).unwrap(), b"only for its owner");
        }
    }
}

/// Between the check of the unfinished file and the check of the result lies the rename: a run that `strace` delays there detects a swap in between.
#[test]
fn a_result_swapped_during_its_rename_is_detected() {
    if !available() {
        return;
    }
    for (what, plant) in SWAPS {
        let (folder, shared) = place();
        let target = shared.join("out.ndjson");
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "--trace=?rename,?renameat,?renameat2"]);
        command.arg("--inject=?rename,?renameat,?renameat2:delay_exit=1500000").arg("--").arg(cli::program());
        command.arg("export").arg(case::named("3.7-history").path()).arg("-o").arg(&target);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let since = Instant::now();
        while !target.exists() {
            assert!(since.elapsed() < TIMEOUT, "it is not renamed");
            sleep(Duration::from_millis(1));
        }
        fs::rename(&target, shared.join("stolen")).unwrap();
        plant(&target, &folder.path().join("secret"));
        assert_refused(&wait_for_output(child), "is not the file that was written");
        let kind = |path: &Path| fs::symlink_metadata(path).ok().map(|facts| facts.file_type().is_file());
        assert_eq!(kind(&target), [None, Some(false), Some(false), Some(true)][position(what)], "{what}");
        assert!(fs::metadata(shared.join("stolen")).unwrap().len() > 0, "{what}: the whole export stays");
    }
}

fn position(what: &str) -> usize {
    SWAPS.iter().position(|(name, _)| *name == what).unwrap()
}

/// Everything happens in the directory that existed at the start: the file gets its name there, and old ones are removed there.
#[test]
fn a_directory_swapped_for_a_link_is_not_followed() {
    let Some(shared_server) = server() else { return };
    let url = shared_server.member_config.client_url();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["backups", "victim"] {
        fs::create_dir(at(name)).unwrap();
        stdout_of(&wait_for_output(save(&url, &[], &at(name))));
        // Names include seconds.
        sleep(Duration::from_millis(1100));
        stdout_of(&wait_for_output(save(&url, &[], &at(name))));
        assert_eq!(names(&at(name)).len(), 2);
    }
    sleep(Duration::from_millis(1100));
    let (backups, victim) = (names(&at("backups")), names(&at("victim")));
    let known: Vec<&str> = backups.iter().map(String::as_str).collect();
    let proxy = FaultyProxy::start(shared_server.member_config.client, |_| NetworkFault::Drip(20_000));
    let child = save(&proxy.url(), &["--keep=1"], &at("backups"));
    until_there(&at("backups"), &known);
    fs::rename(at("backups"), at("moved")).unwrap();
    symlink("victim", at("backups")).unwrap();
    let output = wait_for_output(child);
    stdout_of(&output);
    assert_eq!(names(&at("victim")), victim, "what lies elsewhere is as it was");
    let now = names(&at("moved"));
    assert_eq!(now.len(), 1, "{now:?}");
    assert!(!backups.contains(&now[0]), "the new one is there, and the old ones are gone");
    assert!(String::from_utf8_lossy(&output.stdout).contains(&backups[0]), "what was removed is told: {output:?}");
}
