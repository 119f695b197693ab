//! Public reports of backups and restores that failed, each as a test: what was reported, tried on this program.
//!
//! | report | what failed there | the test |
//! |---|---|---|
//! | kamaji-etcd#141 | a restore, not by root, into a volume of root's with `fsGroup` and a `lost+found` | `kamaji_etcd_141_…` here; `restore_permissions.rs` |
//! | etcd#14456 | a restore looked up names of peers that were not running | `etcd_14456_…` here; `restore_start.rs` starts servers by what is printed |
//! | etcd#8793 | "context deadline exceeded" for each fault of TLS, and with `--auto-tls` | `etcd_8793_…` here; `save_certificates.rs`, `save_secure.rs` |
//! | etcd#10287 | link-local addresses without their zone | `save_endpoints.rs`: `a_zone_is_no_part_of_a_certificates_name`; `restore_start.rs` |
//! | etcd#12174 | a proxy for the connection to etcd | `save_endpoints.rs`: `through_a_proxy` |
//! | etcd#13691 | SRV records with an underscore for a hyphen | `save_endpoints.rs`: `endpoints_from_srv_records` |
//! | etcd#14015 | a key that is encrypted | `save_certificates.rs`: `an_encrypted_key_is_named` |
//! | etcd#16242 | a snapshot into a pipe | `save_stream.rs` |
//! | rke2#4771 | a database above etcd's default quota was restored, and refused its first write | `rke2_4771_…` here; `restore_start.rs` |
//! | etcd-cloud-operator#76 | a directory for snapshots that nobody may enter | `etcd_cloud_operator_76_…` here |
//! | k3s#3648, etcd#10461, etcd-backup-restore#531 | not known to us: their text was not to be had when this was written | none |

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use etcdsnap_tests::folder_names::names;
use etcdsnap_tests::other_user::{GROUP, USER, as_user, is_root, open_folder, program};
use etcdsnap_tests::server::{Servers, said, seats};
use etcdsnap_tests::sparse_files::grow;
use etcdsnap_tests::tls::{Key, Whose};
use etcdsnap_tests::tls_etcd::{Secured, client_flags, refused};
use etcdsnap_tests::{case, cli};
use serde_json::Value;

fn told(output: &Output) -> String {
    let words = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The root of a volume with `fsGroup`: root's, for the group, with a `lost+found` that the group may read. What is restored is the user's own, and nothing else changes.
#[test]
fn kamaji_etcd_141_a_volume_with_lost_and_found() {
    let (folder, source) = open_folder(&case::named("3.7-fresh").path());
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
        assert!(output.status.success(), "{}", told(&output));
        assert_eq!(volume.join("member").exists(), dry.is_empty());
    }
    assert_eq!(names(&volume), ["lost+found", "member"]);
    if is_root() {
        let facts = fs::metadata(volume.join("member/snap/db")).unwrap();
        assert_eq!(facts.uid(), USER);
        assert_eq!(fs::metadata(&volume).unwrap().mode() & 0o7777, 0o2775);
    }
}

/// The members of the report, none of which runs: a restore looks up no name where the same URL is given twice, and what it prints has an address to listen on.
#[test]
fn etcd_14456_names_of_peers_that_do_not_run() {
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
        let text = said(&output);
        assert!(text.contains("--listen-peer-urls='http://0.0.0.0:2380'"), "{text}");
        assert!(text.contains(&format!("--initial-advertise-peer-urls='{}'", url(number))), "{text}");
    }
    assert!(since.elapsed() < Duration::from_secs(60), "{:?}", since.elapsed());
}

/// Each of these is "context deadline exceeded" in etcdctl. Ours says which it is, and what `--auto-tls` makes is taken.
#[test]
fn etcd_8793_each_fault_of_tls_has_its_words() {
    let Some(server) = Secured::start("3.7", Whose::Server(&["127.0.0.1"]), Key::EcPkcs8, true, &[]) else { return };
    let cacert = server.cacert();
    let plain = server.save_at_as_etcdctl(&format!("http://127.0.0.1:{}", server.port), &["--dial-timeout=2s"]);
    refused(&plain, &["write https:// before the address", "--cacert"]);
    refused(&server.save_as_etcdctl(&[]), &["nobody whom we trust", "--cacert"]);
    refused(&server.save_as_etcdctl(&[&cacert]), &["wants a certificate of its clients, and none was given"]);
    let [cert, key] = client_flags(&server.authority.sign("client", Whose::Client("someone"), Key::EcPkcs8));
    said(&server.save_as_etcdctl(&[&cacert, &cert, &key]));
    refused(&server.save(&[&cacert, &cert]), &["--key"]);
    let Some(auto) = Secured::with("3.3", |_, _| vec!["--auto-tls".into()]) else { return };
    said(&auto.save_as_etcdctl(&["--insecure-skip-tls-verify"]));
}

/// A member whose database is larger than etcd's default quota: it refuses its first write, unless it is started as `--print-flags` says.
#[test]
fn rke2_4771_a_database_above_the_quota() {
    let folder = tempfile::tempdir().unwrap();
    let pages = 2_252 << 8;
    let large = folder.path().join("large.db");
    fs::copy(case::named("3.7-fresh").path(), &large).unwrap();
    grow(&large, pages);
    let words = ["--skip-hash-check", "--verify=none", "--dry-run", "-wjson", "--print-flags", "--data-dir=new"];
    let output = cli::run(&[&["restore", large.to_str().unwrap()][..], &words].concat());
    let json: Value = serde_json::from_str(&said(&output)).unwrap();
    let quota = format!("--quota-backend-bytes={}", json["quotaBackendBytes"]);
    assert!(json["flags"].as_array().unwrap().contains(&quota.as_str().into()), "{json}");

    let seats = seats(folder.path(), &["default"]);
    let (snapshot, data) = (case::named("3.7-fresh").path(), seats[0].data.to_str().unwrap());
    let url = seats[0].peer_url();
    said(&cli::run(&[
        "restore",
        snapshot.to_str().unwrap(),
        &format!("--data-dir={data}"),
        &format!("--initial-cluster=default={url}"),
        &format!("--initial-advertise-peer-urls={url}"),
    ]));
    grow(&seats[0].data.join("member/snap/db"), pages);
    for (flags, works) in [(vec![quota], true), (Vec::new(), false)] {
        let Some(servers) = Servers::start_with("3.7", &seats, folder.path(), &flags) else { return };
        let output = servers.etcdctl(None, &["put", "after", "the restore"]);
        assert_eq!(output.status.success(), works, "{flags:?}: {}", told(&output));
        assert!(works || told(&output).contains("database space exceeded"), "{}", told(&output));
        servers.stop();
    }
}

/// A directory of mode 0600, in which no file can be made: it is known before anything is fetched, and the message says what is missing. A snapshot in it is not "none".
#[test]
fn etcd_cloud_operator_76_a_directory_that_nobody_may_enter() {
    let (folder, source) = open_folder(&case::named("3.7-fresh").path());
    let closed = folder.path().join("snapshots");
    fs::create_dir(&closed).unwrap();
    fs::copy(&source, closed.join("old.db")).unwrap();
    if is_root() {
        chown(&closed, Some(USER), Some(GROUP)).unwrap();
    }
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o600)).unwrap();
    let (inside, restored) = (closed.join("{time}.db"), closed.join("data"));
    let enter = "must be able to write to that directory and to enter it";
    let cases: [(&[&str], &Path, &str); 4] = [
        (&["save", "--endpoints=127.0.0.1:1"], &inside, enter),
        (&["export", source.to_str().unwrap(), "--output"], &inside, enter),
        (&["restore", source.to_str().unwrap(), "--data-dir"], &restored, enter),
        (&["find", "hello"], &closed, "1 file could not be read"),
    ];
    for (words, path, expected) in cases {
        let Some(mut command) = program() else { return };
        let output = command.args(words).arg(path).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", told(&output));
        assert!(told(&output).contains("permission denied") && told(&output).contains(expected), "{}", told(&output));
    }
    // Another program of that user's cannot, either.
    let mut touch = if is_root() { as_user(Path::new("touch")) } else { Command::new("touch") };
    assert!(!touch.arg(closed.join("x")).stderr(Stdio::null()).status().unwrap().success());
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(names(&closed), ["old.db"]);
}
