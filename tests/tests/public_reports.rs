//! Public reports of failed backups and restores, each as a test with this program.
//!
//! | report | what failed there | the test |
//! |---|---|---|
//! | kamaji-etcd#141 | a restore, not by root, into a root-owned volume with `fsGroup` and a `lost+found` | `kamaji_etcd_141_…` here; `restore_permissions.rs` |
//! | etcd#14456 | a restore looked up names of peers that were not running | `etcd_14456_…` here; `restore_start.rs` starts servers with the printed flags |
//! | etcd#8793 | "context deadline exceeded" for each TLS fault, and with `--auto-tls` | `etcd_8793_…` here; `save_certificates.rs`, `save_secure.rs` |
//! | etcd#10287 | link-local addresses without their zone | `save_endpoints.rs`: `a_zone_is_not_part_of_a_certificates_name`; `restore_start.rs` |
//! | etcd#12174 | a proxy for the connection to etcd | `save_endpoints.rs`: `saves_through_a_proxy` |
//! | etcd#13691 | SRV records with an underscore for a hyphen | `save_endpoints.rs`: `endpoints_come_from_srv_records` |
//! | etcd#14015 | an encrypted key | `save_certificates.rs`: `an_encrypted_key_is_named` |
//! | etcd#16242 | a snapshot into a pipe | `save_stream.rs` |
//! | rke2#4771 | a restored database above etcd's default quota refused its first write | `rke2_4771_…` here; `restore_start.rs` |
//! | etcd-cloud-operator#76 | a directory for snapshots that no user may enter | `etcd_cloud_operator_76_…` here |
//! | k3s#3648, etcd#10461, etcd-backup-restore#531 | unknown: their text was unavailable when this was written | none |

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use etcdsnap_tests::certificates::{CertificateUse, Key};
use etcdsnap_tests::folder_names::names;
use etcdsnap_tests::other_user::{GROUP, USER, as_user, is_root, program, world_readable_folder};
use etcdsnap_tests::server::{Servers, member_configs, stdout_of};
use etcdsnap_tests::sparse_files::grow;
use etcdsnap_tests::tls_etcd::{TlsServer, assert_refused, client_flags};
use etcdsnap_tests::{case, cli};
use serde_json::Value;

fn messages(output: &Output) -> String {
    let words = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A volume with `fsGroup`: owned by root, writable for the group, with a `lost+found` that the group may read. The restored files belong to the user, and nothing else changes.
#[test]
fn kamaji_etcd_141_a_volume_with_lost_and_found() {
    let (folder, source) = world_readable_folder(&case::named("3.7-fresh").path());
    let volume = folder.path().join("etcd");
    for (path, mode) in [(volume.clone(), 0o2775), (volume.join("lost+found"), 0o2770)] {
        fs::create_dir(&path).unwrap();
        if is_root() {
            chown(&path, Some(0), Some(GROUP)).unwrap();
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    for dry in [&["--dry-run"][..], &[]] {
        let Some(mut command) = program() else { return };
        command.arg("restore").arg(&source).arg("--data-dir").arg(&volume).args(dry);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", messages(&output));
        assert_eq!(volume.join("member").exists(), dry.is_empty());
    }
    assert_eq!(names(&volume), ["lost+found", "member"]);
    if is_root() {
        let facts = fs::metadata(volume.join("member/snap/db")).unwrap();
        assert_eq!(facts.uid(), USER);
        assert_eq!(fs::metadata(&volume).unwrap().mode() & 0o7777, 0o2775);
    }
}

/// The members of the report, none of which runs: a restore with the same URL given twice resolves no names, and prints a valid address to listen on.
#[test]
fn etcd_14456_names_of_peers_that_are_not_running() {
    let folder = tempfile::tempdir().unwrap();
    let url = |number: u32| format!("http://apisix-etcd-{number}.apisix-etcd-headless.apisix.svc.cluster.local:2380");
    let cluster: Vec<String> = (0..3).map(|number| format!("apisix-etcd-{number}={}", url(number))).collect();
    let snapshot = case::named("3.5-fresh").path();
    let since = Instant::now();
    for number in 0..3 {
        let output = cli::run(&[
            "restore",
            "--skip-hash-check",
            snapshot.to_str().unwrap(),
            &format!("--initial-cluster={}", cluster.join(",")),
            "--initial-cluster-token=etcd-cluster-k8s",
            &format!("--initial-advertise-peer-urls={}", url(number)),
            &format!("--name=apisix-etcd-{number}"),
            &format!("--data-dir={}", folder.path().join(number.to_string()).display()),
            "--print-flags",
        ]);
        let text = stdout_of(&output);
        assert!(text.contains("--listen-peer-urls='http://0.0.0.0:2380'"), "{text}");
        assert!(text.contains(&format!("--initial-advertise-peer-urls='{}'", url(number))), "{text}");
    }
    assert!(since.elapsed() < Duration::from_secs(60), "{:?}", since.elapsed());
}

/// etcdctl reports each of these as "context deadline exceeded". etcdsnap names the fault, and accepts what `--auto-tls` creates.
#[test]
fn etcd_8793_each_tls_fault_has_its_own_message() {
    let Some(server) = TlsServer::start("3.7", CertificateUse::Server(&["127.0.0.1"]), Key::EcPkcs8, true, &[]) else {
        return;
    };
    let cacert = server.cacert();
    let plain = server.save_at_as_etcdctl(&format!("http://127.0.0.1:{}", server.port), &["--dial-timeout=2s"]);
    assert_refused(&plain, &["write https:// before the address", "--cacert"]);
    assert_refused(&server.save_as_etcdctl(&[]), &["is not signed by a trusted authority", "--cacert"]);
    assert_refused(&server.save_as_etcdctl(&[&cacert]), &["requires a client certificate, but none was given"]);
    let [cert, key] = client_flags(&server.authority.sign("client", CertificateUse::Client("someone"), Key::EcPkcs8));
    stdout_of(&server.save_as_etcdctl(&[&cacert, &cert, &key]));
    assert_refused(&server.save(&[&cacert, &cert]), &["--key"]);
    let Some(auto) = TlsServer::with("3.3", |_, _| vec!["--auto-tls".into()]) else { return };
    stdout_of(&auto.save_as_etcdctl(&["--insecure-skip-tls-verify"]));
}

/// A member whose database exceeds etcd's default quota: it refuses its first write, unless it starts with the flags of `--print-flags`.
#[test]
fn rke2_4771_a_database_above_the_quota() {
    let folder = tempfile::tempdir().unwrap();
    let pages = 2_252 << 8;
    let large = folder.path().join("large.db");
    fs::copy(case::named("3.7-fresh").path(), &large).unwrap();
    grow(&large, pages);
    let words = ["--skip-hash-check", "--verify=none", "--dry-run", "-wjson", "--print-flags", "--data-dir=new"];
    let output = cli::run(&[&["restore", large.to_str().unwrap()][..], &words].concat());
    let json: Value = serde_json::from_str(&stdout_of(&output)).unwrap();
    let quota = format!("--quota-backend-bytes={}", json["quotaBackendBytes"]);
    assert!(json["flags"].as_array().unwrap().contains(&quota.as_str().into()), "{json}");

    let member_configs = member_configs(folder.path(), &["default"]);
    let (snapshot, data) = (case::named("3.7-fresh").path(), member_configs[0].data.to_str().unwrap());
    let url = member_configs[0].peer_url();
    stdout_of(&cli::run(&[
        "restore",
        snapshot.to_str().unwrap(),
        &format!("--data-dir={data}"),
        &format!("--initial-cluster=default={url}"),
        &format!("--initial-advertise-peer-urls={url}"),
    ]));
    grow(&member_configs[0].data.join("member/snap/db"), pages);
    for (flags, works) in [(vec![quota], true), (Vec::new(), false)] {
        let Some(servers) = Servers::start_with("3.7", &member_configs, folder.path(), &flags) else { return };
        let output = servers.etcdctl(None, &["put", "after", "the restore"]);
        assert_eq!(output.status.success(), works, "{flags:?}: {}", messages(&output));
        assert!(works || messages(&output).contains("database space exceeded"), "{}", messages(&output));
        servers.stop();
    }
}

/// A directory with mode 0600, in which no file can be created: the program finds out before it fetches anything, and the message names the missing permission. It does not claim that the directory has no snapshot.
#[test]
fn etcd_cloud_operator_76_a_directory_that_no_user_may_enter() {
    let (folder, source) = world_readable_folder(&case::named("3.7-fresh").path());
    let closed = folder.path().join("snapshots");
    fs::create_dir(&closed).unwrap();
    fs::copy(&source, closed.join("old.db")).unwrap();
    if is_root() {
        chown(&closed, Some(USER), Some(GROUP)).unwrap();
    }
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o600)).unwrap();
    let (inside, restored) = (closed.join("{time}.db"), closed.join("data"));
    let enter = "needs permission to write to that directory and to enter it";
    let cases: [(&[&str], &Path, &str); 4] = [
        (&["save", "--endpoints=127.0.0.1:1"], &inside, enter),
        (&["export", source.to_str().unwrap(), "--output"], &inside, enter),
        (&["restore", source.to_str().unwrap(), "--data-dir"], &restored, enter),
        (&["find", "hello"], &closed, "1 file could not be read"),
    ];
    for (words, path, expected) in cases {
        let Some(mut command) = program() else { return };
        let output = command.args(words).arg(path).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", messages(&output));
        assert!(
            messages(&output).contains("permission denied") && messages(&output).contains(expected),
            "{}",
            messages(&output)
        );
    }
    // Another program of that user cannot, either.
    let mut touch = if is_root() { as_user(Path::new("touch")) } else { Command::new("touch") };
    assert!(!touch.arg(closed.join("x")).stderr(Stdio::null()).status().unwrap().success());
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(names(&closed), ["old.db"]);
}
