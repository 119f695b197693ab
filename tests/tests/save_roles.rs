//! `etcdsnap save` from members in unusual roles: learners, and the remaining member of a cluster without quorum; and from servers found by DNS.

use std::fs;
use std::net::UdpSocket;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use etcdsnap_tests::cli;
use etcdsnap_tests::server::{MemberConfig, Servers, member_configs, stdout_of};

fn save(member_configs: &[&MemberConfig], arguments: &[&str]) -> Output {
    let endpoints = member_configs.iter().map(|member_config| member_config.client_url()).collect::<Vec<_>>().join(",");
    cli::run(&[&["save", &format!("--endpoints={endpoints}")], arguments].concat())
}

fn assert_sound(file: &std::path::Path) {
    let report = etcdsnap::verify(file, etcdsnap::VerifyOptions::default()).unwrap();
    assert_eq!(report.verdict, etcdsnap::Verdict::Sound, "{:?}", report.findings.list());
}

#[test]
fn a_learner_is_used_only_if_there_is_no_other_member() {
    for version in ["3.4", "3.5", "3.6", "3.7"] {
        let folder = tempfile::tempdir().unwrap();
        let member_configs = member_configs(folder.path(), &["voter", "learner"]);
        let Some(mut servers) = Servers::start(version, &member_configs[..1], folder.path()) else { return };
        stdout_of(&servers.etcdctl(None, &["put", "some", "thing"]));
        servers.add_learner(&member_configs[1]);
        let file = folder.path().join("snapshot.db");
        let name = file.to_str().unwrap();
        // If there is a choice, the voter is used, although it is the leader.
        let output = save(&[&member_configs[1], &member_configs[0]], &["-w", "json", name]);
        assert_eq!(cli::json(&output)["member"], "voter", "{version}");
        assert_sound(&file);
        // A learner alone sends its snapshot, or the message says why not.
        let output = save(&[&member_configs[1]], &["-w", "json", name]);
        if output.status.success() {
            let json = cli::json(&output);
            assert_eq!(json["warnings"].as_array().unwrap().len(), 1, "{version} {json}");
            assert!(json["warnings"][0].as_str().unwrap().contains("it is a learner"), "{version} {json}");
        } else {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.code() == Some(2) && text.contains("The member is a learner"), "{version} {text}");
        }
        assert_eq!(output.status.success(), version != "3.4", "{version}");
        assert_sound(&file);
    }
}

#[test]
fn a_member_without_quorum_can_be_saved() {
    for version in ["3.4", "3.7"] {
        let folder = tempfile::tempdir().unwrap();
        let member_configs = member_configs(folder.path(), &["a", "b", "c"]);
        let Some(mut servers) = Servers::start(version, &member_configs, folder.path()) else { return };
        stdout_of(&servers.etcdctl(None, &["put", "some", "thing"]));
        let _ = servers.agreed_hash(None);
        servers.kill(2);
        servers.kill(1);
        let file = folder.path().join("snapshot.db");
        let since = Instant::now();
        // The last member notices after a moment.
        loop {
            let output = save(&[&member_configs[0]], &[file.to_str().unwrap()]);
            stdout_of(&output);
            assert_sound(&file);
            if String::from_utf8_lossy(&output.stderr).contains("it has no leader") {
                break;
            }
            assert!(since.elapsed() < Duration::from_secs(30), "{version} {output:?}");
            thread::sleep(Duration::from_millis(200));
        }
    }
}

/// The variable that marks the test's child process in its own network namespace.
const NAMESPACE_VARIABLE: &str = "ETCDSNAP_TEST_NETWORK";

/// Runs in its own namespaces, where a DNS server may listen at port 53 and the system uses it.
#[test]
fn endpoints_found_by_dns_are_saved() {
    if std::env::var_os(NAMESPACE_VARIABLE).is_some() {
        return save_inside_the_network_namespace();
    }
    let able = Command::new("unshare").args(["--mount", "--net", "ip", "link", "set", "lo", "up"]).output();
    if !able.is_ok_and(|output| output.status.success()) {
        eprintln!("\n*** not run: there can be no networks of one's own here ***\n");
        return;
    }
    let mut itself = Command::new("unshare");
    itself.args(["--mount", "--net"]).arg(std::env::current_exe().unwrap());
    let output = itself
        .args(["--exact", "servers_that_dns_names", "--nocapture"])
        .env(NAMESPACE_VARIABLE, "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn save_inside_the_network_namespace() {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("resolv.conf");
    fs::write(&conf, "nameserver 127.0.0.1\n").unwrap();
    stdout_of(&Command::new("ip").args(["link", "set", "lo", "up"]).output().unwrap());
    stdout_of(&Command::new("mount").arg("--bind").arg(&conf).arg("/etc/resolv.conf").output().unwrap());
    let member_configs = member_configs(folder.path(), &["a"]);
    let Some(_servers) = Servers::start("3.7", &member_configs, folder.path()) else { return };
    let port = member_configs[0].client;
    let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
    thread::spawn(move || name_server(&socket, port));
    let file = folder.path().join("snapshot.db");
    let run = |flags: &[&str]| cli::run(&[&["save", "-w=json"], flags, &[file.to_str().unwrap()]].concat());

    let json = cli::json(&run(&["--discovery-srv=etcd.test"]));
    assert_eq!(json["endpoint"], format!("http://one.etcd.test:{port}"), "{json}");
    let json = cli::json(&run(&["--discovery-srv=etcd.test", "--discovery-srv-name=blue"]));
    assert_eq!(json["endpoint"], format!("http://blue.etcd.test:{port}"), "{json}");
    for flags in [&["--discovery-srv=nobody.test"][..], &["--discovery-srv=etcd.test", "--insecure-discovery=false"]] {
        let output = run(flags);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("--discovery-srv") && text.contains("there is no such record."), "{text}");
    }
}

/// Answers for two service names, and with 127.0.0.1 for every host (RFC 1035, RFC 2782).
fn name_server(socket: &UdpSocket, port: u16) {
    const SRV: u16 = 33;
    let mut block = [0; 512];
    while let Ok((len, from)) = socket.recv_from(&mut block) {
        let question = &block[..len];
        let (name, end) = read_name(&question[12..]);
        let kind = u16::from_be_bytes([question[12 + end], question[13 + end]]);
        let target = match (name.as_str(), kind) {
            ("_etcd-client._tcp.etcd.test", SRV) => Some("one"),
            ("_etcd-client-blue._tcp.etcd.test", SRV) => Some("blue"),
            _ => None,
        };
        let data = match (target, kind) {
            // Priority, weight and port, and the host without compression.
            (Some(host), SRV) => {
                let labels = [host, "etcd", "test"].map(|label| [&[label.len() as u8], label.as_bytes()].concat());
                Some([&[0, 1, 0, 1][..], &port.to_be_bytes(), &labels.concat(), &[0]].concat())
            }
            (_, 1) => Some(vec![127, 0, 0, 1]),
            _ => None,
        };
        // A response; without data the record does not exist.
        let known = !name.contains("nobody");
        let mut answer = question[..2].to_vec();
        answer.extend([0x84, if known { 0 } else { 3 }, 0, 1, 0, u8::from(data.is_some()), 0, 0, 0, 0]);
        answer.extend(&question[12..12 + end + 4]);
        if let Some(data) = data {
            answer.extend([0xc0, 12]);
            answer.extend(kind.to_be_bytes());
            answer.extend([0, 1, 0, 0, 0, 60]);
            answer.extend((data.len() as u16).to_be_bytes());
            answer.extend(data);
        }
        let _ = socket.send_to(&answer, from);
    }
}

/// Returns a name, and its length in bytes.
fn read_name(mut bytes: &[u8]) -> (String, usize) {
    let (mut labels, mut taken) = (Vec::new(), 1);
    while bytes[0] > 0 {
        let len = usize::from(bytes[0]);
        labels.push(String::from_utf8_lossy(&bytes[1..=len]).to_lowercase());
        taken += len + 1;
        bytes = &bytes[len + 1..];
    }
    (labels.join("."), taken)
}
