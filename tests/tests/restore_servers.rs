//! Real servers over what `etcdsnap restore` makes: they must say the same as those over what their version's own tool makes, and go on working.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;

use etcdsnap_tests::case::{self, Case};
use etcdsnap_tests::cli;
use etcdsnap_tests::programs::{bbolt_check, reference};
use etcdsnap_tests::server::{Seat, Servers, initial_cluster, program, said, seats};
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

/// Fresh servers, copies of databases, clusters, and what was restored or bumped before: one member of each, over which the server of its own version says what it
/// says over its own tool's restore; then the server of the next version.
fn every_other_case(version: &str, next: &str) {
    let cases: Vec<_> = case::all()
        .into_iter()
        .filter(|case| case.name.starts_with(&format!("{version}-")) && !case.name.ends_with("-history"))
        .collect();
    assert!(cases.len() >= 4, "{version}: {} cases", cases.len());
    for case in cases {
        let user = case.about.user.as_deref();
        let folder = tempfile::tempdir().unwrap();
        let seats = seats(folder.path(), &["one"]);
        let Some(theirs) = restored_by_their_tool(version, &case, &seats, folder.path()) else { return };
        let skip: &[&str] = if case.about.trailer { &[] } else { &["--skip-hash-check"] };
        let data = format!("--data-dir={}", seats[0].data.display());
        said(&restore(&case, &seats, &[&[data.as_str(), "--name=one"], skip].concat()));
        check_database(&seats[0].data);
        let servers = Servers::start(version, &seats, folder.path()).unwrap();
        same_answers(&theirs, &servers.dump(user, &case.about.sampled_revisions), &case.name);
        let _ = servers.etcdctl(user, &["alarm", "disarm"]);
        use_it(&servers, user);
        servers.stop();
        let servers = Servers::start(next, &seats, folder.path()).unwrap();
        assert_eq!(said(&servers.etcdctl(user, &["get", "after", "--print-value-only"])), "the restore\n");
        use_it(&servers, user);
        servers.stop();
    }
}

/// The servers of the recorded version and of the one that may follow it; writes, deletions, a compaction, a restart.
fn one_member(version: &str, next: Option<&str>) {
    let case = case::named(&format!("{version}-history"));
    let user = case.about.user.as_deref();
    let folder = tempfile::tempdir().unwrap();
    let seats = seats(folder.path(), &["one"]);
    let Some(theirs) = restored_by_their_tool(version, &case, &seats, folder.path()) else { return };

    said(&restore(&case, &seats, &[&format!("--data-dir={}", seats[0].data.display()), "--name=one"]));
    check_database(&seats[0].data);
    let servers = Servers::start(version, &seats, folder.path()).unwrap();
    same(&theirs, &servers.dump(user, &case.about.sampled_revisions), &case.name);
    use_it(&servers, user);
    let before = servers.agreed_hash(user);
    servers.stop();

    let servers = Servers::start(next.unwrap_or(version), &seats, folder.path()).unwrap();
    assert_eq!(said(&servers.etcdctl(user, &["get", "after", "--print-value-only"])), "the restore\n");
    let after = servers.agreed_hash(user);
    assert_eq!(after.0, before.0, "{version}: the revision after a restart");
    if next.is_none() {
        assert_eq!(after, before, "{version}: revision and hash after a restart");
    }
    use_it(&servers, user);
    servers.stop();
}

/// Every member's directory from one run; the servers form a cluster, take in a fourth, and come up again, at last as the version that may follow.
fn three_members(version: &str, next: Option<&str>) {
    let case = case::named(&format!("{version}-cluster"));
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("all");
    let mut seats = seats(&directory, &["one", "two", "three", "four"]);
    let mut fourth = seats.pop().unwrap();
    fourth.data = folder.path().join("four");
    let Some(theirs) = restored_by_their_tool(version, &case, &seats, folder.path()) else { return };

    let all = format!("--all-members={}", directory.display());
    let output = restore(&case, &seats, &[&all, "-w", "json"]);
    let described: Value = serde_json::from_str(&said(&output)).unwrap();
    for (described, name) in described.as_array().unwrap().iter().zip(["one", "three", "two"]) {
        assert_eq!(described["name"], name);
        let start = fs::read_to_string(described["startFile"].as_str().unwrap()).unwrap();
        assert!(start.contains(&format!("ETCD_NAME='{name}'\n")), "{start}");
        assert!(start.contains(&format!("ETCD_INITIAL_CLUSTER='{}'\n", sorted(&seats))), "{start}");
    }
    for seat in &seats {
        check_database(&seat.data);
    }
    let mut servers = Servers::start(version, &seats, folder.path()).unwrap();
    same(&theirs, &servers.dump(None, &case.about.sampled_revisions), &case.name);
    let _ = servers.etcdctl(None, &["alarm", "disarm"]);
    use_it(&servers, None);
    servers.add(&fourth, None);
    said(&servers.etcdctl_of(3, None, &["put", "from", "the fourth"]));
    let before = servers.agreed_hash(None);
    servers.stop();

    seats.push(fourth);
    let servers = Servers::start(version, &seats, folder.path()).unwrap();
    assert_eq!(servers.agreed_hash(None), before, "{version}: revision and hash after a restart of all");
    servers.stop();
    let Some(next) = next else { return };
    let servers = Servers::start(next, &seats, folder.path()).unwrap();
    assert_eq!(servers.agreed_hash(None).0, before.0, "{version}: the revision after an upgrade to {next}");
    use_it(&servers, None);
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

/// The revision is the raised one, older ones are compacted, and a watch that begins there is told so.
fn bumped(version: &str) {
    let case = case::named(&format!("{version}-history"));
    let user = case.about.user.as_deref();
    let folder = tempfile::tempdir().unwrap();
    let seats = seats(folder.path(), &["one"]);
    if program(version, "etcd").is_none() {
        return;
    }
    let bump = format!("--bump-revision={BUMP}");
    let data = format!("--data-dir={}", seats[0].data.display());
    let output = restore(&case, &seats, &[&data, "--name=one", &bump, "--mark-compacted", "-w", "json"]);
    let described: Value = serde_json::from_str(&said(&output)).unwrap();
    let before = described["revisionBefore"].as_i64().unwrap();
    assert_eq!(described["revisionAfter"], before + BUMP);
    check_database(&seats[0].data);
    // The empty value that marks the bump is no key.
    let database = seats[0].data.join("member/snap/db");
    let keys =
        |path: &Path| cli::json(&cli::run(&[Path::new("status"), Path::new("-wjson"), path]))["totalKey"].clone();
    assert_eq!(keys(&database), keys(&case.path()));

    let servers = Servers::start(version, &seats, folder.path()).unwrap();
    let got: Value = serde_json::from_str(&said(&servers.etcdctl(user, &["get", "x", "-w", "json"]))).unwrap();
    assert_eq!(got["header"]["revision"], before + BUMP, "{version}");
    let old = format!("--rev={}", before);
    let refused = servers.etcdctl(user, &["get", "x", &old]);
    assert!(!refused.status.success() && complaint(&refused).contains("compacted"), "{}", complaint(&refused));
    let watched = servers.etcdctl(user, &["watch", "x", &old]);
    assert!(complaint(&watched).contains("compacted"), "{version}: {}", complaint(&watched));
    use_it(&servers, user);
    servers.stop();
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// `etcdsnap restore` for the cluster of these places; a copy of a database has no SHA-256.
fn restore(case: &Case, seats: &[Seat], flags: &[&str]) -> Output {
    let cluster = format!("--initial-cluster={}", initial_cluster(seats));
    let url = format!("--initial-advertise-peer-urls={}", seats[0].peer_url());
    let path = case.path();
    let mut args = vec!["restore", path.to_str().unwrap(), &cluster];
    if !flags.iter().any(|flag| flag.starts_with("--all-members")) {
        args.push(&url);
    }
    args.extend(flags);
    cli::run(&args)
}

/// What servers say that run over what their own tool restored; the places are free again afterwards.
fn restored_by_their_tool(
    version: &str,
    case: &Case,
    seats: &[Seat],
    folder: &Path,
) -> Option<BTreeMap<String, Value>> {
    // 3.4 has it in etcdctl still.
    let tool = if version == "3.4" { "etcdctl" } else { "etcdutl" };
    for seat in seats {
        fs::create_dir_all(seat.data.parent().unwrap()).unwrap();
        let mut restore = program(version, tool)?;
        restore.args(["snapshot", "restore", "--name", &seat.name, "--initial-cluster", &initial_cluster(seats)]);
        restore.args(["--initial-advertise-peer-urls", &seat.peer_url(), "--data-dir"]).arg(&seat.data);
        if !case.about.trailer {
            restore.arg("--skip-hash-check");
        }
        said(&restore.arg(case.path()).output().unwrap());
    }
    let servers = Servers::start(version, seats, folder)?;
    let dump = servers.dump(case.about.user.as_deref(), &case.about.sampled_revisions);
    drop(servers);
    for seat in seats {
        fs::remove_dir_all(&seat.data).unwrap();
    }
    if let Some(parent) = seats[0].data.parent().filter(|parent| *parent != folder) {
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
fn use_it(servers: &Servers, user: Option<&str>) {
    said(&servers.etcdctl(user, &["put", "after", "the restore"]));
    said(&servers.etcdctl(user, &["put", "gone", "soon"]));
    assert_eq!(said(&servers.etcdctl(user, &["del", "gone"])), "1\n");
    let (revision, _) = servers.agreed_hash(user);
    said(&servers.etcdctl(user, &["compact", &revision.to_string()]));
    assert_eq!(said(&servers.etcdctl(user, &["get", "gone"])), "");
}

fn check_database(data: &Path) {
    let bbolt = reference("3.7", "bbolt").unwrap();
    let (passed, told) = bbolt_check(&bbolt, &fs::read(data.join("member/snap/db")).unwrap());
    assert!(passed, "{told}");
}

fn sorted(seats: &[Seat]) -> String {
    let mut pairs: Vec<_> = seats.iter().map(|seat| format!("{}={}", seat.name, seat.peer_url())).collect();
    pairs.sort();
    pairs.join(",")
}
