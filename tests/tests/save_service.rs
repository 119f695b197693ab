//! `etcdsnap save --every`: one snapshot after another, metrics, systemd, and an orderly end.

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
use etcdsnap_tests::proxy::{Mischief, Proxy};
use etcdsnap_tests::server::{Servers, said, seats};
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

    /// The next line of the log with this message.
    fn until(&mut self, message: &str) -> Value {
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

    /// Sends a signal and waits for the end; the exit code and the rest of the log.
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

/// A figure among the metrics.
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

fn sound(folder: &Path) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let report = etcdsnap::verify(&path, etcdsnap::VerifyOptions::default()).unwrap();
        assert_eq!(report.verdict, etcdsnap::Verdict::Sound, "{}", path.display());
        count += 1;
    }
    count
}

/// A minute at a short interval, with the server away for a while in the middle.
#[test]
fn for_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let seats = seats(folder.path(), &["one"]);
    let Some(mut servers) = Servers::start("3.7", &seats, folder.path()) else { return };
    servers.fill(1);
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let begun = Instant::now();
    let mut service = Service::start(&seats[0].client_url(), &out, &["--every=2s", "--keep=5"], &[]);
    let address: SocketAddr = service.until("serving metrics")["address"].as_str().unwrap().parse().unwrap();
    for _ in 0..4 {
        service.until("saved");
    }
    assert_eq!(metric(address, "etcdsnap_saves_total"), 4.0);
    let seat = servers.kill(0);
    let failed = service.until("no snapshot");
    assert_eq!((&failed["level"], &failed["cause"]), (&"ERROR".into(), &"connect".into()), "{failed}");
    let failures = metric(address, "etcdsnap_failures_total{cause=\"connect\"}");
    assert!(failures >= 1.0);
    servers.restart(&seat);
    said(&servers.etcdctl(None, &["put", "after", "the restart"]));
    let mut last = service.until("saved");
    assert!(sound(&out) <= 5);
    while begun.elapsed() < Duration::from_secs(60) {
        last = service.until("saved");
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
    assert_eq!(sound(&out), 5);
    assert!(TcpStream::connect(address).is_err());
}

/// What cannot work from the start ends the service; what stops working may come back.
#[test]
fn what_worked_once_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let seats = seats(folder.path(), &["one"]);
    let Some(_servers) = Servers::start("3.7", &seats, folder.path()) else { return };
    let file = folder.path().join("backup.db");
    let mut service = Service::start(&seats[0].client_url(), &file, &["--every=200ms"], &[]);
    service.until("saved");
    // Something takes its name that may not be replaced, again if a snapshot was just about to.
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
    service.until("saved");
    let (status, _) = service.stop(Signal::TERM);
    assert!(status.success(), "{status}");
}

/// A snapshot under way may come to its end, but not for ever.
#[test]
fn the_time_of_grace() {
    let folder = tempfile::tempdir().unwrap();
    let seats = seats(folder.path(), &["one"]);
    let Some(servers) = Servers::start("3.6", &seats, folder.path()) else { return };
    servers.fill(4);
    for (name, rate, grace, finished) in [("short", 10_000, "1s", false), ("long", 40_000, "60s", true)] {
        let slow = Proxy::start(seats[0].client, move |_| Mischief::Drip(rate));
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
        assert_eq!(sound(&out), usize::from(finished), "{name}");
        let abandoned = rest.iter().any(|line| line["message"].as_str().is_some_and(|text| text.contains("abandoned")));
        assert_eq!(abandoned, !finished, "{rest:?}");
        assert!(since.elapsed() < Duration::from_secs(30));
    }
}

#[test]
fn systemd_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let seats = seats(folder.path(), &["one"]);
    let Some(_servers) = Servers::start("3.5", &seats, folder.path()) else { return };
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
    let mut service = Service::start(&seats[0].client_url(), &out, &["--every=1h"], &variables);
    assert!(told().contains("READY=1"));
    let file = BASE64_STANDARD.decode(service.until("saved")["file_base64"].as_str().unwrap()).unwrap();
    assert!(out.join(OsStr::from_bytes(&file)).is_file());
    assert!(told().contains("STATUS=last snapshot"));
    let (status, _) = service.stop(Signal::INT);
    assert!(status.success());
    assert!(told().contains("STOPPING=1"));
}

/// What can never lead to a snapshot ends the service at once, instead of failing for ever.
#[test]
fn what_can_never_work_does_not_start() {
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
