//! `verify DIR`, checked against real servers: directories of killed servers, what servers start from, and directories in use.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use etcdsnap_core::IgnoreProgress;
use etcdsnap_core::data_dir::{
    DatabaseFacts, DirectoryParts, Segment, SegmentPosition, WriteAheadLog, judge, read_segment,
};
use etcdsnap_tests::cli;
use etcdsnap_tests::data_directories::{
    copy_data_directory, end_of_records, last_segment, rare_commits, wait_for_cluster_version,
};
use etcdsnap_tests::seeded_random::SeededRandom;
use etcdsnap_tests::server::{MemberConfig, Servers, member_configs, stdout_of};
use serde_json::Value;

const VERSIONS: [&str; 4] = ["3.4", "3.5", "3.6", "3.7"];

fn start(version: &str, member_config: &MemberConfig, folder: &Path, flags: &[String]) -> Option<Servers> {
    Servers::start_with(version, std::slice::from_ref(member_config), folder, flags)
}

/// Puts values of this many bytes under new names.
fn put(servers: &Servers, names: std::ops::Range<u32>, bytes: usize) {
    for name in names {
        let value = format!("{:a<bytes$}", format!("value-{name:06}-"));
        stdout_of(&servers.etcdctl(None, &["put", &format!("name-{name:06}"), &value]));
    }
}

fn verify(args: &[&Path]) -> (Option<i32>, Value) {
    let mut words: Vec<&std::ffi::OsStr> = vec!["verify".as_ref(), "-w".as_ref(), "json".as_ref()];
    words.extend(args.iter().map(|path| path.as_os_str()));
    let output = cli::run(&words);
    (output.status.code(), cli::json(&output))
}

fn codes(report: &Value) -> BTreeSet<String> {
    let counts = report["findingCounts"].as_object().unwrap_or_else(|| panic!("{report}"));
    counts.keys().cloned().collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_killed_members_database_lacks_the_reported_entries() {
    for version in VERSIONS {
        let folder = tempfile::tempdir().unwrap();
        let member_config = member_configs(folder.path(), &["m"]).remove(0);
        let Some(mut servers) = start(version, &member_config, folder.path(), &rare_commits(20)) else { continue };
        wait_for_cluster_version(&member_config, version);
        put(&servers, 0..50, 100);
        // While the server runs, nothing counts as damage, and the check does not disturb it.
        let (exit, report) = verify(&[&member_config.data]);
        assert_eq!((exit, &report["serverRunning"]), (Some(0), &Value::Bool(true)), "{version}: {report}");
        // In 3.4 a health check would add an entry to the log.
        stdout_of(&servers.etcdctl(None, &["get", "name-000001"]));
        servers.kill(0);
        let (exit, report) = verify(&[&member_config.data]);
        assert_eq!((exit, report["verdict"].as_str()), (Some(0), Some("sound")), "{version}: {report}");
        assert_eq!(report["serverRunning"], false);
        let (log, database) = (&report["log"], &report["database"]);
        let lacking = number(&report["lackingEntries"]);
        assert_eq!(lacking, number(&log["commit"]) - number(&database["consistentIndex"]), "{version}");
        let unsure = number(&report["uncommittedEntries"]);
        assert_eq!(number(&log["commit"]) + unsure, number(&log["lastIndex"]), "{version}");
        // Only puts follow the consistent index: replaying them raises the revision by their number.
        let before = number(&database["revision"]);
        servers.restart(&member_config);
        let (revision, _) = servers.hashes(None)[0];
        assert_eq!(before + lacking + unsure, revision, "{version}: {report}");
        assert!(lacking + unsure > 0, "{version}: the test shows nothing");
        servers.stop();
    }
}

#[test]
fn verdicts_on_cuts_and_flipped_bits_match_what_etcd_does() {
    for version in ["3.4", "3.6", "3.7"] {
        let folder = tempfile::tempdir().unwrap();
        let member_config = member_configs(folder.path(), &["m"]).remove(0);
        let Some(mut servers) = start(version, &member_config, folder.path(), &rare_commits(20)) else { continue };
        put(&servers, 0..8, 100);
        let early = folder.path().join("early.db");
        fs::copy(member_config.data.join("member/snap/db"), &early).unwrap();
        put(&servers, 8..40, 100);
        put(&servers, 40..41, 6000);
        servers.kill(0);
        let bytes = fs::read(last_segment(&member_config.data)).unwrap();
        let end = end_of_records(&bytes);
        let value = bytes.windows(12).position(|window| window == b"value-000020").unwrap();
        let wal = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = bytes[..end.next_multiple_of(8) + 65536].to_vec();
            change(&mut bytes);
            bytes
        };
        let mut cases: Vec<(&str, Vec<u8>, &[&str], bool)> = vec![
            ("as it is", wal(&|_| {}), &[], true),
            ("the file ends within the last record", wal(&|bytes| bytes.truncate(end - 3000)), &["wal-torn"], true),
            ("the last sectors were not written", wal(&|bytes| bytes[end - 3000..].fill(0)), &["wal-torn"], true),
            ("a byte within is another", wal(&|bytes| bytes[value + 8] ^= 1), &["wal-record-broken"], false),
            ("a byte behind the end", wal(&|bytes| bytes[end + 4000] = 1), &["wal-record-odd"], true),
            ("the head is another's", wal(&|bytes| bytes[8 + 3] ^= 1), &["wal-chain-broken"], false),
        ];
        // 3.6 and 3.7 cut off everything that follows, and then ignore writes until the log has reached the database's index: they never become healthy.
        let length = bytes[..value].windows(8).rposition(|window| window[2..] == [0, 0, 0, 0, 0, window[7]]).unwrap();
        cases.push(("a length is another", wal(&|bytes| bytes[length + 4] ^= 1), &["wal-record-broken"], false));
        for (name, wal, expected, starts) in cases {
            let data = folder.path().join("copy");
            copy_data_directory(&member_config.data, &data);
            fs::write(last_segment(&data), wal).unwrap();
            let (exit, report) = verify(&[&data]);
            let damaged = expected.iter().any(|code| code.ends_with("broken"));
            assert_eq!(exit, Some(i32::from(damaged)), "{version}, {name}: {report}");
            for code in expected {
                assert!(codes(&report).contains(*code), "{version}, {name}: {report}");
            }
            assert_eq!(codes(&report).is_empty(), expected.is_empty(), "{version}, {name}: {report}");
            let attempt = Servers::try_start(
                version,
                &MemberConfig { data: data.clone(), ..member_config.clone() },
                folder.path(),
            )
            .unwrap();
            assert_eq!(attempt.is_ok(), starts, "{version}, {name}: {report}\n{:?}", attempt.as_ref().err());
            drop(attempt);
            fs::remove_dir_all(&data).unwrap();
        }
        // A database older than the newest raft snapshot.
        let data = folder.path().join("copy");
        copy_data_directory(&member_config.data, &data);
        fs::copy(&early, data.join("member/snap/db")).unwrap();
        let (exit, report) = verify(&[&data]);
        assert_eq!(exit, Some(1), "{version}: {report}");
        let of_parts: Vec<String> = codes(&report).into_iter().filter(|code| code.starts_with("snap")).collect();
        assert_eq!(of_parts, ["snap-database-missing"], "{version}: {report}");
        let attempt =
            Servers::try_start(version, &MemberConfig { data, ..member_config.clone() }, folder.path()).unwrap();
        assert!(attempt.is_err(), "{version} starts without the database of the snapshot");
    }
}

#[test]
fn the_newest_of_several_members_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["a", "b", "c"]);
    let Some(mut servers) = Servers::start("3.6", &member_configs, folder.path()) else { return };
    put(&servers, 0..10, 100);
    let behind = servers.kill(2);
    // It may have been the leader; until there is another one, writes fail.
    let led = (0..20).any(|_| servers.etcdctl(None, &["put", "name-000010", "led"]).status.success());
    assert!(led, "no new leader");
    put(&servers, 10..40, 100);
    let _ = servers.agreed_hash(None);
    servers.stop();
    let (exit, reports) = verify(&[&behind.data, &member_configs[0].data, &member_configs[1].data]);
    assert_eq!(exit, Some(0), "{reports}");
    assert_eq!(reports[0]["newest"], false, "{reports}");
    assert!(reports[1]["newest"] == true || reports[2]["newest"] == true, "{reports}");
    let revision = |place: usize| number(&reports[place]["standing"]["revision"]);
    assert!(revision(0) < revision(1), "{reports}");
    let text = cli::run(&["verify".as_ref(), behind.data.as_os_str(), member_configs[0].data.as_os_str()]);
    let text = String::from_utf8(text.stdout).unwrap();
    let newest: Vec<&str> = text.lines().filter(|line| line.ends_with("  newest")).collect();
    assert_eq!(newest.len(), 1, "{text}");
    assert!(newest[0].starts_with(member_configs[0].data.to_str().unwrap()), "{text}");
}

#[test]
fn a_removed_member_is_reported_and_etcd_does_not_serve_it() {
    for version in VERSIONS {
        // The other members may not inform it that its removal is committed; then its directory does not show it.
        let told = (0..5).any(|_| is_removed_member_reported(version));
        assert!(told, "{version}: the member never heard of it");
    }
}

/// Removes a member of a new cluster, and verifies its directory; false if the member never learned of its removal.
fn is_removed_member_reported(version: &'static str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["a", "b", "c"]);
    let Some(mut servers) = Servers::start(version, &member_configs, folder.path()) else { return true };
    put(&servers, 0..5, 100);
    let list: Value =
        serde_json::from_str(&stdout_of(&servers.etcdctl(None, &["member", "list", "-w", "json"]))).unwrap();
    let member = list["members"].as_array().unwrap().iter().find(|member| member["name"] == "c").unwrap();
    let id = format!("{:x}", number(&member["ID"]));
    let since = Instant::now();
    // etcd removes members only after the others have been connected for five seconds.
    while !servers.etcdctl(None, &["member", "remove", &id]).status.success() {
        assert!(since.elapsed() < Duration::from_secs(60), "{version}: the member stays");
        sleep(Duration::from_millis(250));
    }
    // The member learns of its removal, writes it to disk, and stops.
    let since = Instant::now();
    while !codes(&verify(&[&member_configs[2].data]).1).contains("directory-member-removed") {
        if since.elapsed() > Duration::from_secs(15) {
            return false;
        }
        sleep(Duration::from_millis(250));
    }
    servers.kill(2);
    let (exit, report) = verify(&[&member_configs[2].data]);
    assert_eq!((exit, codes(&report)), (Some(1), ["directory-member-removed".to_owned()].into()), "{version}");
    let (exit, report) = verify(&[&member_configs[0].data]);
    assert_eq!(exit, Some(0), "{version}: {report}");
    let attempt = Servers::try_start(version, &member_configs[2], folder.path()).unwrap();
    assert!(attempt.is_err(), "{version} serves a removed member");
    true
}

#[test]
fn damage_that_etcd_repairs_is_a_warning() {
    for version in VERSIONS {
        let folder = tempfile::tempdir().unwrap();
        let member_config = member_configs(folder.path(), &["m"]).remove(0);
        let Some(mut servers) = start(version, &member_config, folder.path(), &rare_commits(10_000)) else { continue };
        put(&servers, 0..5, 100);
        servers.kill(0);
        // The database is still empty, and the log holds everything.
        let (exit, report) = verify(&[&member_config.data]);
        assert_eq!((exit, report["verdict"].as_str()), (Some(0), Some("sound")), "{version}: {report}");
        assert!(number(&report["lackingEntries"]) > 5, "{version}: the test shows nothing");
        let database = |data: &Path| data.join("member/snap/db");
        for empty in [false, true] {
            let data = folder.path().join("copy");
            copy_data_directory(&member_config.data, &data);
            fs::remove_file(database(&data)).unwrap();
            if empty {
                fs::write(database(&data), "").unwrap();
            }
            let (exit, report) = verify(&[&data]);
            assert_eq!(
                (exit, codes(&report)),
                (Some(0), ["database-rebuilt".to_owned()].into()),
                "{version}: {report}"
            );
            let servers = Servers::try_start(
                version,
                &MemberConfig { data: data.clone(), ..member_config.clone() },
                folder.path(),
            );
            let servers = servers.unwrap().unwrap_or_else(|log| panic!("{version}: {log}"));
            assert!(stdout_of(&servers.etcdctl(None, &["get", "name-000004"])).contains("value-000004"), "{version}");
            servers.stop();
            fs::remove_dir_all(&data).unwrap();
        }
    }
}

#[test]
fn etcd_falls_back_to_an_older_snap_file_as_reported() {
    for version in ["3.4", "3.5", "3.6"] {
        let folder = tempfile::tempdir().unwrap();
        let member_config = member_configs(folder.path(), &["m"]).remove(0);
        let Some(mut servers) = start(version, &member_config, folder.path(), &["--snapshot-count=10".to_owned()])
        else {
            continue;
        };
        put(&servers, 0..40, 20);
        sleep(Duration::from_millis(500));
        servers.kill(0);
        for rename in [false, true] {
            let data = folder.path().join("copy");
            copy_data_directory(&member_config.data, &data);
            let names = fs::read_dir(data.join("member/snap")).unwrap().map(|entry| entry.unwrap().path());
            let newest = names.filter(|path| path.extension().is_some_and(|end| end == "snap")).max().unwrap();
            if rename {
                fs::rename(&newest, newest.with_file_name("00000000000000ff-00000000000000ff.snap")).unwrap();
            } else {
                fs::write(&newest, "").unwrap();
            }
            let (exit, report) = verify(&[&data]);
            assert_eq!((exit, codes(&report)), (Some(0), ["snap-broken".to_owned()].into()), "{version}: {report}");
            let servers = Servers::try_start(
                version,
                &MemberConfig { data: data.clone(), ..member_config.clone() },
                folder.path(),
            );
            let servers = servers.unwrap().unwrap_or_else(|log| panic!("{version}: {log}"));
            assert!(stdout_of(&servers.etcdctl(None, &["get", "name-000039"])).contains("value-000039"), "{version}");
            servers.stop();
            fs::remove_dir_all(&data).unwrap();
        }
    }
}

#[test]
fn a_server_under_load_is_never_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let member_config = member_configs(folder.path(), &["m"]).remove(0);
    let flags = vec!["--snapshot-count=50".to_owned()];
    let Some(servers) = start("3.5", &member_config, folder.path(), &flags) else { return };
    fs::create_dir(folder.path().join("out")).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| servers.load(&folder.path().join("out"), "3"));
        let since = Instant::now();
        let mut asked = 0;
        while !writer.is_finished() || asked == 0 {
            let (exit, report) = verify(&[&member_config.data]);
            assert_ne!(exit, Some(1), "{report}");
            assert_eq!(report["serverRunning"], true, "{report}");
            asked += 1;
            assert!(since.elapsed() < Duration::from_secs(180), "the load does not end");
        }
        writer.join().unwrap();
    });
    let (exit, report) = verify(&[&member_config.data]);
    assert_eq!(exit, Some(0), "{report}");
}

#[test]
fn a_missing_log_segment_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let member_config = member_configs(folder.path(), &["m"]).remove(0);
    let Some(servers) = start("3.6", &member_config, folder.path(), &[]) else { return };
    servers.put_megabytes(66);
    servers.stop();
    let (exit, report) = verify(&[&member_config.data]);
    assert_eq!((exit, number(&report["log"]["segments"])), (Some(0), 2), "{report}");
    assert_eq!(report["verdict"], "sound", "{report}");
    // The log elsewhere, as with etcd's --wal-dir.
    let elsewhere = folder.path().join("log");
    fs::rename(member_config.data.join("member/wal"), &elsewhere).unwrap();
    assert!(codes(&verify(&[&member_config.data]).1).contains("wal-segment-missing"));
    let (exit, report) = verify(&[&member_config.data, Path::new("--wal-dir"), &elsewhere]);
    assert_eq!(exit, Some(0), "{report}");
    let mut names: Vec<PathBuf> = fs::read_dir(&elsewhere).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    fs::remove_file(names.iter().find(|name| name.extension().is_some_and(|end| end == "wal")).unwrap()).unwrap();
    let (exit, report) = verify(&[&member_config.data, Path::new("--wal-dir"), &elsewhere]);
    assert_eq!(exit, Some(1), "{report}");
    assert!(codes(&report).contains("snap-missing"), "{report}");
}

/// Returns the records of a log that etcd wrote, with some padding.
fn real_segment() -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let member_config = member_configs(folder.path(), &["m"]).remove(0);
    let mut servers = start("3.6", &member_config, folder.path(), &rare_commits(5))?;
    put(&servers, 0..8, 20);
    servers.kill(0);
    let mut bytes = fs::read(last_segment(&member_config.data)).unwrap();
    bytes.truncate(end_of_records(&bytes).next_multiple_of(8) + 1024);
    Some(bytes)
}

fn is_faultless(bytes: &[u8], consistent_index: u64) -> bool {
    let mut log = WriteAheadLog::default();
    let segment = Segment { file: "wal".into(), sequence: 0, index: 0, position: SegmentPosition::Last };
    read_segment(&mut log, &segment, bytes, &IgnoreProgress).unwrap();
    let database = DatabaseFacts { consistent_index, starts_without_snap: true, ..DatabaseFacts::default() };
    let parts = DirectoryParts {
        database: Some(&database),
        log: &log,
        log_folder: "wal",
        snaps: &[],
        snap_databases: &[],
        is_in_use: false,
    };
    log.findings.list().is_empty() && judge(&parts).findings.list().is_empty()
}

#[test]
fn every_flipped_bit_of_a_real_segment_is_found_without_a_panic() {
    let Some(bytes) = real_segment() else { return };
    let mut log = WriteAheadLog::default();
    let segment = Segment { file: "wal".into(), sequence: 0, index: 0, position: SegmentPosition::Last };
    read_segment(&mut log, &segment, &bytes[..], &IgnoreProgress).unwrap();
    let applied = log.commit.unwrap();
    assert!(is_faultless(&bytes, applied));
    let end = end_of_records(&bytes);
    for bit in 0..end * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!is_faultless(&flipped, applied), "bit {} of byte {}", bit % 8, bit / 8);
    }
    let mut rng = SeededRandom::new(7);
    for _ in 0..20_000 {
        let mut mutant = bytes.clone();
        for _ in 0..=rng.below(6) {
            let (at, len) = (rng.below(end), rng.below(32));
            match rng.below(4) {
                0 => mutant.truncate(at.max(1)),
                1 => {
                    let piece = mutant[at.min(mutant.len())..(at + len).min(mutant.len())].to_vec();
                    let to = rng.below(mutant.len());
                    mutant.splice(to..to, piece);
                }
                kind => {
                    let until = (at + len).min(mutant.len());
                    for byte in &mut mutant[at.min(until)..until] {
                        *byte = if kind == 2 { 0 } else { rng.below(256) as u8 };
                    }
                }
            }
        }
        let _ = is_faultless(&mutant, applied);
    }
}

#[test]
fn a_restored_directory_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    for version in VERSIONS {
        let snapshot = folder.path().join(format!("{version}.db"));
        fs::write(&snapshot, etcdsnap_tests::case::named(&format!("{version}-history")).bytes()).unwrap();
        let data = folder.path().join(version);
        let restored = cli::run(&["restore".as_ref(), snapshot.as_os_str(), "--data-dir".as_ref(), data.as_os_str()]);
        assert!(restored.status.success(), "{restored:?}");
        let (exit, report) = verify(&[&data]);
        assert_eq!(exit, Some(0), "{version}: {report}");
        let codes = codes(&report);
        assert!(codes.iter().all(|code| !code.starts_with("wal") && !code.starts_with("snap")), "{version}: {report}");
        assert_eq!((number(&report["lackingEntries"]), number(&report["uncommittedEntries"])), (0, 0), "{version}");
        // The commands for files point to the right command.
        for command in ["status", "keys", "restore"] {
            let output = cli::run(&[command.as_ref(), data.as_os_str()]);
            let printed = String::from_utf8(output.stderr).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(output.status.code(), Some(2), "{printed}");
            assert!(printed.contains(&format!("etcdsnap verify {}", data.display())), "{command}: {printed}");
            assert!(printed.contains(&format!("{}/member/snap/db", data.display())), "{command}: {printed}");
        }
    }
}

#[test]
fn hostile_directories_are_bounded_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let [wal, snap] = ["wal", "snap"].map(|name| data.join("member").join(name));
    fs::create_dir_all(&wal).unwrap();
    fs::create_dir_all(&snap).unwrap();
    let segment = wal.join("0000000000000000-0000000000000000.wal");
    let fifo = |path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    let outcome = || {
        let since = Instant::now();
        let output = cli::run(&["verify".as_ref(), data.as_os_str()]);
        assert!(since.elapsed() < Duration::from_secs(60));
        let printed = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(printed).unwrap())
    };
    // Only regular files are opened.
    fifo(&segment);
    let (exit, printed) = outcome();
    assert!(exit == Some(2) && printed.contains("regular file"), "{exit:?}: {printed}");
    fs::remove_file(&segment).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &segment).unwrap();
    let (exit, printed) = outcome();
    assert!(exit == Some(2) && printed.contains("regular file"), "{exit:?}: {printed}");
    fs::remove_file(&segment).unwrap();
    fifo(&snap.join("db"));
    let (exit, printed) = outcome();
    assert!(exit == Some(2) && printed.contains("regular file"), "{exit:?}: {printed}");
    fs::remove_file(snap.join("db")).unwrap();
    // Lengths without bytes, in files that are not logs.
    let frame = |len: u64| [len.to_le_bytes().to_vec(), vec![8, 2, 16, 1, 26, 255, 255, 255, 255, 15]].concat();
    for (len, size) in [(u64::MAX, 100), (1 << 55, 1 << 20), (1 << 30, 1 << 31), (60 << 20, 64_000_000), (8, 1 << 40)] {
        fs::write(&segment, frame(len)).unwrap();
        fs::File::options().write(true).open(&segment).unwrap().set_len(size).unwrap();
        let (exit, printed) = outcome();
        assert!(exit == Some(1) && printed.contains("database-missing"), "{len}: {exit:?}: {printed}");
    }
    // Millions of tiny records.
    let tiny: Vec<u8> = [2_u64.to_le_bytes().as_slice(), &[8, 9, 0, 0, 0, 0, 0, 0]].concat();
    fs::write(&segment, tiny.repeat(2_000_000)).unwrap();
    let (exit, printed) = outcome();
    assert!(exit == Some(1) && printed.contains("wal-record-broken") && printed.len() < 100_000, "{exit:?}");
    let bare = folder.path().join("bare");
    fs::create_dir(&bare).unwrap();
    let output = cli::run(&["verify".as_ref(), bare.as_os_str()]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
