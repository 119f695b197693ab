//! A neighbour who may write to the directory swaps things there while a save or an export works: the unfinished file, the file that just got its name, the directory
//! itself. Nothing but what was written is ever called the result, nothing is waited for, and nothing happens elsewhere.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Weak};
use std::thread::sleep;
use std::time::{Duration, Instant};

use etcdsnap_tests::failure_injection::available;
use etcdsnap_tests::folder_names::names;
use etcdsnap_tests::proxy::{Mischief, Proxy};
use etcdsnap_tests::server::said;
use etcdsnap_tests::shared_server::{SharedServer, Slot};
use etcdsnap_tests::{case, cli};
use rustix::fs::{CWD, FileType, mknodat};

const PATIENCE: Duration = Duration::from_secs(60);

fn server() -> Option<Arc<SharedServer>> {
    static SLOT: Slot = Slot::new(Weak::new());
    SharedServer::get(&SLOT, 1)
}

/// A directory that everybody may write to, and a file beside it that nobody else may read.
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

/// Waits until something is in the directory beside what `known` names.
fn until_there(directory: &Path, known: &[&str]) -> PathBuf {
    let since = Instant::now();
    loop {
        if let Some(new) = names(directory).into_iter().find(|name| !known.contains(&name.as_str())) {
            return directory.join(new);
        }
        assert!(since.elapsed() < PATIENCE, "it does not begin");
        sleep(Duration::from_millis(1));
    }
}

/// How a child ends that must not wait for anything.
fn ended(mut child: Child) -> Output {
    let since = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if since.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("it hangs");
        }
        sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

fn refused(output: &Output, words: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains(words), "{words:?} is not in: {text}");
}

type Plant = (&'static str, fn(&Path, &Path));

/// What a neighbour puts in the place of a file; the second path is that of a file that only its owner may read.
const PLANTS: [Plant; 4] = [
    ("nothing", |_, _| {}),
    ("a FIFO", |path, _| mknodat(CWD, path, FileType::Fifo, 0o666.into(), 0).unwrap()),
    ("a link", |path, secret| symlink(secret, path).unwrap()),
    ("a file", |path, _| fs::write(path, "evil, not a snapshot").unwrap()),
];

#[test]
fn an_unfinished_snapshot_that_is_swapped() {
    let Some(shared_server) = server() else { return };
    for (what, plant) in PLANTS {
        for flags in [&[][..], &["--compress=zstd"]] {
            let (folder, shared) = place();
            let proxy = Proxy::start(shared_server.seat.client, |_| Mischief::Drip(20_000));
            let target = shared.join("backup.db");
            fs::write(&target, "yesterday's").unwrap();
            let child = save(&proxy.url(), flags, &target);
            let part = until_there(&shared, &["backup.db"]);
            sleep(Duration::from_millis(100));
            fs::rename(&part, shared.join("stolen")).unwrap();
            plant(&part, &folder.path().join("secret"));
            let planted = fs::symlink_metadata(&part).ok().map(|facts| facts.file_type());
            refused(&ended(child), "was moved away or replaced by another user");
            assert_eq!(fs::read(&target).unwrap(), b"yesterday's", "{what}");
            // What is not ours stays, and what was taken away takes no room.
            assert_eq!(fs::symlink_metadata(&part).ok().map(|facts| facts.file_type()), planted, "{what}");
            assert_eq!(fs::metadata(shared.join("stolen")).unwrap().len(), 0, "{what}");
            assert_eq!(fs::read(folder.path().join("secret")).unwrap(), b"only for its owner");
        }
    }
}

/// Between the look at the unfinished file and the one at the result lies the rename itself: a run that is held up there by `strace` finds what was done meanwhile.
#[test]
fn a_result_that_is_swapped_in_the_moment_of_its_rename() {
    if !available() {
        return;
    }
    for (what, plant) in PLANTS {
        let (folder, shared) = place();
        let target = shared.join("out.ndjson");
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "--trace=?rename,?renameat,?renameat2"]);
        command.arg("--inject=?rename,?renameat,?renameat2:delay_exit=1500000").arg("--").arg(cli::program());
        command.arg("export").arg(case::named("3.7-history").path()).arg("-o").arg(&target);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let since = Instant::now();
        while !target.exists() {
            assert!(since.elapsed() < PATIENCE, "it is not renamed");
            sleep(Duration::from_millis(1));
        }
        fs::rename(&target, shared.join("stolen")).unwrap();
        plant(&target, &folder.path().join("secret"));
        refused(&ended(child), "is not the file that was written");
        let kind = |path: &Path| fs::symlink_metadata(path).ok().map(|facts| facts.file_type().is_file());
        assert_eq!(kind(&target), [None, Some(false), Some(false), Some(true)][position(what)], "{what}");
        assert!(fs::metadata(shared.join("stolen")).unwrap().len() > 0, "{what}: the whole export stays");
    }
}

fn position(what: &str) -> usize {
    PLANTS.iter().position(|(name, _)| *name == what).unwrap()
}

/// Everything happens in the directory that was there at the start: the file gets its name there, and old ones go there.
#[test]
fn a_directory_that_is_swapped_for_a_link() {
    let Some(shared_server) = server() else { return };
    let url = shared_server.seat.client_url();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["backups", "victim"] {
        fs::create_dir(at(name)).unwrap();
        said(&ended(save(&url, &[], &at(name))));
        // Names have seconds.
        sleep(Duration::from_millis(1100));
        said(&ended(save(&url, &[], &at(name))));
        assert_eq!(names(&at(name)).len(), 2);
    }
    sleep(Duration::from_millis(1100));
    let (backups, victim) = (names(&at("backups")), names(&at("victim")));
    let known: Vec<&str> = backups.iter().map(String::as_str).collect();
    let proxy = Proxy::start(shared_server.seat.client, |_| Mischief::Drip(20_000));
    let child = save(&proxy.url(), &["--keep=1"], &at("backups"));
    until_there(&at("backups"), &known);
    fs::rename(at("backups"), at("moved")).unwrap();
    symlink("victim", at("backups")).unwrap();
    let output = ended(child);
    said(&output);
    assert_eq!(names(&at("victim")), victim, "what lies elsewhere is as it was");
    let now = names(&at("moved"));
    assert_eq!(now.len(), 1, "{now:?}");
    assert!(!backups.contains(&now[0]), "the new one is there, and the old ones are gone");
    assert!(String::from_utf8_lossy(&output.stdout).contains(&backups[0]), "what was removed is told: {output:?}");
}
