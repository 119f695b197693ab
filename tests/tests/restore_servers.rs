//! Real servers on the result of `etcdsnap restore` must answer the same as on the result of their version's own tool, and continue to work.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;

use etcdsnap_tests::case::{self, Case};
use etcdsnap_tests::cli;
use etcdsnap_tests::programs::{bbolt_check, reference};
use etcdsnap_tests::server::{MemberConfig, Servers, initial_cluster, member_configs, program, stdout_of};
use serde_json::Value;

/// By how much a bump raises the revision.
const BUMP: i64 = 1_000_000;

#[test]
fn one_member_of_3_4() {
    one_member("3.4", Some("3.5"));
}

#[test]
fn one_member_of_3_5() {
    one_member("3.5", Some("3.6"));
}

#[test]
fn one_member_of_3_6() {
    one_member("3.6", Some("3.7"));
}

#[test]
fn one_member_of_3_7() {
    one_member("3.7", None);
}

#[test]
fn three_members_of_3_4() {
    three_members("3.4", Some("3.5"));
}

#[test]
fn three_members_of_3_5() {
    three_members("3.5", Some("3.6"));
}

#[test]
fn three_members_of_3_6() {
    three_members("3.6", Some("3.7"));
}

#[test]
fn three_members_of_3_7() {
    three_members("3.7", None);
}

#[test]
fn every_other_case_of_3_4() {
    every_other_case("3.4", "3.5");
}

#[test]
fn every_other_case_of_3_5() {
    every_other_case("3.5", "3.6");
}

#[test]
fn every_other_case_of_3_6() {
    every_other_case("3.6", "3.7");
}

#[test]
fn every_other_case_of_3_7() {
    every_other_case("3.7", "3.7");
}

/// Fresh servers, copies of databases, clusters, and restored or bumped snapshots: for one member of each, the server of its version answers as it does
/// on its own tool's restore; then the server of the next version starts.
fn every_other_case(version: &str, next: &str) {
    let cases: Vec<_> = case::all()
        .into_iter()
        .filter(|case| case.name.starts_with(&format!("{version}-")) && !case.name.ends_with("-history"))
        .collect();
    assert!(cases.len() >= 4, "{version}: {} cases", cases.len());
    for case in cases {
        let user = case.about.user.as_deref();
        let folder = tempfile::tempdir().unwrap();
        let member_configs = member_configs(folder.path(), &["one"]);
        let Some(theirs) = answers_after_own_restore(version, &case, &member_configs, folder.path()) else { return };
        let skip: &[&str] = if case.about.trailer { &[] } else { &["--skip-hash-check"] };
        let data = format!("--data-dir={}", member_configs[0].data.display());
        stdout_of(&restore(&case, &member_configs, &[&[data.as_str(), "--name=one"], skip].concat()));
        check_database(&member_configs[0].data);
        let servers = Servers::start(version, &member_configs, folder.path()).unwrap();
        same_answers(&theirs, &servers.dump(user, &case.about.sampled_revisions), &case.name);
        let _ = servers.etcdctl(user, &["alarm", "disarm"]);
        write_and_compact(&servers, user);
        servers.stop();
        let servers = Servers::start(next, &member_configs, folder.path()).unwrap();
        assert_eq!(stdout_of(&servers.etcdctl(user, &["get", "after", "--print-value-only"])), "the restore\n");
        write_and_compact(&servers, user);
        servers.stop();
    }
}

/// Compares the servers of the recorded version and of the next one; writes, deletes, compacts, restarts.
fn one_member(version: &str, next: Option<&str>) {
    let case = case::named(&format!("{version}-history"));
    let user = case.about.user.as_deref();
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["one"]);
    let Some(theirs) = answers_after_own_restore(version, &case, &member_configs, folder.path()) else { return };

    stdout_of(&restore(
        &case,
        &member_configs,
        &[&format!("--data-dir={}", member_configs[0].data.display()), "--name=one"],
    ));
    check_database(&member_configs[0].data);
    let servers = Servers::start(version, &member_configs, folder.path()).unwrap();
    same(&theirs, &servers.dump(user, &case.about.sampled_revisions), &case.name);
    write_and_compact(&servers, user);
    let before = servers.agreed_hash(user);
    servers.stop();

    let servers = Servers::start(next.unwrap_or(version), &member_configs, folder.path()).unwrap();
    assert_eq!(stdout_of(&servers.etcdctl(user, &["get", "after", "--print-value-only"])), "the restore\n");
    let after = servers.agreed_hash(user);
    assert_eq!(after.0, before.0, "{version}: the revision after a restart");
    if next.is_none() {
        assert_eq!(after, before, "{version}: revision and hash after a restart");
    }
    write_and_compact(&servers, user);
    servers.stop();
}

/// Restores every member's directory in one run; the servers form a cluster, add a fourth member, and restart, finally as the next version.
fn three_members(version: &str, next: Option<&str>) {
    let case = case::named(&format!("{version}-cluster"));
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("all");
    let mut member_configs = member_configs(&directory, &["one", "two", "three", "four"]);
    let mut fourth = member_configs.pop().unwrap();
    fourth.data = folder.path().join("four");
    let Some(theirs) = answers_after_own_restore(version, &case, &member_configs, folder.path()) else { return };

    let all = format!("--all-members={}", directory.display());
    let output = restore(&case, &member_configs, &[&all, "-w", "json"]);
    let described: Value = serde_json::from_str(&stdout_of(&output)).unwrap();
    for (described, name) in described.as_array().unwrap().iter().zip(["one", "three", "two"]) {
        assert_eq!(described["name"], name);
        let start = fs::read_to_string(described["startFile"].as_str().unwrap()).unwrap();
        assert!(start.contains(&format!("ETCD_NAME='{name}'\n")), "{start}");
        assert!(start.contains(&format!("ETCD_INITIAL_CLUSTER='{}'\n", sorted(&member_configs))), "{start}");
    }
    for member_config in &member_configs {
        check_database(&member_config.data);
    }
    let mut servers = Servers::start(version, &member_configs, folder.path()).unwrap();
    same(&theirs, &servers.dump(None, &case.about.sampled_revisions), &case.name);
    let _ = servers.etcdctl(None, &["alarm", "disarm"]);
    write_and_compact(&servers, None);
    servers.add_member(&fourth, None);
    stdout_of(&servers.etcdctl_of(3, None, &["put", "from", "the fourth"]));
    let before = servers.agreed_hash(None);
    servers.stop();

    member_configs.push(fourth);
    let servers = Servers::start(version, &member_configs, folder.path()).unwrap();
    assert_eq!(servers.agreed_hash(None), before, "{version}: revision and hash after a restart of all");
    servers.stop();
    let Some(next) = next else { return };
    let servers = Servers::start(next, &member_configs, folder.path()).unwrap();
    assert_eq!(servers.agreed_hash(None).0, before.0, "{version}: the revision after an upgrade to {next}");
    write_and_compact(&servers, None);
    servers.stop();
}

#[test]
fn a_bump_is_seen_by_servers_of_3_4_and_3_5() {
    bumped("3.4");
    bumped("3.5");
}

#[test]
fn a_bump_is_seen_by_servers_of_3_6_and_3_7() {
    bumped("3.6");
    bumped("3.7");
}

/// The revision is the raised one, older ones are compacted, and a watch from an older one fails accordingly.
fn bumped(version: &str) {
    let case = case::named(&format!("{version}-history"));
    let user = case.about.user.as_deref();
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["one"]);
    if program(version, "etcd").is_none() {
        return;
    }
    let bump = format!("--bump-revision={BUMP}");
    let data = format!("--data-dir={}", member_configs[0].data.display());
    let output = restore(&case, &member_configs, &[&data, "--name=one", &bump, "--mark-compacted", "-w", "json"]);
    let described: Value = serde_json::from_str(&stdout_of(&output)).unwrap();
    let before = described["revisionBefore"].as_i64().unwrap();
    assert_eq!(described["revisionAfter"], before + BUMP);
    check_database(&member_configs[0].data);
    // The empty value that marks the bump is not a key.
    let database = member_configs[0].data.join("member/snap/db");
    let keys =
        |path: &Path| cli::json(&cli::run(&[Path::new("status"), Path::new("-wjson"), path]))["totalKey"].clone();
    assert_eq!(keys(&database), keys(&case.path()));

    let servers = Servers::start(version, &member_configs, folder.path()).unwrap();
    let got: Value = serde_json::from_str(&stdout_of(&servers.etcdctl(user, &["get", "x", "-w", "json"]))).unwrap();
    assert_eq!(got["header"]["revision"], before + BUMP, "{version}");
    let old = format!("--rev={}", before);
    let refused = servers.etcdctl(user, &["get", "x", &old]);
    assert!(!refused.status.success() && cli::printed(&refused).contains("compacted"), "{}", cli::printed(&refused));
    let watched = servers.etcdctl(user, &["watch", "x", &old]);
    assert!(cli::printed(&watched).contains("compacted"), "{version}: {}", cli::printed(&watched));
    write_and_compact(&servers, user);
    servers.stop();
}

/// Runs `etcdsnap restore` for these members; a copy of a database has no SHA-256.
fn restore(case: &Case, member_configs: &[MemberConfig], flags: &[&str]) -> Output {
    let cluster = format!("--initial-cluster={}", initial_cluster(member_configs));
    let url = format!("--initial-advertise-peer-urls={}", member_configs[0].peer_url());
    let path = case.path();
    let mut args = vec!["restore", path.to_str().unwrap(), &cluster];
    if !flags.iter().any(|flag| flag.starts_with("--all-members")) {
        args.push(&url);
    }
    args.extend(flags);
    cli::run(&args)
}

/// Returns the servers' answers on a restore by their own tool; afterwards the ports are free again.
fn answers_after_own_restore(
    version: &str,
    case: &Case,
    member_configs: &[MemberConfig],
    folder: &Path,
) -> Option<BTreeMap<String, Value>> {
    // In 3.4 it is part of etcdctl.
    let tool = if version == "3.4" { "etcdctl" } else { "etcdutl" };
    for member_config in member_configs {
        fs::create_dir_all(member_config.data.parent().unwrap()).unwrap();
        let mut restore = program(version, tool)?;
        restore.args([
            "snapshot",
            "restore",
            "--name",
            &member_config.name,
            "--initial-cluster",
            &initial_cluster(member_configs),
        ]);
        restore
            .args(["--initial-advertise-peer-urls", &member_config.peer_url(), "--data-dir"])
            .arg(&member_config.data);
        if !case.about.trailer {
            restore.arg("--skip-hash-check");
        }
        stdout_of(&restore.arg(case.path()).output().unwrap());
    }
    let servers = Servers::start(version, member_configs, folder)?;
    let dump = servers.dump(case.about.user.as_deref(), &case.about.sampled_revisions);
    drop(servers);
    for member_config in member_configs {
        fs::remove_dir_all(&member_config.data).unwrap();
    }
    if let Some(parent) = member_configs[0].data.parent().filter(|parent| *parent != folder) {
        fs::remove_dir(parent).unwrap();
    }
    Some(dump)
}

fn same(theirs: &BTreeMap<String, Value>, ours: &BTreeMap<String, Value>, what: &str) {
    same_answers(theirs, ours, what);
    let keys = &theirs["keys"]["states"][0]["keys"];
    assert!(keys.as_array().is_some_and(|keys| keys.len() > 20), "{what}: a case with keys is compared");
}

fn same_answers(theirs: &BTreeMap<String, Value>, ours: &BTreeMap<String, Value>, what: &str) {
    let names: Vec<_> = theirs.keys().collect();
    assert_eq!(names, ["alarms", "auth", "hashkv", "keys", "leases", "members"]);
    for (name, theirs) in theirs {
        assert!(*theirs == ours[name], "{what}: {name} differ\ntheirs {theirs:#}\nours {:#}", ours[name]);
    }
}

/// Puts, deletes and compacts.
fn write_and_compact(servers: &Servers, user: Option<&str>) {
    stdout_of(&servers.etcdctl(user, &["put", "after", "the restore"]));
    stdout_of(&servers.etcdctl(user, &["put", "gone", "soon"]));
    assert_eq!(stdout_of(&servers.etcdctl(user, &["del", "gone"])), "1\n");
    let (revision, _) = servers.agreed_hash(user);
    stdout_of(&servers.etcdctl(user, &["compact", &revision.to_string()]));
    assert_eq!(stdout_of(&servers.etcdctl(user, &["get", "gone"])), "");
}

fn check_database(data: &Path) {
    let bbolt = reference("3.7", "bbolt").unwrap();
    let (passed, told) = bbolt_check(&bbolt, &fs::read(data.join("member/snap/db")).unwrap());
    assert!(passed, "{told}");
}

fn sorted(member_configs: &[MemberConfig]) -> String {
    let mut pairs: Vec<_> = member_configs
        .iter()
        .map(|member_config| format!("{}={}", member_config.name, member_config.peer_url()))
        .collect();
    pairs.sort();
    pairs.join(",")
}
