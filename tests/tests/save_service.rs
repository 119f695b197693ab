//! `etcdsnap save --every`: repeated snapshots, metrics, systemd, and a graceful end.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use etcdsnap_tests::cli;
use etcdsnap_tests::faulty_proxy::{FaultyProxy, NetworkFault};
use etcdsnap_tests::server::{Servers, member_configs, stdout_of};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A running service; its log is JSON.
struct Service {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Service {
    fn start(url: &str, out: &Path, flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(cli::program())
            .args(["save", &format!("--endpoints={url}"), "--log-format=json", "--metrics-listen=127.0.0.1:0"])
            .args(flags)
            .arg(out)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log }
    }

    /// Returns the next line of the log with this message.
    fn next_message(&mut self, message: &str) -> Value {
        loop {
            let line = self.line().unwrap_or_else(|| panic!("the log ends without {message:?}"));
            if line["message"].as_str().is_some_and(|text| text.contains(message)) {
                return line;
            }
        }
    }

    fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.log.read_line(&mut line).unwrap();
        (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
    }

    /// Sends a signal and waits for the end; returns the exit status and the rest of the log.
    fn stop(mut self, signal: Signal) -> (ExitStatus, Vec<Value>) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let rest = std::iter::from_fn(|| self.line()).collect();
        (self.child.wait().unwrap(), rest)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the value of a metric.
fn metric(address: SocketAddr, name: &str) -> f64 {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200") && answer.contains("openmetrics-text"), "{answer}");
    assert!(answer.ends_with("# EOF\n"), "{answer}");
    let value = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in {answer}")).parse().unwrap()
}

fn count_sound(folder: &Path) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let report = etcdsnap::verify(&path, etcdsnap::VerifyOptions::default()).unwrap();
        assert_eq!(report.verdict, etcdsnap::Verdict::Sound, "{}", path.display());
        count += 1;
    }
    count
}

/// Runs a minute at a short interval, with the server down for a while in the middle.
#[test]
fn a_service_survives_a_restart_of_its_server() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["one"]);
    let Some(mut servers) = Servers::start("3.7", &member_configs, folder.path()) else { return };
    servers.put_megabytes(1);
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let begun = Instant::now();
    let mut service = Service::start(&member_configs[0].client_url(), &out, &["--every=2s", "--keep=5"], &[]);
    let address: SocketAddr = service.next_message("serving metrics")["address"].as_str().unwrap().parse().unwrap();
    for _ in 0..4 {
        service.next_message("saved");
    }
    assert_eq!(metric(address, "etcdsnap_saves_total"), 4.0);
    let member_config = servers.kill(0);
    let failed = service.next_message("no snapshot");
    assert_eq!((&failed["level"], &failed["cause"]), (&"ERROR".into(), &"connect".into()), "{failed}");
    let failures = metric(address, "etcdsnap_failures_total{cause=\"connect\"}");
    assert!(failures >= 1.0);
    servers.restart(&member_config);
    stdout_of(&servers.etcdctl(None, &["put", "after", "the restart"]));
    let mut last = service.next_message("saved");
    assert!(count_sound(&out) <= 5);
    while begun.elapsed() < Duration::from_secs(60) {
        last = service.next_message("saved");
    }
    let revision = last["revision"].as_i64().unwrap();
    assert_eq!(metric(address, "etcdsnap_last_revision"), revision as f64);
    let age = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
        - metric(address, "etcdsnap_last_success_timestamp");
    assert!((0.0..10.0).contains(&age), "{age}");
    assert!(metric(address, "etcdsnap_last_size_bytes") > 1e6);
    assert!(metric(address, "etcdsnap_last_duration_seconds") > 0.0);
    let saves = metric(address, "etcdsnap_saves_total");
    assert!((12.0..=32.0).contains(&saves), "{saves}");
    let (status, rest) = service.stop(Signal::TERM);
    assert!(status.success(), "{status}");
    assert!(rest.iter().any(|line| line["message"] == "stopped by a signal"), "{rest:?}");
    assert_eq!(count_sound(&out), 5);
    assert!(TcpStream::connect(address).is_err());
}

/// A fault at the start ends the service; a later fault may be temporary.
#[test]
fn a_fault_after_the_first_snapshot_is_retried() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["one"]);
    let Some(_servers) = Servers::start("3.7", &member_configs, folder.path()) else { return };
    let file = folder.path().join("backup.db");
    let mut service = Service::start(&member_configs[0].client_url(), &file, &["--every=200ms"], &[]);
    service.next_message("saved");
    // A file that may not be replaced takes its name, again if a snapshot was just being saved.
    let failed = loop {
        if !file.is_symlink() {
            let _ = fs::remove_file(&file);
            let _ = std::os::unix::fs::symlink("/proc/self/fd/1", &file);
        }
        let line = service.line().expect("the service goes on");
        if line["message"].as_str().is_some_and(|text| text.contains("no snapshot")) {
            break line;
        }
    };
    assert_eq!(failed["cause"], "configuration");
    fs::remove_file(&file).unwrap();
    service.next_message("saved");
    let (status, _) = service.stop(Signal::TERM);
    assert!(status.success(), "{status}");
}

/// A snapshot in progress may end, but not take forever.
#[test]
fn a_snapshot_in_progress_gets_a_grace_period() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["one"]);
    let Some(servers) = Servers::start("3.6", &member_configs, folder.path()) else { return };
    servers.put_megabytes(4);
    for (name, rate, grace, finished) in [("short", 10_000, "1s", false), ("long", 40_000, "60s", true)] {
        let slow = FaultyProxy::start(member_configs[0].client, move |_| NetworkFault::Drip(rate));
        let out = folder.path().join(name);
        fs::create_dir(&out).unwrap();
        let service = Service::start(&slow.url(), &out, &["--every=1h", "--grace", grace], &[]);
        let since = Instant::now();
        while fs::read_dir(&out).unwrap().count() == 0 {
            assert!(since.elapsed() < Duration::from_secs(30), "nothing begins");
            sleep(Duration::from_millis(5));
        }
        let since = Instant::now();
        let (status, rest) = service.stop(Signal::TERM);
        assert!(status.success(), "{status} {rest:?}");
        assert_eq!(count_sound(&out), usize::from(finished), "{name}");
        let abandoned = rest.iter().any(|line| line["message"].as_str().is_some_and(|text| text.contains("abandoned")));
        assert_eq!(abandoned, !finished, "{rest:?}");
        assert!(since.elapsed() < Duration::from_secs(30));
    }
}

#[test]
fn systemd_receives_notifications() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["one"]);
    let Some(_servers) = Servers::start("3.5", &member_configs, folder.path()) else { return };
    let socket = folder.path().join("notify");
    let systemd = UnixDatagram::bind(&socket).unwrap();
    systemd.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let told = || {
        let mut block = [0; 4096];
        let len = systemd.recv(&mut block).unwrap();
        String::from_utf8_lossy(&block[..len]).into_owned()
    };
    // The log is JSON, and a path in it can be opened, whatever its bytes.
    let out = folder.path().join(OsStr::from_bytes(b"out\xff"));
    fs::create_dir(&out).unwrap();
    let variables = [("NOTIFY_SOCKET", socket.to_str().unwrap())];
    let mut service = Service::start(&member_configs[0].client_url(), &out, &["--every=1h"], &variables);
    assert!(told().contains("READY=1"));
    let file = BASE64_STANDARD.decode(service.next_message("saved")["file_base64"].as_str().unwrap()).unwrap();
    assert!(out.join(OsStr::from_bytes(&file)).is_file());
    assert!(told().contains("STATUS=last snapshot"));
    let (status, _) = service.stop(Signal::INT);
    assert!(status.success());
    assert!(told().contains("STOPPING=1"));
}

/// A configuration that can never produce a snapshot ends the service at once, instead of failing forever.
#[test]
fn a_hopeless_configuration_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let run = |flags: &[&str], file: &str| {
        let path = folder.path().join(file);
        let arguments = [&["save", "--every=1s"], flags, &[path.to_str().unwrap()]].concat();
        let output = cli::run(&arguments);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (flags, file, word) in [
        (&["--metrics-listen=off", "--keep=3"][..], "fixed.db", "{time}"),
        (&["--metrics-listen=off", "--endpoints=ftp://x:1"], "{time}.db", "scheme"),
        (&["--metrics-listen=off", "--endpoints=https://127.0.0.1:1", "--cacert=nowhere"], "{time}.db", "--cacert"),
        (&["--metrics-listen=nowhere"], "{time}.db", "--metrics-listen"),
    ] {
        let (code, text) = run(flags, file);
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains(word), "{text}");
    }
}
