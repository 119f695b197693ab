//! `save` compares a cluster that requires client certificates and passwords: no credentials are sent in plain text.

use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use etcdsnap_tests::certificates::{Authority, CertificateFiles, CertificateUse, Key};
use etcdsnap_tests::cli;
use etcdsnap_tests::server::{MemberConfig, initial_cluster, member_configs, program, stdout_of};
use etcdsnap_tests::tls_etcd::{NAMES, certificate_flags, client_flags};
use serde_json::Value;

/// Members that are killed when the value is dropped.
struct Members(Vec<Child>);

impl Drop for Members {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts a member with TLS for clients, which advertises the client URL `advertised`.
fn start(
    member_config: &MemberConfig,
    all: &[MemberConfig],
    advertised: &str,
    pair: &CertificateFiles,
    authority: &Authority,
) -> Option<Child> {
    let child = program("3.7", "etcd")?
        .args(["--name", &member_config.name])
        .arg("--data-dir")
        .arg(&member_config.data)
        .arg(format!("--listen-client-urls=https://127.0.0.1:{}", member_config.client))
        .arg(format!("--advertise-client-urls={advertised}"))
        .args([
            "--listen-peer-urls",
            &member_config.peer_url(),
            "--initial-advertise-peer-urls",
            &member_config.peer_url(),
        ])
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
fn members_that_require_certificates_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["a", "b", "c"]);
    let authority = Authority::new(folder.path(), "authority");
    let pair = authority.sign("server", CertificateUse::Server(NAMES), Key::EcPkcs8);
    let [cert, key] = client_flags(&authority.sign("client", CertificateUse::Client("root"), Key::EcPkcs8));
    let cacert = format!("--cacert={}", authority.cert.display());
    let mut members = Members(Vec::new());
    for member_config in &member_configs {
        // One member advertises an address without TLS.
        let scheme = if member_config.name == "c" { "http" } else { "https" };
        let advertised = format!("{scheme}://127.0.0.1:{}", member_config.client);
        let Some(child) = start(member_config, &member_configs, &advertised, &pair, &authority) else { return };
        members.0.push(child);
    }
    let url = |member_config: &MemberConfig| format!("https://127.0.0.1:{}", member_config.client);
    let file = folder.path().join("backup.db");
    let save = |endpoints: &str, flags: &[&str], file: &Path| {
        let endpoints = format!("--endpoints={endpoints}");
        let words = ["save", &endpoints, &cacert, &cert, &key, "-w=json", file.to_str().unwrap()];
        cli::run(&[&words[..], flags].concat())
    };
    // Until the cluster has a leader, and all members have advertised their addresses.
    let since = Instant::now();
    let json = loop {
        let output = save(&url(&member_configs[0]), &[], &file);
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
    // It is compared if the caller names its address.
    let all: Vec<_> = member_configs.iter().map(url).collect();
    let json = cli::json(&save(&all.join(","), &[], &file));
    assert_eq!((&member(&json, "b")["outcome"], &member(&json, "c")["outcome"]), (&"same".into(), &"same".into()));

    // With users too: each member issues its own token.
    let etcdctl = |words: &[&str]| {
        let mut etcdctl = program("3.7", "etcdctl").unwrap();
        etcdctl.arg(format!("--endpoints={}", url(&member_configs[0]))).args([&cacert, &cert, &key]).args(words);
        stdout_of(&etcdctl.output().unwrap());
    };
    etcdctl(&["user", "add", "root:secret"]);
    etcdctl(&["user", "grant-role", "root", "root"]);
    etcdctl(&["auth", "enable"]);
    let output = save(&url(&member_configs[1]), &["--user=root:secret"], &file);
    stdout_of(&output);
    let json = cli::json(&output);
    assert_eq!(member(&json, "a")["outcome"], "same", "{json}");
    assert_eq!(member(&json, "c")["outcome"], "notCompared", "{json}");
}
