//! The files in docs/schedule work: the tool for each of them parses it, and the test runs its commands on a server that requires certificates.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use etcdsnap_tests::certificates::{Authority, CertificateUse, Key};
use etcdsnap_tests::cli;
use etcdsnap_tests::programs::tests_dir;
use etcdsnap_tests::server::{Servers, member_configs, stdout_of};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn document(name: &str) -> PathBuf {
    tests_dir().join("../docs/schedule").join(name)
}

/// A server, the files that the documents name, and a directory for snapshots.
struct ScheduledServer {
    folder: tempfile::TempDir,
    _servers: Servers,
    url: String,
}

impl ScheduledServer {
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let pki = folder.path().join("pki");
        fs::create_dir(&pki).unwrap();
        fs::create_dir(folder.path().join("backup")).unwrap();
        let authority = Authority::new(&pki, "ca");
        fs::rename(&authority.cert, pki.join("ca.crt")).unwrap();
        let server = authority.sign("server", CertificateUse::Server(&["127.0.0.1"]), Key::EcPkcs8);
        for name in ["client", "healthcheck-client"] {
            let _ = authority.sign(name, CertificateUse::Client("root"), Key::EcPkcs8);
        }
        let member_configs = member_configs(folder.path(), &["one", "spare"]);
        let url = format!("https://127.0.0.1:{}", member_configs[1].client);
        let flags = [
            format!("--listen-client-urls={},{url}", member_configs[0].client_url()),
            format!("--cert-file={}", server.cert.display()),
            format!("--key-file={}", server.key.display()),
            format!("--trusted-ca-file={}", pki.join("ca.crt").display()),
            "--client-cert-auth".to_owned(),
        ];
        let servers = Servers::start_with("3.7", &member_configs[..1], folder.path(), &flags)?;
        stdout_of(&servers.etcdctl(None, &["put", "some", "thing"]));
        Some(Self { folder, _servers: servers, url })
    }

    /// Replaces the paths in a document's text by paths of this test.
    fn with_local_paths(&self, text: &str, pki: &str, backup: &str) -> String {
        let place = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        let with_local_paths = text
            .replace("https://127.0.0.1:2379", &self.url)
            .replace(pki, &place("pki"))
            .replace(backup, &place("backup"));
        assert_ne!(with_local_paths, text);
        with_local_paths
    }

    /// Returns the snapshots, and asserts that all of them are sound.
    fn snapshots(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path().join("backup")).unwrap();
        let files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        for file in &files {
            assert!(file.to_str().unwrap().ends_with(".db.zst"), "{}", file.display());
            let report = etcdsnap::verify(file, etcdsnap::VerifyOptions::default()).unwrap();
            assert_eq!(report.verdict, etcdsnap::Verdict::Sound);
        }
        files
    }
}

fn is_schedule(fields: &[&str]) -> bool {
    fields.len() == 5
        && fields.iter().all(|field| field.chars().all(|sign| sign.is_ascii_digit() || "*/,-".contains(sign)))
}

#[test]
fn the_cron_line_works() {
    let text = fs::read_to_string(document("etcdsnap.cron")).unwrap();
    let jobs: Vec<&str> =
        text.lines().filter(|line| !line.starts_with('#') && !line.split(' ').next().unwrap().contains('=')).collect();
    let [job] = jobs.as_slice() else { panic!("{jobs:?}") };
    let words: Vec<&str> = job.splitn(7, ' ').collect();
    assert!(is_schedule(&words[..5]), "{job}");
    assert_eq!(words[5], "root");
    // cron would treat a percent sign as the end of the line.
    assert!(!job.contains('%'), "{job}");
    let Some(server) = ScheduledServer::start() else { return };
    for count in 1..=2 {
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(server.with_local_paths(words[6], "/etc/etcd/pki", "/var/backups/etcd"))
            .stdin(Stdio::null());
        let output = shell.env("PATH", with_program()).output().unwrap();
        // No output: cron sends no mail if all is well.
        assert_eq!(stdout_of(&output), "");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(server.snapshots().len(), count);
        // Names distinguish snapshots by the second.
        sleep(Duration::from_millis(1100));
    }
}

/// Returns the search path with the program in it.
fn with_program() -> std::ffi::OsString {
    let own = cli::program().parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&path))).unwrap()
}

#[test]
fn the_systemd_unit_works() {
    let text = fs::read_to_string(document("etcdsnap.service")).unwrap();
    let program = cli::program().to_str().unwrap();
    let command = text.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/etcdsnap ")).unwrap();
    assert_systemd_accepts(&[("etcdsnap.service", text.replace("/usr/local/bin/etcdsnap", program))]);

    let Some(server) = ScheduledServer::start() else { return };
    let socket = server.folder.path().join("notify");
    let systemd = UnixDatagram::bind(&socket).unwrap();
    systemd.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let words = server.with_local_paths(command, "/etc/etcd/pki", "/var/lib/etcdsnap");
    let mut service = Command::new(program)
        .args(words.split(' '))
        .arg("--metrics-listen=127.0.0.1:0")
        .env("NOTIFY_SOCKET", &socket)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut block = [0; 4096];
    let told = systemd.recv(&mut block).unwrap();
    assert!(String::from_utf8_lossy(&block[..told]).contains("READY=1"));
    let since = Instant::now();
    while server.folder.path().join("backup").read_dir().unwrap().all(|entry| !is_snapshot(&entry.unwrap().path())) {
        assert!(since.elapsed() < Duration::from_secs(60), "no snapshot");
        sleep(Duration::from_millis(20));
    }
    kill_process(Pid::from_child(&service), Signal::TERM).unwrap();
    assert!(service.wait().unwrap().success());
    assert_eq!(server.snapshots().len(), 1);
}

fn is_snapshot(path: &Path) -> bool {
    path.to_str().unwrap().ends_with(".db.zst")
}

/// Checks units with systemd's own tool, if it is installed.
fn assert_systemd_accepts(units: &[(&str, String)]) {
    let folder = tempfile::tempdir().unwrap();
    let mut analyze = Command::new("systemd-analyze");
    analyze.args(["verify", "--man=no"]);
    for (name, unit) in units {
        let file = folder.path().join(name);
        fs::write(&file, unit).unwrap();
        analyze.arg(file);
    }
    match analyze.output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && !text.contains("etcdsnap."), "{text}");
        }
        Err(cause) => println!("systemd-analyze: {cause}; systemd does not judge the units here"),
    }
}

/// The service of the Debian package saves what its settings say, with their lines for TLS turned on.
#[test]
fn the_packaged_service_works() {
    let read = |name: &str| fs::read_to_string(tests_dir().join("../packaging/deb").join(name)).unwrap();
    let unit = read("etcdsnap.service");
    let program = cli::program().to_str().unwrap();
    assert_systemd_accepts(&[
        ("etcdsnap.service", unit.replace("/usr/bin/etcdsnap", program)),
        ("etcdsnap.timer", read("etcdsnap.timer")),
    ]);

    let Some(site) = ScheduledServer::start() else { return };
    let settings = read("etcdsnap.default").replace("#ETCDCTL", "ETCDCTL").replace("http://", "https://");
    let settings = site
        .with_local_paths(&settings, "/run/credentials/etcdsnap.service", "/var/backups/etcd")
        // systemd names a credential after its folder and file.
        .replace("/pki_", "/");
    let settings: Vec<(&str, &str)> = settings
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once('=').unwrap())
        .map(|(name, value)| (name, value.trim_matches('"')))
        .collect();
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/etcdsnap ")).unwrap();
    // systemd splits a variable without braces into words.
    let words = start.split(' ').flat_map(|word| match word.strip_prefix('$') {
        Some(name) => settings.iter().find(|(known, _)| *known == name).unwrap().1.split(' ').collect(),
        None => vec![word],
    });
    stdout_of(&Command::new(program).args(words).envs(settings.iter().copied()).stdin(Stdio::null()).output().unwrap());
    assert_eq!(site.snapshots().len(), 1);
}

#[test]
fn the_kubernetes_job_works() {
    let reader = tests_dir().join("reference/bin/manifest/manifest");
    if !reader.exists() {
        assert!(std::env::var_os("ETCDSNAP_REQUIRE_REFERENCE").is_none(), "`cargo xtask test` builds {reader:?}");
        println!("{} is not built", reader.display());
        return;
    }
    let text = stdout_of(&Command::new(reader).arg(document("cronjob.yaml")).output().unwrap());
    let job: Value = serde_json::from_str(&text).unwrap();
    let schedule: Vec<&str> = job["schedule"].as_str().unwrap().split(' ').collect();
    assert!(is_schedule(&schedule), "{schedule:?}");
    assert_eq!(job["mounts"]["/pki"], "/etc/kubernetes/pki/etcd");
    assert!(job["mounts"]["/backup"].is_string());
    // Only root reads these keys, and the image runs as another user.
    assert_eq!(job["user"], 0);
    let Some(server) = ScheduledServer::start() else { return };
    let words: Vec<&str> = job["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let words = server.with_local_paths(&words.join("\n"), "/pki", "/backup");
    let mut command = Command::new(cli::program());
    // The container's own file system is read-only.
    command.args(words.lines()).env("TMPDIR", "/nowhere").stdin(Stdio::null());
    stdout_of(&command.output().unwrap());
    assert_eq!(server.snapshots().len(), 1);
}
