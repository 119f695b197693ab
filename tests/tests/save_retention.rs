//! Which old snapshots `save --keep` removes, with real clusters: older ones of the same cluster, and no others.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use etcdsnap_tests::cli;
use etcdsnap_tests::failure_injection;
use etcdsnap_tests::faulty_proxy::{FaultyProxy, NetworkFault};
use etcdsnap_tests::origin_mark::{MARK, rename_with_mark};
use etcdsnap_tests::server::{MemberConfig, Servers, initial_cluster, member_configs, program, stdout_of};
use serde_json::Value;

fn save(member_config: &MemberConfig, flags: &[&str], target: &Path) -> Output {
    let endpoints = format!("--endpoints={}", member_config.client_url());
    cli::run(&[&["save", &endpoints, "-w", "json"], flags, &[target.to_str().unwrap()]].concat())
}

fn json(output: &Output) -> Value {
    stdout_of(output);
    cli::json(output)
}

/// Returns the file of a save that must have succeeded.
fn file(output: &Output) -> PathBuf {
    json(output)["file"].as_str().unwrap().into()
}

/// Renames a file as if it was saved this many years ago; names include seconds.
fn rename_as_older(file: &Path, years: u32) -> PathBuf {
    let name = file.file_name().unwrap().to_str().unwrap();
    let stamp = name.split(['-', '.']).find(|part| part.ends_with('Z') && part.contains('T')).unwrap();
    let old = file.with_file_name(name.replace(stamp, &format!("{}0101T000000Z", 2020 - years)));
    rename_with_mark(file, &old);
    old
}

/// Removes the mark, as a copy from elsewhere lacks it.
fn forget_origin(file: &Path) {
    let _ = rustix::fs::removexattr(file, MARK);
}

/// Saves like on a file system without extended attributes.
fn save_without_marks(member_config: &MemberConfig, flags: &[&str], target: &Path) -> Option<Output> {
    if !failure_injection::available() {
        return None;
    }
    let endpoints = format!("--endpoints={}", member_config.client_url());
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "--trace=fsetxattr", "--inject=fsetxattr:error=EOPNOTSUPP", "--"]);
    strace.arg(cli::program()).args(["save", &endpoints, "-w", "json"]).args(flags).arg(target);
    Some(strace.stdin(Stdio::null()).output().unwrap())
}

fn removed(json: &Value) -> Vec<PathBuf> {
    let removed = json["removed"].as_array().unwrap().iter();
    removed.map(|removed| removed["file"].as_str().unwrap().into()).collect()
}

fn warnings(json: &Value) -> String {
    json["warnings"].to_string()
}

#[test]
fn another_clusters_snapshots_stay_3_4() {
    check_that_another_clusters_snapshots_stay("3.4");
}

#[test]
fn another_clusters_snapshots_stay_3_7() {
    check_that_another_clusters_snapshots_stay("3.7");
}

/// A name without {cluster}, as in `save 'k/etcd-{time}.db' --keep 1` against a new, empty cluster.
fn check_that_another_clusters_snapshots_stay(version: &str) {
    let folder = tempfile::tempdir().unwrap();
    let both = member_configs(folder.path(), &["old", "new"]);
    let Some(old) = Servers::start(version, &both[..1], folder.path()) else { return };
    let Some(_new) = Servers::start(version, &both[1..], folder.path()) else { return };
    old.put_megabytes(1);
    let template = folder.path().join("etcd-{time}.db");
    let first = rename_as_older(&file(&save(&both[0], &[], &template)), 2);
    let second = rename_as_older(&file(&save(&both[0], &[], &template)), 1);
    // An attribute records a file's cluster, and the members in it do if the attribute is lost.
    for forgotten in [false, true] {
        if forgotten {
            [&first, &second].into_iter().for_each(|file| forget_origin(file));
        }
        let output = match forgotten {
            false => Some(save(&both[1], &["--keep=1"], &template)),
            true => save_without_marks(&both[1], &["--keep=1"], &template),
        };
        let Some(output) = output else { return };
        let report = json(&output);
        assert!(first.exists() && second.exists(), "{report}");
        assert_eq!(removed(&report), [""; 0].map(PathBuf::from));
        fs::remove_file(file(&output)).unwrap();
        // A file that proves nothing about its cluster is reported, with advice.
        assert_eq!(warnings(&report).contains("Put {cluster} and {revision} into the name"), forgotten, "{report}");
    }
    // Files of the same cluster are removed, by either proof.
    let Some(output) = save_without_marks(&both[0], &["--keep=2"], &template) else { return };
    let report = json(&output);
    assert_eq!(removed(&report), [first], "{report}");
    let gzip = folder.path().join("etcd-{time}.db.gz");
    let Some(output) = save_without_marks(&both[0], &["--keep=1", "--compress=gzip"], &gzip) else { return };
    let report = json(&output);
    assert!(removed(&report).contains(&second), "{report}");
    assert_eq!(warnings(&report), "[]");
}

/// A cluster recreated from the same peer URLs and token has the same id, and the same members.
#[test]
fn a_recreated_cluster_does_not_remove_the_good_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["one"]);
    let Some(servers) = Servers::start("3.6", &member_configs, folder.path()) else { return };
    servers.put_megabytes(2);
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let good = rename_as_older(&file(&save(&member_configs[0], &[], &out)), 3);
    servers.stop();
    fs::remove_dir_all(&member_configs[0].data).unwrap();
    let Some(servers) = Servers::start("3.6", &member_configs, folder.path()) else { return };
    let output = save(&member_configs[0], &["--keep=1"], &out);
    let report = json(&output);
    assert_eq!(good.file_name().unwrap().to_str().unwrap().split('-').nth(1), report["clusterId"].as_str());
    assert!(good.exists(), "{report}");
    assert!(warnings(&report).contains("restored or created again"), "{report}");
    // It does not count, either: the new cluster's own snapshots are removed by --keep.
    let empty = rename_as_older(&file(&output), 1);
    let report = json(&save(&member_configs[0], &["--keep=1"], &out));
    assert_eq!(removed(&report), [empty]);
    // Nor is it removed once the new cluster has more revisions: its contents exist nowhere else.
    for number in 0..5 {
        stdout_of(&servers.etcdctl(None, &["put", &format!("k{number}"), "x"]));
    }
    let report = json(&save(&member_configs[0], &["--keep=1"], &out));
    assert!(good.exists() && warnings(&report).contains("another history"), "{report}");
    // Also if a compaction is beyond the good one's last revision: the oldest keys prove it.
    stdout_of(&servers.etcdctl(None, &["compact", "6"]));
    let report = json(&save(&member_configs[0], &["--keep=1"], &out));
    assert!(good.exists(), "{report}");
}

/// One template, with and without compression.
#[test]
fn compression_can_be_turned_on_and_off() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["one"]);
    let Some(_servers) = Servers::start("3.7", &member_configs, folder.path()) else { return };
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let mut previous = rename_as_older(&file(&save(&member_configs[0], &[], &out)), 9);
    for (years, codec) in [(8, "zstd"), (7, "gzip"), (6, "")] {
        let flags = if codec.is_empty() { vec!["--keep=1"] } else { vec!["--keep=1", "--compress", codec] };
        let output = save(&member_configs[0], &flags, &out);
        assert_eq!(removed(&json(&output)), [previous], "{codec}");
        previous = rename_as_older(&file(&output), years);
    }
}

#[test]
fn nothing_is_removed_without_a_verified_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["one"]);
    let Some(servers) = Servers::start("3.7", &member_configs, folder.path()) else { return };
    servers.put_megabytes(6);
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let good = rename_as_older(&file(&save(&member_configs[0], &[], &out)), 1);
    let flags = ["--keep=1", "--verify=none", "--stall-timeout=5s"];
    let mut kept = None;
    for tenth in 1..10 {
        let proxy = FaultyProxy::start(member_configs[0].client, move |_| NetworkFault::Flip(600_000 * tenth));
        let endpoints = format!("--endpoints={}", proxy.url());
        let output = cli::run(&[&["save", &endpoints, "-w", "json"], &flags[..], &[out.to_str().unwrap()]].concat());
        if output.status.success() && cli::json(&output)["sha256Matches"] == false {
            kept = Some(cli::json(&output));
            break;
        }
    }
    let report = kept.expect("a byte of a value rather than of a frame");
    assert!(good.exists(), "{report}");
    assert!(warnings(&report).contains("not verified"), "{report}");
    // Also if its SHA-256 is right: the structure was not verified.
    let report = json(&save(&member_configs[0], &flags, &out));
    assert_eq!((removed(&report).len(), good.exists()), (0, true), "{report}");
    assert!(warnings(&report).contains("not verified"), "{report}");
    let report = json(&save(&member_configs[0], &["--keep=1", "--verify=hash"], &out));
    assert!(removed(&report).contains(&good), "{report}");
}

/// Members change, and the cluster remains the same.
#[test]
fn member_changes_do_not_change_the_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["a", "b"]);
    let Some(mut servers) = Servers::start("3.5", &member_configs[..1], folder.path()) else { return };
    let template = folder.path().join("etcd-{time}.db");
    let alone = rename_as_older(&file(&save(&member_configs[0], &[], &template)), 3);
    servers.add_member(&member_configs[1], None);
    let together = rename_as_older(&file(&save(&member_configs[0], &[], &template)), 2);
    let members = stdout_of(&servers.etcdctl(None, &["member", "list"]));
    let second = members.lines().find(|line| line.contains(&member_configs[1].peer_url())).unwrap();
    let since = Instant::now();
    // etcd removes members only after the others have been connected for five seconds.
    while !servers.etcdctl(None, &["member", "remove", second.split(',').next().unwrap()]).status.success() {
        assert!(since.elapsed() < Duration::from_secs(90), "the member cannot be removed");
        sleep(Duration::from_millis(250));
    }
    [&alone, &together].into_iter().for_each(|file| forget_origin(file));
    let Some(output) = save_without_marks(&member_configs[0], &["--keep=1"], &template) else { return };
    let report = json(&output);
    assert_eq!(removed(&report), [together, alone], "{report}");
}

/// A restore by etcd 3.4 leaves the members of the old cluster in the new cluster's database.
#[test]
fn a_copy_restored_elsewhere_by_3_4_is_another_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let both = member_configs(folder.path(), &["old", "new"]);
    let Some(servers) = Servers::start("3.4", &both[..1], folder.path()) else { return };
    servers.put_megabytes(1);
    let template = folder.path().join("etcd-{time}.db");
    let original = rename_as_older(&file(&save(&both[0], &[], &template)), 2);
    servers.stop();
    let restored = program("3.4", "etcdctl")
        .unwrap()
        .env("ETCDCTL_API", "3")
        .args(["snapshot", "restore"])
        .arg(&original)
        .args(["--name=new", "--data-dir"])
        .arg(&both[1].data)
        .arg(format!("--initial-cluster={}", initial_cluster(&both[1..])))
        .arg(format!("--initial-advertise-peer-urls={}", both[1].peer_url()))
        .output()
        .unwrap();
    stdout_of(&restored);
    let Some(_servers) = Servers::start("3.4", &both[1..], folder.path()) else { return };
    forget_origin(&original);
    let Some(output) = save_without_marks(&both[1], &["--keep=1"], &template) else { return };
    let report = json(&output);
    assert!(original.exists() && warnings(&report).contains("{cluster}"), "{report}");
    fs::remove_file(file(&output)).unwrap();
    // Its own snapshots have both clusters' members, which prove nothing; the mark does.
    let own = rename_as_older(&file(&save(&both[1], &[], &template)), 1);
    let report = json(&save(&both[1], &["--keep=1"], &template));
    assert_eq!((removed(&report), original.exists()), (vec![own], true), "{report}");
}
