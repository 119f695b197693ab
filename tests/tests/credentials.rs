//! User and password inside a URL are never printed, logged or exported as a metric, whatever the command's outcome.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use etcdsnap_tests::cli::{self, printed as said};
use etcdsnap_tests::http_server::exchange;
use etcdsnap_tests::server::{Servers, member_configs};
use rustix::process::{Pid, Signal, kill_process};

/// The user and the password in every URL of these tests.
const SECRETS: [&str; 2] = ["geheimer-nutzer", "s3kr1t"];

/// Returns a URL with both.
fn with_secrets(scheme: &str, rest: &str) -> String {
    format!("{scheme}{}:{}@{rest}", SECRETS[0], SECRETS[1])
}

fn assert_has_no_secrets(what: &str, said: &str) {
    assert!(!said.is_empty(), "{what}: nothing was said");
    for secret in SECRETS {
        assert!(!said.contains(secret), "{what}: {said}");
    }
}

#[test]
fn no_message_contains_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = etcdsnap_tests::programs::tests_dir().join("../samples/sample.db");
    let snapshot = snapshot.to_str().unwrap();
    let target = folder.path().join("x.db");
    let target = target.to_str().unwrap();
    let endpoints = [
        with_secrets("http://", "127.0.0.1:1"),
        with_secrets("https://", "127.0.0.1:1"),
        with_secrets("", "127.0.0.1:1"),
        with_secrets("ftp://", "127.0.0.1:1"),
        with_secrets("http://", "127.0.0.1"),
        with_secrets("http://", "127.0.0.1:port"),
        with_secrets("http://", "no such host:1"),
        with_secrets("http://", "nowhere.invalid:1"),
        with_secrets("http://", "127.0.0.1:1") + "," + &with_secrets("http://", "127.0.0.1:2"),
        // A token in the query or the fragment, which the program sends to no server.
        format!("http://127.0.0.1:1/?token={}", SECRETS[1]),
        format!("127.0.0.1:1?{}#{}", SECRETS[1], SECRETS[0]),
        format!("ftp://127.0.0.1:1#{}", SECRETS[1]),
        format!("http://127.0.0.1:port?token={}", SECRETS[1]),
        // A list is split at its commas, so a comma within a password leaves half of it.
        format!("http://{}:{},and-more@127.0.0.1:1", SECRETS[0], SECRETS[1]).replacen(SECRETS[0], "user", 1),
    ];
    for endpoint in endpoints {
        for form in ["text", "json"] {
            let output = cli::run(&["save", "-w", form, "--retries=1", &format!("--endpoints={endpoint}"), target]);
            assert_eq!(output.status.code(), Some(2), "{}", said(&output));
            assert_has_no_secrets(&endpoint, &said(&output));
        }
    }
    let member = |url: &str| format!("default={url}");
    for cluster in [
        member(&with_secrets("http://", "127.0.0.1:2380")),
        member(&with_secrets("http://", "127.0.0.1")),
        member(&format!("http://user:{}", SECRETS[1])),
    ] {
        let target = folder.path().join("data");
        let output =
            cli::run(&["restore", snapshot, "--data-dir", target.to_str().unwrap(), "--initial-cluster", &cluster]);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert_has_no_secrets(&cluster, &said(&output));
    }
    let url = with_secrets("http://", "127.0.0.1:2379");
    for words in [
        &["save", target, url.as_str()][..],
        &["verify", &url],
        &["save", "--metrics-listen", &url, "--every=1s", target],
        &[&url],
        &["save", &url],
    ] {
        let output = cli::run(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", said(&output));
        assert_has_no_secrets(&format!("{words:?}"), &said(&output));
    }
}

#[test]
fn neither_a_save_nor_a_service_prints_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["one"]);
    let Some(_servers) = Servers::start("3.7", &member_configs, folder.path()) else { return };
    let endpoint = member_configs[0].client_url();
    let url = with_secrets("http://", endpoint.trim_start_matches("http://"));
    let endpoints = format!("--endpoints={url}/?token={}", SECRETS[1]);
    let file = folder.path().join("x.db");
    for form in ["text", "json"] {
        let output = cli::run(&["save", "-w", form, &endpoints, file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert_has_no_secrets(form, &said(&output));
    }
    let mut service = Command::new(cli::program())
        .args(["save", "--every=1h", "-w", "json", "--log-format=json", "--metrics-listen=localhost:0", &endpoints])
        .arg(folder.path().join("{time}.db"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One line of JSON for the snapshot, besides the log.
    let mut stdout = BufReader::new(service.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let saved: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(saved["endpoint"], format!("{}/?…", member_configs[0].client_url()));
    assert!(saved["revision"].is_number() && saved["file"].is_string(), "{line}");
    let mut stderr = BufReader::new(service.stderr.take().unwrap());
    let mut log = String::new();
    let address: SocketAddr = loop {
        let mut line = String::new();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "{log}");
        log.push_str(&line);
        let value: Option<serde_json::Value> = serde_json::from_str(&line).ok();
        let address = value.and_then(|value| Some(value["address"].as_str()?.to_owned()));
        if let Some(address) = address.filter(|address| address.starts_with("127.")) {
            break address.parse().unwrap();
        }
    };
    let metrics = exchange(address, b"GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n", Duration::from_secs(5));
    assert!(metrics.contains("etcdsnap_saves_total 1"), "{metrics}");
    kill_process(Pid::from_child(&service), Signal::TERM).unwrap();
    stderr.read_to_string(&mut log).unwrap();
    stdout.read_to_string(&mut line).unwrap();
    assert_eq!(service.wait().unwrap().code(), Some(0));
    assert_eq!(line.lines().count(), 1);
    for (what, said) in [("log", log), ("metrics", metrics), ("lines", line)] {
        assert_has_no_secrets(what, &said);
    }
}

/// Tests that the help of a command explains its exit codes.
#[test]
fn the_help_explains_the_exit_codes() {
    for (command, words) in [
        ("get", "no such key"),
        ("history", "no such key"),
        ("diff", "there are differences"),
        ("save", "stopped by SIGTERM"),
        ("open", "stopped by Ctrl-C"),
        ("verify", "damage was found"),
    ] {
        let help = said(&cli::run(&[command, "--help"]));
        let codes = help.split("Exit codes:").nth(1).unwrap_or_else(|| panic!("{command}: {help}"));
        assert!(codes.contains(words), "{command}: {codes}");
    }
}
