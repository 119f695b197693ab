//! The log and the `.snap` file of a restore equal, record by record, what the reference tools write for the same members.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use etcdsnap_proto::etcdserverpb::Metadata;
use etcdsnap_proto::{raftpb, snappb, walpb};
use etcdsnap_tests::case::{self, Case};
use etcdsnap_tests::cli;
use etcdsnap_tests::crc::Crc32c;
use etcdsnap_tests::server::{program, stdout_of};
use prost::Message;
use serde_json::Value;

/// The tools that can restore.
const TOOLS: [(&str, &str); 4] = [("3.4", "etcdctl"), ("3.5", "etcdutl"), ("3.6", "etcdutl"), ("3.7", "etcdutl")];

const CLUSTERS: [&str; 4] = [
    "default=http://localhost:2380",
    "default=http://127.0.0.1:1001,b=http://127.0.0.1:1002,c=http://127.0.0.1:1003",
    // Two URLs for one member, and an order that differs from that of the ids.
    "z=http://127.0.0.1:1003,default=http://127.0.0.1:1001,default=http://[::1]:1001",
    // A zone, capitals, a socket.
    "default=http://[fe80::1%25lo]:1001,b=UNIX://localhost:1002,c=HTTPS://127.0.0.1:1003",
];

#[test]
fn logs_and_snap_files_equal_those_of_the_reference_tools() {
    let case = case::named("3.5-history");
    for cluster in CLUSTERS {
        for token in ["etcd-cluster", "another"] {
            let folder = tempfile::tempdir().unwrap();
            let urls: Vec<_> = cluster.split(',').filter_map(|pair| pair.strip_prefix("default=")).collect();
            let urls = urls.join(",");
            let flags = |target: &Path| {
                ["--name=default", "--initial-cluster", cluster, "--initial-cluster-token", token]
                    .map(str::to_owned)
                    .into_iter()
                    .chain([
                        format!("--initial-advertise-peer-urls={urls}"),
                        format!("--data-dir={}", target.display()),
                    ])
                    .collect::<Vec<_>>()
            };
            let target = folder.path().join("ours");
            restore(&case, &flags(&target));
            let ours = Member::read(&target);
            for (name, _, mode) in &ours.files {
                let directory = ["snap", "wal"].contains(&name.as_str());
                assert_eq!(*mode, if directory { 0o700 } else { 0o600 }, "{name}");
            }
            assert_eq!(ours.wal.len(), 5 + cluster.split(',').filter(|pair| !pair.contains("[::1]")).count());
            for (version, tool) in TOOLS {
                let target = folder.path().join(version);
                let Some(mut command) = program(version, tool) else { continue };
                command.args(["snapshot", "restore"]).arg(case.path()).args(flags(&target));
                stdout_of(&command.output().unwrap());
                let theirs = Member::read(&target);
                let voters = |record: &str| {
                    version == "3.4" && record.starts_with("Snapshot { index: Some(") && record.contains("ConfState")
                };
                for (ours, theirs) in ours.wal.iter().zip(&theirs.wal) {
                    // 3.4's log does not repeat the voters of the `.snap` file; 3.4 ignores such a record.
                    let cut = |record: &str| record.split(" ConfState").next().unwrap_or_default().to_owned();
                    match voters(theirs) {
                        true => assert_eq!(cut(ours), cut(theirs), "{version}, {cluster}"),
                        false => assert_eq!(ours, theirs, "{version}, {cluster}"),
                    }
                }
                assert_eq!(ours.wal.len(), theirs.wal.len(), "{version}, {cluster}");
                assert_eq!(ours.snap, theirs.snap, "{version}, {cluster}");
                assert_eq!(ours.members, theirs.members, "{version}, {cluster}");
                // Some of them let others read the `.snap` file; ours does not.
                let names = |member: &Member| {
                    member.files.iter().map(|(name, size, _)| (name.clone(), *size)).collect::<Vec<_>>()
                };
                assert_eq!(names(&ours), names(&theirs), "{version}, {cluster}");
            }
        }
    }
}

/// URLs that Go does not parse, or that `--initial-advertise-peer-urls` cannot express.
#[test]
fn urls_that_the_reference_tools_refuse_are_refused() {
    let case = case::named("3.7-fresh");
    let folder = tempfile::tempdir().unwrap();
    for url in ["unix://localhost:m1", "http://[fe80::1%lo]:1", "http://[::1", "http://h", "http://h:1/p", "h:1"] {
        let flags = |target: &str| {
            let data = folder.path().join(target);
            [
                format!("--initial-cluster=default={url}"),
                format!("--initial-advertise-peer-urls={url}"),
                format!("--data-dir={}", data.display()),
            ]
        };
        let ours =
            cli::run(&[&["restore".to_owned(), case.path().to_str().unwrap().to_owned()][..], &flags("ours")].concat());
        assert_eq!(ours.status.code(), Some(2), "{url}");
        for (version, tool) in TOOLS {
            let Some(mut command) = program(version, tool) else { continue };
            command.args(["snapshot", "restore"]).arg(case.path()).args(flags(version));
            assert!(!command.output().unwrap().status.success(), "{version} takes {url}");
        }
    }
}

#[test]
fn a_separate_log_is_written_to_its_directory() {
    let case = case::named("3.7-fresh");
    let folder = tempfile::tempdir().unwrap();
    let (data, wal) = (folder.path().join("data"), folder.path().join("deep/wal"));
    restore(&case, &[format!("--data-dir={}", data.display()), format!("--wal-dir={}", wal.display())]);
    assert!(!data.join("member/wal").exists());
    assert_eq!(records(&fs::read(wal.join(WAL)).unwrap()).len(), 6);
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn a_dry_run_reports_the_same_and_writes_nothing() {
    let case = case::named("3.6-cluster");
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("new/data");
    let flags =
        [format!("--data-dir={}", target.display()), "-wjson".into(), format!("--initial-cluster={}", CLUSTERS[1])];
    let flags = [&flags[..], &["--initial-advertise-peer-urls=http://127.0.0.1:1001".to_owned()]].concat();
    let dry = restore(&case, &[&flags[..], &["--dry-run".to_owned()]].concat());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "a dry run wrote something");
    let wet = restore(&case, &flags);
    let (mut dry, mut wet): (Value, Value) = (serde_json::from_str(&dry).unwrap(), serde_json::from_str(&wet).unwrap());
    assert_eq!((dry["written"].take(), wet["written"].take()), (false.into(), true.into()));
    assert_eq!(dry, wet);
    assert_eq!(wet["databaseSize"], fs::metadata(target.join("member/snap/db")).unwrap().len());
    let Some(mut etcdutl) = program("3.7", "etcdutl") else { return };
    let status: Value = serde_json::from_str(&stdout_of(
        &etcdutl.args(["snapshot", "status", "-w", "json"]).arg(target.join("member/snap/db")).output().unwrap(),
    ))
    .unwrap();
    assert_eq!(status["revision"], wet["revisionAfter"]);
}

#[test]
fn etcd_accepts_the_printed_flags() {
    let case = case::named("3.7-fresh");
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("it's data");
    let describe = restore(&case, &[format!("--data-dir={}", target.display()), "--print-flags".into()]);
    let flags = describe.lines().last().unwrap();
    let quoted = target.display().to_string().replace('\'', "'\\''");
    assert!(flags.starts_with(&format!("--name='default' --data-dir='{quoted}' --initial-cluster=")), "{flags}");
    let again = folder.path().join("again");
    let json = restore(&case, &[format!("--data-dir={}", again.display()), "--print-flags".into(), "-wjson".into()]);
    let json: Value = serde_json::from_str(&json).expect("one object and nothing else");
    assert_eq!((&json["flags"][0], &json["name"]), (&"--name=default".into(), &"default".into()));
    assert_eq!(json["flags"][1], format!("--data-dir={}", again.display()));
    let Some(etcd) = program("3.7", "etcd") else { return };
    // etcd understands all of the flags: it fails at the last word, which is not one.
    let script = format!("exec {} {flags} --no-such-flag", etcd.get_program().to_str().unwrap());
    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("no-such-flag") && !complaint.contains("initial-advertise-peer-urls"), "{complaint}");
}

fn restore(case: &Case, flags: &[String]) -> String {
    let mut args = vec!["restore".to_owned(), case.path().to_str().unwrap().to_owned()];
    args.extend_from_slice(flags);
    stdout_of(&cli::run(&args))
}

const WAL: &str = "0000000000000000-0000000000000000.wal";

/// The decoded output of a restore.
struct Member {
    wal: Vec<String>,
    snap: String,
    /// Peer URLs by member id, from the v2 store.
    members: BTreeMap<String, String>,
    /// Names, sizes (except the database's) and modes.
    files: Vec<(String, u64, u32)>,
}

impl Member {
    fn read(data: &Path) -> Self {
        let member = data.join("member");
        let wal = fs::read(member.join("wal").join(WAL)).unwrap();
        let mut files = Vec::new();
        list(&member, &member, &mut files);
        let snap = files.iter().find(|(name, ..)| name.ends_with(".snap")).unwrap().0.clone();
        let (snap, members) = snapshot(&fs::read(member.join(snap)).unwrap());
        // The v2 store may be shorter than theirs, and the database has its own tests.
        for (name, size, _) in &mut files {
            if name.ends_with(".snap") || name.ends_with("/db") {
                *size = 0;
            }
        }
        Self { wal: records(&wal), snap, members, files }
    }
}

fn list(root: &Path, directory: &Path, files: &mut Vec<(String, u64, u32)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let facts = path.metadata().unwrap();
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        // 3.7's tool creates a temporary segment for later use, and its lock.
        if name.ends_with(".tmp") {
            continue;
        }
        files.push((name, if facts.is_dir() { 0 } else { facts.len() }, facts.permissions().mode() & 0o7777));
        if facts.is_dir() {
            list(root, &path, files);
        }
    }
    files.sort();
}

/// Decodes the records of a log and checks their running CRCs; absent fields have their default.
fn records(bytes: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    let mut crc = Crc32c::default();
    let mut rest = bytes;
    loop {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap());
        if length == 0 {
            assert!(rest.iter().all(|byte| *byte == 0), "zeros behind the records");
            assert_eq!(bytes.len(), 64_000_000);
            return all;
        }
        let padding = if length >> 63 == 1 { (length >> 56 & 7) as usize } else { 0 };
        let length = (length & 0x00ff_ffff_ffff_ffff) as usize;
        assert_eq!((length + padding) % 8, 0);
        let record = walpb::Record::decode(&rest[8..8 + length]).unwrap();
        let data = record.data.unwrap_or_default();
        crc.update(&data);
        if record.r#type != Some(4) {
            assert_eq!(record.crc.unwrap_or(0), crc.finish(), "the CRC of record {}", all.len());
        }
        all.push(describe(record.r#type.unwrap_or(0), &data));
        rest = &rest[8 + length + padding..];
    }
}

fn describe(kind: i64, data: &[u8]) -> String {
    match kind {
        1 => format!("{:?}", Metadata::decode(data).unwrap()),
        2 => {
            let mut entry = raftpb::Entry::decode(data).unwrap();
            let mut change = raftpb::ConfChange::decode(entry.data.take().unwrap_or_default().as_slice()).unwrap();
            change.id.get_or_insert(0);
            change.r#type.get_or_insert(0);
            let context: Value = serde_json::from_slice(&change.context.take().unwrap_or_default()).unwrap();
            format!("{entry:?} {change:?} {context}")
        }
        3 => format!("{:?}", raftpb::HardState::decode(data).unwrap()),
        4 => "crc".to_owned(),
        5 => {
            let mut snapshot = walpb::Snapshot::decode(data).unwrap();
            snapshot.index.get_or_insert(0);
            snapshot.term.get_or_insert(0);
            let state = conf_state(snapshot.conf_state.take());
            format!("{snapshot:?} {}", if snapshot.index == Some(0) { String::new() } else { state })
        }
        other => panic!("a record of type {other}"),
    }
}

fn conf_state(state: Option<raftpb::ConfState>) -> String {
    let mut state = state.unwrap_or_default();
    state.auto_leave.get_or_insert(false);
    format!("{state:?}")
}

fn snapshot(bytes: &[u8]) -> (String, BTreeMap<String, String>) {
    let outer = snappb::Snapshot::decode(bytes).unwrap();
    let data = outer.data.unwrap();
    let mut crc = Crc32c::default();
    crc.update(&data);
    assert_eq!(outer.crc, Some(crc.finish()));
    let inner = raftpb::Snapshot::decode(data.as_slice()).unwrap();
    let metadata = inner.metadata.unwrap();
    let store: Value = serde_json::from_slice(&inner.data.unwrap()).unwrap();
    let members = &store["Root"]["Children"]["0"]["Children"]["members"]["Children"];
    let urls = |member: &Value| {
        let text = member["Children"]["raftAttributes"]["Value"].as_str().unwrap();
        serde_json::from_str::<Value>(text).unwrap()["peerURLs"].to_string()
    };
    let members = members.as_object().unwrap().iter().map(|(id, member)| (id.clone(), urls(member))).collect();
    (format!("{:?} {:?} {}", metadata.index, metadata.term, conf_state(metadata.conf_state)), members)
}
