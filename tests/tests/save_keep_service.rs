//! A service whose environment changes: its directory vanishes, its password changes. And messages about the command line.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Weak};
use std::thread::sleep;
use std::time::{Duration, Instant};

use etcdsnap_tests::cli;
use etcdsnap_tests::server::{Servers, member_configs, stdout_of};
use etcdsnap_tests::shared_server::{SharedServer, Slot};
use rustix::process::{Pid, Signal, kill_process};

const TIMEOUT: Duration = Duration::from_secs(60);

/// Returns a small server.
fn server() -> Option<Arc<SharedServer>> {
    static SLOT: Slot = Slot::new(Weak::new());
    SharedServer::get(&SLOT, 0)
}

/// A running service; its log goes into a file.
struct Service {
    child: Child,
    log: std::path::PathBuf,
}

impl Service {
    fn start(url: &str, target: &Path, flags: &[&str], log: &Path) -> Self {
        let child = Command::new(cli::program())
            .args(["save", "--every=300ms", "--metrics-listen=off", "--endpoints", url])
            .args(flags)
            .arg(target)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(log).unwrap())
            .spawn()
            .unwrap();
        Self { child, log: log.to_owned() }
    }

    fn count(&self, word: &str) -> usize {
        fs::read_to_string(&self.log).unwrap().matches(word).count()
    }

    /// Waits until the word appears in the log once more.
    fn wait_for_next(&self, word: &str) {
        let (before, since) = (self.count(word), Instant::now());
        while self.count(word) == before {
            assert!(since.elapsed() < TIMEOUT, "no {word:?} in {}", fs::read_to_string(&self.log).unwrap());
            sleep(Duration::from_millis(20));
        }
    }

    fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn save(url: &str, flags: &[&str], target: impl AsRef<Path>) -> Output {
    cli::run(&[&["save", "--endpoints", url], flags, &[target.as_ref().to_str().unwrap()]].concat())
}

fn message(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    cli::stderr_in_one_line(output)
}

#[test]
fn a_vanished_directory_does_not_become_a_file() {
    let Some(shared) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (name, flags) in [("without", &[][..]), ("with", &["--keep=9"])] {
        let out = folder.path().join(name);
        fs::create_dir(&out).unwrap();
        let service =
            Service::start(&shared.member_config.client_url(), &out, flags, &folder.path().join(format!("{name}.log")));
        service.wait_for_next(" saved ");
        fs::remove_dir_all(&out).unwrap();
        // The save in progress may fail in another way.
        service.wait_for_next("no snapshot");
        service.wait_for_next("does not exist");
        assert!(service.count("Is it mounted?") > 0);
        assert!(!out.exists());
        fs::create_dir(&out).unwrap();
        service.wait_for_next(" saved ");
        assert!(out.is_dir() && fs::read_dir(&out).unwrap().count() > 0);
        service.stop();
    }
}

#[test]
fn a_dangling_link_is_not_replaced() {
    let Some(shared) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("backups");
    symlink(folder.path().join("not-mounted/etcd"), &link).unwrap();
    for flags in [&[][..], &["--every=1s", "--metrics-listen=off"]] {
        let text = message(&save(&shared.member_config.client_url(), flags, &link));
        assert!(text.contains("a dangling link") && text.contains("mounted"), "{text}");
    }
    assert!(link.is_symlink());
}

#[test]
fn a_password_file_is_read_again_for_each_save() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["one"]);
    // Password hashes that are cheap to compute.
    let Some(servers) = Servers::start_with("3.6", &member_configs, folder.path(), &["--bcrypt-cost=4".into()]) else {
        return;
    };
    for words in [
        &["user", "add", "root:old"][..],
        &["role", "add", "root"],
        &["user", "grant-role", "root", "root"],
        &["auth", "enable"],
    ] {
        stdout_of(&servers.etcdctl(None, words));
    }
    let password = folder.path().join("password");
    fs::write(&password, "old\n").unwrap();
    let flags = ["--user=root", "--password-file", password.to_str().unwrap()];
    let service = Service::start(
        &member_configs[0].client_url(),
        &folder.path().join("x.db"),
        &flags,
        &folder.path().join("log"),
    );
    service.wait_for_next(" saved ");
    let mut change = servers.command(&["--user=root:old", "user", "passwd", "root", "--interactive=false"]);
    let mut child = change.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"new\n").unwrap();
    stdout_of(&child.wait_with_output().unwrap());
    service.wait_for_next("no snapshot");
    fs::write(&password, "new\n").unwrap();
    service.wait_for_next(" saved ");
    // While the file is missing, the old password stays in use.
    fs::remove_file(&password).unwrap();
    service.wait_for_next("--password-file");
    service.wait_for_next(" saved ");
    service.stop();
}

#[test]
fn command_line_errors_are_explained() {
    let Some(shared) = server() else { return };
    let (url, folder) = (shared.member_config.client_url(), tempfile::tempdir().unwrap());
    let at = |name: &str| folder.path().join(name);
    for (url, flags, target, words) in [
        ("", &[][..], at("x.db"), &["--endpoints is empty"][..]),
        (" , ", &[], at("x.db"), &["--endpoints is empty"]),
        ("::1:21030", &[], at("x.db"), &["\"::1:21030\"", "[ADDRESS]:PORT"]),
        (&url, &["--keep=0"], at("{time}.db"), &["it must be at least 1"]),
        (&url, &["--keep=3"], at("missing"), &["{time}", "is it mounted?"]),
        (&url, &[], at("missing/x.db"), &["missing does not exist", "create the directory first"]),
        (&url, &[], at("missing/"), &["missing/ does not exist", "Is it mounted?"]),
        (&url, &[], at("sub/{cluster}/{time}.db"), &["sub/{cluster} does not exist", "the last part of the path"]),
    ] {
        let text = message(&save(url, flags, target));
        assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
    }
    let gone = at("gone");
    fs::create_dir(&gone).unwrap();
    let script = "rmdir \"$PWD\"; exec \"$0\" save x.db --endpoints \"$1\"";
    let output =
        Command::new("sh").args(["-c", script]).arg(cli::program()).arg(&url).current_dir(&gone).output().unwrap();
    let text = message(&output);
    assert!(text.contains("in which this program was started has been removed"), "{text}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    // An empty variable of etcdctl counts as unset.
    let mut command = Command::new(cli::program());
    let output =
        command.args(["save", "--dial-timeout=100ms"]).arg(at("x.db")).env("ETCDCTL_ENDPOINTS", "").output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains("is empty"), "{output:?}");
}

/// Tests a full disk for the log.
#[test]
fn the_exit_code_is_right_even_if_printing_fails() {
    let Some(shared) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.db");
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    let mut save = Command::new(cli::program());
    save.args(["save", "--endpoints", &shared.member_config.client_url()])
        .arg(&file)
        .stdout(full())
        .stderr(Stdio::piped());
    let text = message(&save.spawn().unwrap().wait_with_output().unwrap());
    assert!(text.contains("x.db is complete and in place, but"), "{text}");
    for (flags, words) in [
        (&["--data-dir"][..], "r is complete and in place, but"),
        (
            &["--initial-cluster", "a=http://127.0.0.1:1,b=http://127.0.0.1:2", "--all-members"],
            "All 2 data directories are complete",
        ),
    ] {
        let to = folder.path().join(if words.starts_with('r') { "r" } else { "all" });
        let mut restore = Command::new(cli::program());
        restore.arg("restore").arg(&file).args(flags).arg(&to).stdout(full()).stderr(Stdio::piped());
        let text = message(&restore.spawn().unwrap().wait_with_output().unwrap());
        assert!(text.contains(words) && to.is_dir(), "{text}");
    }
}

#[test]
fn a_name_without_the_extension_of_its_compression_is_reported() {
    let Some(shared) = server() else { return };
    let (url, folder) = (shared.member_config.client_url(), tempfile::tempdir().unwrap());
    for (name, flag, says) in [
        ("q-{time}.db", "--compress=zstd", Some("ends with .zst")),
        ("q-{time}.db.zst", "--compress=zstd", None),
        ("q.db.gz", "--compress=gzip", None),
        ("q.db.gz", "--no-compare", Some("ends with .gz")),
    ] {
        let output = save(&url, &[flag], folder.path().join(name));
        stdout_of(&output);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(text.contains("ame ends with") || text.contains("name does not show it"), says.is_some(), "{text}");
        assert!(says.is_none_or(|words| text.contains(words)), "{text}");
    }
}
