//! Which old snapshots `save --keep` removes, with real clusters: older ones of the same cluster, and no others.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use etcdsnap_tests::cli;
use etcdsnap_tests::failure_injection;
use etcdsnap_tests::origin_mark::{MARK, rename_with_mark};
use etcdsnap_tests::proxy::{Mischief, Proxy};
use etcdsnap_tests::server::{Seat, Servers, initial_cluster, program, said, seats};
use serde_json::Value;

fn save(seat: &Seat, flags: &[&str], target: &Path) -> Output {
    let endpoints = format!("--endpoints={}", seat.client_url());
    cli::run(&[&["save", &endpoints, "-w", "json"], flags, &[target.to_str().unwrap()]].concat())
}

fn json(output: &Output) -> Value {
    said(output);
    cli::json(output)
}

/// The file of a save that must have succeeded.
fn file(output: &Output) -> PathBuf {
    json(output)["file"].as_str().unwrap().into()
}

/// Names tell seconds: gives a file the name that it would have had so many years ago.
fn aged(file: &Path, years: u32) -> PathBuf {
    let name = file.file_name().unwrap().to_str().unwrap();
    let stamp = name.split(['-', '.']).find(|part| part.ends_with('Z') && part.contains('T')).unwrap();
    let old = file.with_file_name(name.replace(stamp, &format!("{}0101T000000Z", 2020 - years)));
    rename_with_mark(file, &old);
    old
}

/// As a copy from elsewhere has it.
fn forget_origin(file: &Path) {
    let _ = rustix::fs::removexattr(file, MARK);
}

/// The same on a file system without extended attributes.
fn save_without_marks(seat: &Seat, flags: &[&str], target: &Path) -> Option<Output> {
    if !failure_injection::available() {
        return None;
    }
    let endpoints = format!("--endpoints={}", seat.client_url());
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
    another_clusters_snapshots_stay("3.4");
}

#[test]
fn another_clusters_snapshots_stay_3_7() {
    another_clusters_snapshots_stay("3.7");
}

/// A name without {cluster}, as in `save 'k/etcd-{time}.db' --keep 1` against a new, empty cluster.
fn another_clusters_snapshots_stay(version: &str) {
    let folder = tempfile::tempdir().unwrap();
    let both = seats(folder.path(), &["old", "new"]);
    let Some(old) = Servers::start(version, &both[..1], folder.path()) else { return };
    let Some(_new) = Servers::start(version, &both[1..], folder.path()) else { return };
    old.fill(1);
    let template = folder.path().join("etcd-{time}.db");
    let first = aged(&file(&save(&both[0], &[], &template)), 2);
    let second = aged(&file(&save(&both[0], &[], &template)), 1);
    // The files say by an attribute of whom they are, and by their members where that is lost.
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
        // What proves nothing of this cluster is said, with what to do.
        assert_eq!(warnings(&report).contains("Put {cluster} and {revision} into the name"), forgotten, "{report}");
    }
    // Of the same cluster they go, by either proof.
    let Some(output) = save_without_marks(&both[0], &["--keep=2"], &template) else { return };
    let report = json(&output);
    assert_eq!(removed(&report), [first], "{report}");
    let gzip = folder.path().join("etcd-{time}.db.gz");
    let Some(output) = save_without_marks(&both[0], &["--keep=1", "--compress=gzip"], &gzip) else { return };
    let report = json(&output);
    assert!(removed(&report).contains(&second), "{report}");
    assert_eq!(warnings(&report), "[]");
}

/// A cluster made anew from the same peer URLs and token has the same id, and the same members.
#[test]
fn a_wiped_cluster_does_not_push_out_the_good_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let seats = seats(folder.path(), &["one"]);
    let Some(servers) = Servers::start("3.6", &seats, folder.path()) else { return };
    servers.fill(2);
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let good = aged(&file(&save(&seats[0], &[], &out)), 3);
    servers.stop();
    fs::remove_dir_all(&seats[0].data).unwrap();
    let Some(servers) = Servers::start("3.6", &seats, folder.path()) else { return };
    let output = save(&seats[0], &["--keep=1"], &out);
    let report = json(&output);
    assert_eq!(good.file_name().unwrap().to_str().unwrap().split('-').nth(1), report["clusterId"].as_str());
    assert!(good.exists(), "{report}");
    assert!(warnings(&report).contains("restored or created again"), "{report}");
    // It does not count, either: the new cluster's own go by --keep.
    let empty = aged(&file(&output), 1);
    let report = json(&save(&seats[0], &["--keep=1"], &out));
    assert_eq!(removed(&report), [empty]);
    // Nor does it go when the new cluster has gone further: what it holds is nowhere else.
    for number in 0..5 {
        said(&servers.etcdctl(None, &["put", &format!("k{number}"), "x"]));
    }
    let report = json(&save(&seats[0], &["--keep=1"], &out));
    assert!(good.exists() && warnings(&report).contains("another history"), "{report}");
    // Also when a compaction is beyond the good one's last revision: the oldest keys tell.
    said(&servers.etcdctl(None, &["compact", "6"]));
    let report = json(&save(&seats[0], &["--keep=1"], &out));
    assert!(good.exists(), "{report}");
}

/// One template, all its forms.
#[test]
fn compression_can_be_turned_on_and_off() {
    let folder = tempfile::tempdir().unwrap();
    let seats = seats(folder.path(), &["one"]);
    let Some(_servers) = Servers::start("3.7", &seats, folder.path()) else { return };
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let mut previous = aged(&file(&save(&seats[0], &[], &out)), 9);
    for (years, codec) in [(8, "zstd"), (7, "gzip"), (6, "")] {
        let flags = if codec.is_empty() { vec!["--keep=1"] } else { vec!["--keep=1", "--compress", codec] };
        let output = save(&seats[0], &flags, &out);
        assert_eq!(removed(&json(&output)), [previous], "{codec}");
        previous = aged(&file(&output), years);
    }
}

#[test]
fn without_a_proven_new_file_nothing_goes() {
    let folder = tempfile::tempdir().unwrap();
    let seats = seats(folder.path(), &["one"]);
    let Some(servers) = Servers::start("3.7", &seats, folder.path()) else { return };
    servers.fill(6);
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let good = aged(&file(&save(&seats[0], &[], &out)), 1);
    let flags = ["--keep=1", "--verify=none", "--stall-timeout=5s"];
    let mut kept = None;
    for tenth in 1..10 {
        let proxy = Proxy::start(seats[0].client, move |_| Mischief::Flip(600_000 * tenth));
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
    // Also when its SHA-256 is right: nobody looked at the structure.
    let report = json(&save(&seats[0], &flags, &out));
    assert_eq!((removed(&report).len(), good.exists()), (0, true), "{report}");
    assert!(warnings(&report).contains("not verified"), "{report}");
    let report = json(&save(&seats[0], &["--keep=1", "--verify=hash"], &out));
    assert!(removed(&report).contains(&good), "{report}");
}

/// Members come and go, and the cluster stays what it is.
#[test]
fn changes_of_members_keep_the_proof() {
    let folder = tempfile::tempdir().unwrap();
    let seats = seats(folder.path(), &["a", "b"]);
    let Some(mut servers) = Servers::start("3.5", &seats[..1], folder.path()) else { return };
    let template = folder.path().join("etcd-{time}.db");
    let alone = aged(&file(&save(&seats[0], &[], &template)), 3);
    servers.add(&seats[1], None);
    let together = aged(&file(&save(&seats[0], &[], &template)), 2);
    let members = said(&servers.etcdctl(None, &["member", "list"]));
    let second = members.lines().find(|line| line.contains(&seats[1].peer_url())).unwrap();
    let since = Instant::now();
    // etcd removes members only when the others have been connected for five seconds.
    while !servers.etcdctl(None, &["member", "remove", second.split(',').next().unwrap()]).status.success() {
        assert!(since.elapsed() < Duration::from_secs(90), "the member cannot be removed");
        sleep(Duration::from_millis(250));
    }
    [&alone, &together].into_iter().for_each(|file| forget_origin(file));
    let Some(output) = save_without_marks(&seats[0], &["--keep=1"], &template) else { return };
    let report = json(&output);
    assert_eq!(removed(&report), [together, alone], "{report}");
}

/// A restore by etcd 3.4 leaves the members of the old cluster in the new cluster's database.
#[test]
fn a_copy_restored_elsewhere_by_3_4_is_another_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let both = seats(folder.path(), &["old", "new"]);
    let Some(servers) = Servers::start("3.4", &both[..1], folder.path()) else { return };
    servers.fill(1);
    let template = folder.path().join("etcd-{time}.db");
    let original = aged(&file(&save(&both[0], &[], &template)), 2);
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
    said(&restored);
    let Some(_servers) = Servers::start("3.4", &both[1..], folder.path()) else { return };
    forget_origin(&original);
    let Some(output) = save_without_marks(&both[1], &["--keep=1"], &template) else { return };
    let report = json(&output);
    assert!(original.exists() && warnings(&report).contains("{cluster}"), "{report}");
    fs::remove_file(file(&output)).unwrap();
    // Its own have both clusters' members, which prove nothing; the mark does.
    let own = aged(&file(&save(&both[1], &[], &template)), 1);
    let report = json(&save(&both[1], &["--keep=1"], &template));
    assert_eq!((removed(&report), original.exists()), (vec![own], true), "{report}");
}
