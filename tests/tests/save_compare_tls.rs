//! `save` compares with a cluster that asks its clients for certificates and passwords: what came encrypted is not sent on in plain text.

use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use etcdsnap_tests::cli;
use etcdsnap_tests::server::{Seat, initial_cluster, program, said, seats};
use etcdsnap_tests::tls::{Authority, Key, Pair, Whose};
use etcdsnap_tests::tls_etcd::{NAMES, certificate_flags, client_flags};
use serde_json::Value;

/// Members that end with the value.
struct Members(Vec<Child>);

impl Drop for Members {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A member that speaks TLS with its clients, and tells them that it is to be reached by `advertised`.
fn start(seat: &Seat, all: &[Seat], advertised: &str, pair: &Pair, authority: &Authority) -> Option<Child> {
    let child = program("3.7", "etcd")?
        .args(["--name", &seat.name])
        .arg("--data-dir")
        .arg(&seat.data)
        .arg(format!("--listen-client-urls=https://127.0.0.1:{}", seat.client))
        .arg(format!("--advertise-client-urls={advertised}"))
        .args(["--listen-peer-urls", &seat.peer_url(), "--initial-advertise-peer-urls", &seat.peer_url()])
        .args(["--initial-cluster", &initial_cluster(all), "--client-cert-auth"])
        .arg(format!("--trusted-ca-file={}", authority.cert.display()))
        .args(certificate_flags(pair))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Some(child.unwrap())
}

fn member<'j>(json: &'j Value, name: &str) -> &'j Value {
    let members = json["comparison"]["members"].as_array().unwrap_or_else(|| panic!("no comparison: {json}"));
    members.iter().find(|member| member["name"] == name).unwrap_or_else(|| panic!("no {name}: {json}"))
}

#[test]
fn members_that_want_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let seats = seats(folder.path(), &["a", "b", "c"]);
    let authority = Authority::new(folder.path(), "authority");
    let pair = authority.sign("server", Whose::Server(NAMES), Key::EcPkcs8);
    let [cert, key] = client_flags(&authority.sign("client", Whose::Client("root"), Key::EcPkcs8));
    let cacert = format!("--cacert={}", authority.cert.display());
    let mut members = Members(Vec::new());
    for seat in &seats {
        // One member tells an address without TLS.
        let scheme = if seat.name == "c" { "http" } else { "https" };
        let advertised = format!("{scheme}://127.0.0.1:{}", seat.client);
        let Some(child) = start(seat, &seats, &advertised, &pair, &authority) else { return };
        members.0.push(child);
    }
    let url = |seat: &Seat| format!("https://127.0.0.1:{}", seat.client);
    let file = folder.path().join("backup.db");
    let save = |endpoints: &str, flags: &[&str], file: &Path| {
        let endpoints = format!("--endpoints={endpoints}");
        let words = ["save", &endpoints, &cacert, &cert, &key, "-w=json", file.to_str().unwrap()];
        cli::run(&[&words[..], flags].concat())
    };
    // Until the cluster has a leader, and all members have told the others where they are.
    let since = Instant::now();
    let json = loop {
        let output = save(&url(&seats[0]), &[], &file);
        if output.status.success() {
            let json = cli::json(&output);
            if member(&json, "b")["outcome"] == "same" && member(&json, "c")["name"] == "c" {
                break json;
            }
        }
        assert!(since.elapsed() < Duration::from_secs(90), "{output:?}");
        sleep(Duration::from_millis(500));
    };
    let of_c = member(&json, "c");
    assert_eq!(of_c["outcome"], "notCompared");
    assert!(of_c["reason"].as_str().unwrap().ends_with("is not encrypted"), "{json}");
    // It is compared when the caller names its address.
    let all: Vec<_> = seats.iter().map(url).collect();
    let json = cli::json(&save(&all.join(","), &[], &file));
    assert_eq!((&member(&json, "b")["outcome"], &member(&json, "c")["outcome"]), (&"same".into(), &"same".into()));

    // With users, too: each member gives a token of its own.
    let etcdctl = |words: &[&str]| {
        let mut etcdctl = program("3.7", "etcdctl").unwrap();
        etcdctl.arg(format!("--endpoints={}", url(&seats[0]))).args([&cacert, &cert, &key]).args(words);
        said(&etcdctl.output().unwrap());
    };
    etcdctl(&["user", "add", "root:secret"]);
    etcdctl(&["user", "grant-role", "root", "root"]);
    etcdctl(&["auth", "enable"]);
    let output = save(&url(&seats[1]), &["--user=root:secret"], &file);
    said(&output);
    let json = cli::json(&output);
    assert_eq!(member(&json, "a")["outcome"], "same", "{json}");
    assert_eq!(member(&json, "c")["outcome"], "notCompared", "{json}");
}
