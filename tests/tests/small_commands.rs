//! `version`, impossible revisions, and `--bump-revision auto`.

use std::fs;

use etcdsnap_tests::server::stdout_of;
use etcdsnap_tests::{case, cli};
use serde_json::Value;

#[test]
fn version_prints_the_supported_versions() {
    let text = stdout_of(&cli::run(&["version"]));
    assert!(text.starts_with(&format!("etcdsnap version: {}\n", env!("CARGO_PKG_VERSION"))), "{text}");
    let json = cli::json(&cli::run(&["version", "-w", "json"]));
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    // The program reads every version that the test suite has snapshots of.
    for case in case::all() {
        let version: String = case.name.chars().take(3).collect();
        assert!(json["reads"].as_array().unwrap().contains(&version.as_str().into()), "{version}");
    }
    assert_eq!(json["databaseFormat"], 2);
}

#[test]
fn revisions_begin_at_one() {
    let path = case::named("3.7-fresh").path();
    let path = path.to_str().unwrap();
    for words in [
        &["keys", path, "--rev", "-1"][..],
        &["get", path, "a", "--rev=-1"],
        &["diff", path, "--rev-a", "-5"],
        &["export", path, "--rev", "-1"],
        &["usage", path, "--rev", "-1"],
        &["hashkv", path, "--rev", "-1"],
    ] {
        let output = cli::run(words);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {told}");
        assert!(told.contains("revisions begin at 1") && !told.contains("-- -1"), "{words:?}: {told}");
    }
}

#[test]
fn bump_revision_auto_uses_the_file_beside_the_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = folder.path().join("snapshot.db");
    fs::copy(case::named("3.7-fresh").path(), &snapshot).unwrap();
    let run = |number: u32| {
        let data = folder.path().join(format!("data{number}"));
        let words = ["restore", snapshot.to_str().unwrap(), "--data-dir", data.to_str().unwrap()];
        let output = cli::run(&[&words[..], &["--bump-revision=auto", "--mark-compacted", "-wjson"]].concat());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{told}");
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let latest = stdout_of(&cli::run(&["status", data.join("member/snap/db").to_str().unwrap(), "-wjson"]));
        let latest: Value = serde_json::from_str(&latest).unwrap();
        assert_eq!(latest["revision"], json["revisionAfter"]);
        (json["revisionAfter"].as_i64().unwrap() - json["revisionBefore"].as_i64().unwrap(), told)
    };
    let (by, told) = run(1);
    assert_eq!(by, 1_000_000_000);
    assert!(told.contains("by 1,000,000,000: there is no revision.json beside the snapshot."), "{told}");
    let text = r#"{"clusterId":1,"raftIndex":{"https://10.0.0.1:2379":5000},"maxRaftIndex":5000,"created":"2025-01-01 00:00:00 +0000 UTC"}"#;
    fs::write(folder.path().join("revision.json"), text).unwrap();
    let (by, told) = run(2);
    assert_eq!(by, 6000);
    assert!(told.contains("by 6,000: 1.2 times the maxRaftIndex 5,000 in "), "{told}");
    fs::write(folder.path().join("revision.json"), "{").unwrap();
    let (by, told) = run(3);
    assert_eq!(by, 1_000_000_000);
    assert!(told.contains("revision.json cannot be used"), "{told}");
}

/// Sizes have a unit, and large ones also the exact bytes; an output is never called an input.
#[test]
fn messages_name_sizes_and_outputs_correctly() {
    let folder = tempfile::tempdir().unwrap();
    let path = case::named("3.7-fresh").path();
    let path = path.to_str().unwrap();
    let data = folder.path().join("data");
    let restored = stdout_of(&cli::run(&["restore", path, "--dry-run", "--data-dir", data.to_str().unwrap()]));
    assert!(restored.contains("25 kB (24,576 bytes), 2 pages changed"), "{restored}");
    for (output, name) in [("-", "standard output"), ("/dev/stdout", "/dev/stdout")] {
        let output = cli::run(&["export", path, "-o", output]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert!(!output.stdout.is_empty());
        assert!(!told.contains("standard input"), "{told}");
        assert!(told.is_empty() || told.contains(name), "{told}");
    }
    let unowned = cli::run(&["restore", path, "--owner=4294967295", "--data-dir", data.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&unowned.stderr).into_owned();
    assert_eq!(unowned.status.code(), Some(2));
    assert!(told.contains("there is no user \"4294967295\"") && told.contains("4294967294"), "{told}");
    assert!(!data.exists());
}

/// `completion`, as etcdutl calls it, and our own name for it.
#[test]
fn the_completions_command_has_both_names() {
    let ours = stdout_of(&cli::run(&["completions", "bash"]));
    assert_eq!(stdout_of(&cli::run(&["completion", "bash"])), ours);
    assert!(!ours.is_empty());
}
