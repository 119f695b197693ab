//! Real servers start with exactly the flags and variables that a restore prints, with names, zones and sockets in the peer URLs.

use std::fs;
use std::net::{TcpListener, ToSocketAddrs};
use std::path::Path;
use std::process::Command;

use etcdsnap_tests::case;
use etcdsnap_tests::cli;
use etcdsnap_tests::programs::reference;
use etcdsnap_tests::server::{MemberConfig, Servers, stdout_of};
use etcdsnap_tests::sparse_files::grow;
use serde_json::Value;

#[test]
fn flags_and_variables_start_3_4() {
    start("3.4");
}

#[test]
fn flags_and_variables_start_3_5() {
    start("3.5");
}

#[test]
fn flags_and_variables_start_3_6() {
    start("3.6");
}

#[test]
fn flags_and_variables_start_3_7() {
    start("3.7");
}

fn start(version: &str) {
    let Some(etcd) = reference(version, "etcd") else { return };
    for host in ["http://etcd-0.etcd.invalid:", "HTTP://[fe80::1%25lo]:", "http://localhost:", "unix://localhost:"] {
        one_by_flags(version, &etcd, host);
    }
    all_by_variables(version, &etcd);
}

/// Starts a single member, which needs no name resolution. Only the client port differs from the printed one, because many tests run at once.
fn one_by_flags(version: &str, etcd: &Path, host: &str) {
    let case = case::named(&format!("{version}-fresh"));
    let folder = tempfile::tempdir().unwrap();
    let member_config = pair_of_ports(folder.path(), "m1");
    let url = format!("{host}{}", member_config.peer);
    let told = stdout_of(&cli::run(&[
        "restore",
        case.path().to_str().unwrap(),
        "--name=m1",
        &format!("--data-dir={}", member_config.data.display()),
        &format!("--initial-cluster=m1={url}"),
        &format!("--initial-advertise-peer-urls={url}"),
        "--print-flags",
    ]));
    let mut flags = told.lines().last().unwrap().replace(":2379'", &format!(":{}'", member_config.client));
    if host.starts_with("unix") {
        assert!(!flags.contains("client-urls"), "{flags}");
        flags += &format!(" --listen-client-urls={0} --advertise-client-urls={0}", member_config.client_url());
    }
    let mut command = without_etcd_variables("sh");
    // A socket is created in etcd's working directory.
    command.current_dir(folder.path()).args(["-c", &format!("exec '{}' {flags}", etcd.display())]);
    let servers = Servers::start_commands(version, vec![(member_config, command)], folder.path());
    stdout_of(&servers.etcdctl(None, &["put", "after", "the restore"]));
    servers.stop();
}

/// Members find each other by a name of this machine. They share it, so their client ports are those below the peer ports.
fn all_by_variables(version: &str, etcd: &Path) {
    let case = case::named(&format!("{version}-fresh"));
    let folder = tempfile::tempdir().unwrap();
    let all = folder.path().join("all");
    let member_configs: Vec<MemberConfig> = ["m1", "m2", "m3"].iter().map(|name| pair_of_ports(&all, name)).collect();
    let host = own_name();
    let urls: Vec<String> = member_configs
        .iter()
        .map(|member_config| format!("{}=http://{host}:{}", member_config.name, member_config.peer))
        .collect();
    let (snapshot, cluster) = (case.path(), urls.join(", "));
    let arguments = ["restore", snapshot.to_str().unwrap(), "--all-members", all.to_str().unwrap()];
    stdout_of(&cli::run(&[&arguments[..], &["--initial-cluster", &cluster]].concat()));
    let by_variables = |member_config: MemberConfig| {
        let mut command = without_etcd_variables("sh");
        let script =
            format!("set -a; . '{}/{}.env'; set +a; exec '{}'", all.display(), member_config.name, etcd.display());
        command.args(["-c", &script]);
        (member_config, command)
    };
    let servers =
        Servers::start_commands(version, member_configs.into_iter().map(by_variables).collect(), folder.path());
    stdout_of(&servers.etcdctl(None, &["put", "after", "the restore"]));
    let _ = servers.agreed_hash(None);
    servers.stop();
}

#[test]
fn omitted_values_are_reported_as_defaults() {
    let case = case::named("3.7-fresh");
    let folder = tempfile::tempdir().unwrap();
    let (snapshot, data) = (case.path(), format!("--data-dir={}", folder.path().join("data").display()));
    let complaint = |flags: &[&str]| {
        let output = cli::run(&[&["restore", snapshot.to_str().unwrap(), &data], flags].concat());
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let told = complaint(&["--name=m1", "--initial-cluster=m1=http://10.0.0.1:2380"]);
    assert!(told.contains("was not given and is http://localhost:2380 by default"), "{told}");
    assert!(told.contains("Give --initial-advertise-peer-urls http://10.0.0.1:2380"), "{told}");
    let told = complaint(&["--name=m1"]);
    assert!(told.contains("\"m1\" is not in --initial-cluster, which was not given and is default="), "{told}");
    let told = complaint(&["--initial-cluster=default=unix://localhost:m1"]);
    assert!(told.contains("the text after the colon is not a port"), "{told}");
}

/// A database of 1.6 GiB, nearly all of it a hole in the file.
#[test]
fn a_database_near_the_quota_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.db");
    fs::copy(case::named("3.7-fresh").path(), &path).unwrap();
    grow(&path, 1_638 << 8);
    let run = |more: &[&str]| {
        let target = folder.path().join("data");
        let flags = ["--skip-hash-check", "--verify=none", "--dry-run", "--data-dir", target.to_str().unwrap()];
        stdout_of(&cli::run(&[&["restore", path.to_str().unwrap()][..], &flags, more].concat()))
    };
    let text = run(&["--print-flags"]);
    assert!(
        text.contains("start etcd with --quota-backend-bytes=4294967296, or it refuses writes (NOSPACE)"),
        "{text}"
    );
    assert!(text.trim_end().ends_with(" --quota-backend-bytes='4294967296'"), "{text}");
    let json: Value = serde_json::from_str(&run(&["-wjson"])).unwrap();
    assert_eq!(json["quotaBackendBytes"], 4_294_967_296_u64);
}

/// Returns a member with two adjacent free ports: clients, peers.
fn pair_of_ports(folder: &Path, name: &str) -> MemberConfig {
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    for _ in 0..1_000 {
        let Ok(client) = TcpListener::bind(("127.0.0.1", 0)) else { continue };
        let Some(peer) = port(&client).checked_add(1).filter(|peer| TcpListener::bind(("127.0.0.1", *peer)).is_ok())
        else {
            continue;
        };
        return MemberConfig { name: name.to_owned(), client: port(&client), peer, data: folder.join(name) };
    }
    panic!("no two free ports, one above the other");
}

/// Returns a resolvable name of this machine other than `localhost`, if it has one.
fn own_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    if (name.as_str(), 0).to_socket_addrs().is_ok() { name } else { "localhost".to_owned() }
}

/// Returns a program without the caller's etcd environment variables.
fn without_etcd_variables(name: &str) -> Command {
    let mut command = Command::new(name);
    for (variable, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ETCD")) {
        command.env_remove(variable);
    }
    command
}
