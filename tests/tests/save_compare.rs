//! `save` compares the members of a cluster: members that agree, lag, are down, or have diverged.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use etcdsnap_tests::cli;
use etcdsnap_tests::server::{MemberConfig, Servers, member_configs, stdout_of};
use serde_json::Value;

/// A value that is easy to find in a database file, and another of the same length.
const VALUE: &[u8] = b"this-is-what-all-members-agree-on";
const OTHER_VALUE: &[u8] = b"this-is-what-only-one-of-them-has";

fn save(member_config: &MemberConfig, flags: &[&str], target: &Path) -> Output {
    let endpoints = format!("--endpoints={}", member_config.client_url());
    cli::run(&[&["save", &endpoints], flags, &[target.to_str().unwrap()]].concat())
}

/// Returns the outcome of each member by its name.
fn outcomes(json: &Value) -> Vec<(String, String)> {
    let members = json["comparison"]["members"].as_array().unwrap_or_else(|| panic!("no comparison: {json}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut outcomes: Vec<_> = members.iter().map(|member| (text(&member["name"]), text(&member["outcome"]))).collect();
    outcomes.sort();
    outcomes
}

fn assert_outcomes(json: &Value, expected: [&str; 3]) {
    let expected: Vec<_> =
        ["a", "b", "c"].into_iter().zip(expected).map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
    assert_eq!(outcomes(json), expected, "{json}");
}

#[test]
fn members_of_3_4() {
    check_members_that_agree("3.4");
}

#[test]
fn members_of_3_5() {
    check_members_that_agree("3.5");
}

#[test]
fn members_of_3_6() {
    check_members_that_agree("3.6");
}

#[test]
fn members_of_3_7() {
    check_members_that_agree("3.7");
}

fn check_members_that_agree(version: &str) {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["a", "b", "c"]);
    let Some(mut servers) = Servers::start(version, &member_configs, folder.path()) else { return };
    let file = folder.path().join("backup.db");
    // An empty store, and one with keys: the members are discovered from one endpoint.
    assert_outcomes(&cli::json(&save(&member_configs[0], &["-w=json"], &file)), ["same"; 3]);
    servers.put_megabytes(1);
    let (revision, hash) = servers.agreed_hash(None);
    for flags in [&["-w=json"][..], &["-w=json", "--verify=hash"], &["-w=json", "--compress=zstd"]] {
        let json = cli::json(&save(&member_configs[1], flags, &file));
        assert_outcomes(&json, ["same"; 3]);
        assert_eq!(
            (json["comparison"]["hash"].as_u64(), json["comparison"]["revision"].as_u64()),
            (Some(hash), Some(revision))
        );
    }
    let text = stdout_of(&save(&member_configs[0], &[], &file));
    assert!(text.contains(&format!("at revision {revision}: same data as b, c\n")), "{text}");
    let json = cli::json(&save(&member_configs[0], &["-w=json", "--no-compare"], &file));
    assert_eq!(json["comparison"], Value::Null);

    // Concurrent writes, deletions and compactions are never mistaken for a divergence.
    let stop = AtomicBool::new(false);
    scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                let key = format!("busy/{}", number % 7);
                let put = servers.etcdctl(None, &["put", &key, &number.to_string(), "-w=json"]);
                let revision = cli::json(&put)["header"]["revision"].as_u64().unwrap();
                if number % 5 == 4 {
                    stdout_of(&servers.etcdctl(None, &["del", &key]));
                    let _ = servers.etcdctl(None, &["compact", &revision.to_string()]);
                }
                number += 1;
            }
        });
        let mut compared = 0;
        for round in 0..12 {
            let flags: &[&str] = if round % 3 == 0 { &["-w=json", "--compress=gzip"] } else { &["-w=json"] };
            let output = save(&member_configs[round % 3], flags, &file);
            stdout_of(&output);
            let outcomes = outcomes(&cli::json(&output));
            assert!(outcomes.iter().all(|(_, outcome)| outcome != "differs"), "{output:?}");
            compared += outcomes.iter().filter(|(_, outcome)| outcome == "same").count();
        }
        stop.store(true, Ordering::Relaxed);
        assert!(compared > 12, "{compared} of 36 were compared");
    });

    // A deletion at exactly the compacted revision, which restarted members know only from the file.
    stdout_of(&servers.etcdctl(None, &["put", "gone", "x"]));
    let deleted = cli::json(&servers.etcdctl(None, &["del", "gone", "-w=json"]))["header"]["revision"].to_string();
    stdout_of(&servers.etcdctl(None, &["compact", &deleted]));
    // Old servers report no hash at the compacted revision itself.
    let expected = if version == "3.4" { "notCompared" } else { "same" };
    assert_outcomes(&cli::json(&save(&member_configs[0], &["-w=json"], &file)), [expected; 3]);
    stdout_of(&servers.etcdctl(None, &["put", "kept", "x"]));
    let member_config = servers.kill(2);
    servers.restart(&member_config);
    for member_config in [&member_configs[0], &member_configs[2]] {
        assert_outcomes(&cli::json(&save(member_config, &["-w=json"], &file)), ["same"; 3]);
    }

    // A member that is down is named, but is not an error.
    servers.kill(2);
    let output = save(&member_configs[0], &[], &file);
    let text = stdout_of(&output);
    assert!(text.contains(": same data as b; not compared with c (http://"), "{text}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

/// Stops a member, changes a value in its database, and starts it again.
fn change_value_of(servers: &mut Servers, index: usize) {
    // After the stop, everything is in the file.
    sleep(Duration::from_millis(500));
    let member_config = servers.kill(index);
    let path = member_config.data.join("member/snap/db");
    let bytes = fs::read(&path).unwrap();
    let found: Vec<usize> = (0..bytes.len() - VALUE.len()).filter(|at| bytes[*at..].starts_with(VALUE)).collect();
    assert!(!found.is_empty(), "the value is not in the database of {}", member_config.name);
    let database = fs::File::options().write(true).open(&path).unwrap();
    for at in found {
        database.write_all_at(OTHER_VALUE, at as u64).unwrap();
    }
    servers.restart(&member_config);
}

#[test]
fn a_member_of_3_4_that_has_diverged() {
    a_member_that_has_diverged("3.4");
}

#[test]
fn a_member_of_3_5_that_has_diverged() {
    a_member_that_has_diverged("3.5");
}

#[test]
fn a_member_of_3_6_that_has_diverged() {
    a_member_that_has_diverged("3.6");
}

#[test]
fn a_member_of_3_7_that_has_diverged() {
    a_member_that_has_diverged("3.7");
}

fn a_member_that_has_diverged(version: &str) {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["a", "b", "c"]);
    let Some(mut servers) = Servers::start(version, &member_configs, folder.path()) else { return };
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    stdout_of(&servers.etcdctl(None, &["put", "k", std::str::from_utf8(VALUE).unwrap()]));
    let _ = servers.agreed_hash(None);
    let good = cli::json(&save(&member_configs[0], &["-w=json"], &out));
    assert_outcomes(&good, ["same"; 3]);
    let old = out
        .join(Path::new(good["file"].as_str().unwrap()).file_name().unwrap().to_str().unwrap().replace("-202", "-201"));
    fs::rename(good["file"].as_str().unwrap(), &old).unwrap();

    change_value_of(&mut servers, 2);
    // Later writes do not repair the history.
    stdout_of(&servers.etcdctl(None, &["put", "later", "x"]));
    for compress in [&["-w=json", "--keep=1"][..], &["-w=json", "--keep=1", "--compress=zstd"]] {
        let output = save(&member_configs[0], compress, &out);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let json = cli::json(&output);
        assert_outcomes(&json, ["same", "same", "differs"]);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(words.contains("the data of c are not those of this snapshot and of a, b"), "{words}");
        assert!(words.contains("No old snapshot was removed, because members of the cluster have diverged"), "{words}");
        let report = etcdsnap::verify(json["file"].as_str().unwrap(), etcdsnap::VerifyOptions::default()).unwrap();
        assert_eq!(report.verdict, etcdsnap::Verdict::Sound);
        assert!(old.exists());
    }
    // Saved from the wrong member: the file is in place, and the report names the divergence.
    let file = folder.path().join("wrong.db");
    let output = save(&member_configs[2], &["-w=json"], &file);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_outcomes(&cli::json(&output), ["differs", "differs", "same"]);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("The member that sent this snapshot has diverged"), "{words}");
    assert!(words.contains("a, b have other data") && file.exists(), "{words}");
    // A stream is complete, too.
    let output = cli::run(&["save", "-", &format!("--endpoints={}", member_configs[0].client_url()), "-w=json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("The output is a complete snapshot") && words.contains(r#""differs""#), "{words}");
    let judged = cli::run_with_input(&["verify", "-"], &output.stdout);
    stdout_of(&judged);
    // If one more is down, the majority is unknown.
    servers.kill(1);
    let output = save(&member_configs[0], &["-w=json"], &file);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no majority"), "{output:?}");
    stdout_of(&save(&member_configs[0], &["--no-compare"], &file));
}

/// Returns every offset of a key of etcd's bucket `meta`, in every copy of the page.
fn consistent_indexes(database: &[u8]) -> Vec<usize> {
    let name = b"consistent_index";
    let places = (0..database.len() - name.len() - 8).filter(|at| database[*at..].starts_with(name));
    places.map(|at| at + name.len()).collect()
}

/// Simulates a bug of 3.5.0: a member marks entries of the log as applied that it has not applied, so its revision stays too low forever.
#[test]
fn a_member_that_lost_revisions_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["a", "b", "c"]);
    let Some(mut servers) = Servers::start("3.5", &member_configs, folder.path()) else { return };
    stdout_of(&servers.etcdctl(None, &["put", "k", "before"]));
    let _ = servers.agreed_hash(None);
    sleep(Duration::from_millis(500));
    let member_config = servers.kill(2);
    let path = member_config.data.join("member/snap/db");
    let mut old = fs::read(&path).unwrap();
    servers.restart(&member_config);
    for value in ["1", "2", "3"] {
        stdout_of(&servers.etcdctl(None, &["put", "k", value]));
    }
    let _ = servers.agreed_hash(None);
    sleep(Duration::from_millis(500));
    let member_config = servers.kill(2);
    let new = fs::read(&path).unwrap();
    let number = |at: &usize| u64::from_be_bytes(new[*at..*at + 8].try_into().unwrap());
    let latest = consistent_indexes(&new).iter().map(number).max().unwrap();
    for at in consistent_indexes(&old) {
        old[at..at + 8].copy_from_slice(&latest.to_be_bytes());
    }
    fs::write(&path, old).unwrap();
    servers.restart(&member_config);
    stdout_of(&servers.etcdctl(None, &["put", "k", "after"]));
    let file = folder.path().join("backup.db");
    let output = save(&member_configs[0], &["-w=json"], &file);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let json = cli::json(&output);
    assert_outcomes(&json, ["same", "same", "differs"]);
    let of_c = json["comparison"]["members"].as_array().unwrap().iter().find(|member| member["name"] == "c").unwrap();
    assert!(of_c["reason"].as_str().unwrap().contains("its revision is only 3"), "{of_c}");
    // A snapshot of the other member reports that all others differ.
    let output = save(&member_configs[2], &["-w=json"], &file);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_outcomes(&cli::json(&output), ["differs", "differs", "same"]);
}

/// Members that cannot be compared are reported, which is not a failure: compacted at other revisions, without an answer, or without keys.
#[test]
fn uncertain_comparisons_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["a", "b", "c"]);
    let Some(mut servers) = Servers::start("3.7", &member_configs, folder.path()) else { return };
    let file = folder.path().join("backup.db");
    for number in 0..50 {
        stdout_of(&servers.etcdctl(None, &["put", &format!("k/{}", number % 3), &number.to_string()]));
    }
    stdout_of(&servers.etcdctl(None, &["del", "k/", "--prefix"]));
    stdout_of(&servers.etcdctl(None, &["compact", "30"]));
    assert_outcomes(&cli::json(&save(&member_configs[0], &["-w=json"], &file)), ["same"; 3]);

    // A program accepts connections at c's address, and stays silent.
    servers.kill(2);
    let silent = TcpListener::bind(("127.0.0.1", member_configs[2].client)).unwrap();
    for (flags, reason) in [
        (&["-w=json", "--dial-timeout=1s"][..], "sent nothing within 1s"),
        (&["-w=json", "--dial-timeout=10m", "--command-timeout=4s"], "there was no time left"),
    ] {
        let begun = Instant::now();
        let output = save(&member_configs[0], flags, &file);
        stdout_of(&output);
        let json = cli::json(&output);
        let of_c =
            json["comparison"]["members"].as_array().unwrap().iter().find(|member| member["name"] == "c").unwrap();
        assert!(of_c["reason"].as_str().unwrap().contains(reason), "{json}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }
    drop(silent);
}

/// With authentication, and in the service with its metrics.
#[test]
fn comparison_works_with_users_and_metrics() {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::process::{Command, Stdio};

    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["a", "b", "c"]);
    let Some(mut servers) = Servers::start("3.7", &member_configs, folder.path()) else { return };
    stdout_of(&servers.etcdctl(None, &["put", "k", std::str::from_utf8(VALUE).unwrap()]));
    let file = folder.path().join("backup.db");
    change_value_of(&mut servers, 1);
    stdout_of(&servers.etcdctl(None, &["user", "add", "root:secret"]));
    stdout_of(&servers.etcdctl(None, &["user", "grant-role", "root", "root"]));
    stdout_of(&servers.etcdctl(None, &["auth", "enable"]));
    let output = save(&member_configs[0], &["--user=root:secret", "-w=json"], &file);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let json = cli::json(&output);
    assert_eq!(outcomes(&json).iter().filter(|(_, outcome)| outcome == "differs").count(), 1, "{json}");
    let mut service = Command::new(cli::program())
        .args(["save", "--every=1h", "--log-format=json", "--metrics-listen=127.0.0.1:0", "--user=root:secret"])
        .arg(format!("--endpoints={}", member_configs[0].client_url()))
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    let mut told = false;
    for line in BufReader::new(service.stderr.take().unwrap()).lines() {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let message = line["message"].as_str().unwrap_or_default();
        if message == "serving metrics" {
            address = line["address"].as_str().unwrap().to_owned();
        }
        if message.contains("diverged") {
            told = true;
            break;
        }
    }
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut metrics = String::new();
    stream.read_to_string(&mut metrics).unwrap();
    service.kill().unwrap();
    service.wait().unwrap();
    assert!(told);
    assert!(metrics.contains("etcdsnap_last_compared_members 3\n"), "{metrics}");
    assert!(metrics.contains("etcdsnap_last_diverged_members 1\n"), "{metrics}");
    assert!(metrics.contains("etcdsnap_divergences_total 1\n"), "{metrics}");
    assert!(metrics.contains("etcdsnap_last_success_timestamp"), "{metrics}");
}
