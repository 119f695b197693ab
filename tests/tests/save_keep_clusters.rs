//! Several clusters whose snapshots share names: none replaces another's, and `--keep` removes only snapshots of the same history.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use etcdsnap_tests::cli;
use etcdsnap_tests::origin_mark::{MARK, rename_with_mark};
use etcdsnap_tests::server::{MemberConfig, Servers, member_configs, stdout_of};
use serde_json::Value;

fn begin(member_config: &MemberConfig, flags: &[&str], target: &Path) -> Child {
    let endpoints = format!("--endpoints={}", member_config.client_url());
    let mut command = Command::new(cli::program());
    command.args(["save", &endpoints, "-w", "json"]).args(flags).arg(target);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn save(member_config: &MemberConfig, flags: &[&str], target: &Path) -> Output {
    begin(member_config, flags, target).wait_with_output().unwrap()
}

fn report(output: &Output) -> Value {
    stdout_of(output);
    cli::json(output)
}

fn file(report: &Value) -> PathBuf {
    report["file"].as_str().unwrap().into()
}

fn removed(report: &Value) -> Vec<PathBuf> {
    let removed = report["removed"].as_array().unwrap().iter();
    removed.map(|removed| removed["file"].as_str().unwrap().into()).collect()
}

fn assert_refused(output: &Output, words: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
}

/// Renames a snapshot as if it was saved on another day, including its mark.
fn on_day(file: &Path, day: u32) -> PathBuf {
    let name = file.file_name().unwrap().to_str().unwrap();
    let stamp = name.split(['-', '.']).find(|part| part.ends_with('Z') && part.contains('T')).unwrap();
    let old = file.with_file_name(name.replace(stamp, &format!("202001{day:02}T000000Z")));
    rename_with_mark(file, &old);
    old
}

/// Tests two lines of a crontab that run at the same time.
#[test]
fn two_clusters_may_save_in_the_same_second() {
    let folder = tempfile::tempdir().unwrap();
    let both = member_configs(folder.path(), &["a", "b"]);
    let Some(_a) = Servers::start("3.5", &both[..1], folder.path()) else { return };
    let Some(_b) = Servers::start("3.6", &both[1..], folder.path()) else { return };
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let mut files = BTreeSet::new();
    for _ in 0..3 {
        // Two saves of the same cluster work, too.
        let runs = [&both[0], &both[1], &both[0], &both[1]]
            .map(|member_config| begin(member_config, &[], &out.join("etcd-{time}.db")));
        for run in runs {
            let report = report(&run.wait_with_output().unwrap());
            // An empty store is a warning.
            let found = etcdsnap::verify(file(&report), etcdsnap::VerifyOptions::default()).unwrap();
            assert_ne!(found.verdict, etcdsnap::Verdict::Damaged, "{report}");
            assert!(files.insert(file(&report)), "{report}");
        }
    }
    assert_eq!(fs::read_dir(&out).unwrap().count(), 12);
}

/// Names without a time: the same cluster's file is replaced, any other stays.
#[test]
fn a_name_without_a_time_belongs_to_one_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let both = member_configs(folder.path(), &["a", "b"]);
    let Some(a) = Servers::start("3.6", &both[..1], folder.path()) else { return };
    let Some(b) = Servers::start("3.6", &both[1..], folder.path()) else { return };
    for (servers, key) in [(&a, "of-a"), (&b, "of-b")] {
        stdout_of(&servers.etcdctl(None, &["put", key, "x"]));
    }
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let template = out.join("{revision}.db");
    let first = file(&report(&save(&both[0], &[], &template)));
    let bytes = fs::read(&first).unwrap();
    assert_refused(
        &save(&both[1], &[], &template),
        &["2.db exists already and is not replaced", "another cluster", "{cluster}"],
    );
    assert_eq!(fs::read(&first).unwrap(), bytes);
    assert_eq!(file(&report(&save(&both[0], &[], &template))), first);
    // Without its mark the members in it prove it.
    let _ = rustix::fs::removexattr(&first, MARK);
    assert_refused(&save(&both[1], &[], &template), &["nothing proves which cluster"]);
    assert_eq!(file(&report(&save(&both[0], &[], &template))), first);
    fs::write(&first, "no snapshot").unwrap();
    assert_refused(&save(&both[0], &[], &template), &["nothing proves which cluster"]);
    // A name without placeholders is replaced, whichever cluster it is from.
    stdout_of(&save(&both[1], &[], &first));
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
}

/// A cluster that was wiped and recreated, and names that show neither the revision nor, if compressed, the contents.
#[test]
fn a_recreated_cluster_keeps_the_old_ones_compressed_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["w"]);
    let Some(servers) = Servers::start("3.6", &member_configs, folder.path()) else { return };
    for number in 0..5 {
        stdout_of(&servers.etcdctl(None, &["put", &format!("k{number}"), "good"]));
    }
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let template = out.join("{cluster}-{time}.db.zst");
    let flags = ["--compress=zstd", "--keep=3", "--verify=hash"];
    let good: Vec<_> =
        (1..=3).map(|day| on_day(&file(&report(&save(&member_configs[0], &flags, &template))), day)).collect();
    servers.stop();
    fs::remove_dir_all(&member_configs[0].data).unwrap();
    let Some(servers) = Servers::start("3.6", &member_configs, folder.path()) else { return };
    for day in 4..=7 {
        let report = report(&save(&member_configs[0], &flags, &template));
        assert!(report["warnings"].to_string().contains("restored or created again"), "{report}");
        on_day(&file(&report), day);
    }
    assert!(good.iter().all(|file| file.exists()));
    // The new cluster's own old snapshots are removed.
    assert_eq!(fs::read_dir(&out).unwrap().count(), 6);
    // It has more revisions, and the good snapshots still belong to another history.
    for number in 0..9 {
        stdout_of(&servers.etcdctl(None, &["put", "other", &number.to_string()]));
    }
    let report = report(&save(&member_configs[0], &flags, &template));
    assert!(good.iter().all(|file| file.exists()), "{report}");
    assert!(report["warnings"].to_string().contains("another history"), "{report}");
}

/// etcds that run with their defaults share a cluster id, a member id and a name.
#[test]
fn two_etcds_with_the_default_id_keep_each_others_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let (mut a, mut b) = (member_configs(folder.path(), &["default"]), member_configs(folder.path(), &["default"]));
    (a[0].data, b[0].data) = (folder.path().join("a"), folder.path().join("b"));
    let defaults =
        ["--initial-advertise-peer-urls=http://localhost:2380", "--initial-cluster=default=http://localhost:2380"];
    let defaults = defaults.map(str::to_owned);
    let logs = [folder.path().join("logs-a"), folder.path().join("logs-b")];
    logs.iter().for_each(|logs| fs::create_dir(logs).unwrap());
    let Some(first) = Servers::start_with("3.6", &a, &logs[0], &defaults) else { return };
    let Some(second) = Servers::start_with("3.6", &b, &logs[1], &defaults) else { return };
    for (servers, name, count) in [(&first, "a", 12), (&second, "b", 4)] {
        for number in 0..count {
            stdout_of(&servers.etcdctl(None, &["put", &format!("{name}{number}"), "x"]));
        }
    }
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let keep = ["--keep=2"];
    let of_b: Vec<_> = (1..=2).map(|day| on_day(&file(&report(&save(&b[0], &keep, &out))), day)).collect();
    let mut of_a = Vec::new();
    for day in 3..=6 {
        let report = report(&save(&a[0], &keep, &out));
        assert_eq!(report["clusterId"], "cdf818194e3a8c32");
        assert!(report["warnings"].to_string().contains("another history"), "{report}");
        of_a.push(on_day(&file(&report), day));
        // Its own old snapshots are removed as usual, and others do not count.
        let kept = of_a.iter().filter(|file| file.exists()).count();
        assert_eq!(kept, of_a.len().min(2), "{report}");
    }
    assert!(of_b.iter().all(|file| file.exists()));
    // If compactions have removed everything comparable, they stay as well.
    stdout_of(&first.etcdctl(None, &["del", "a", "--prefix"]));
    stdout_of(&first.etcdctl(None, &["put", "last", "x"]));
    stdout_of(&first.etcdctl(None, &["compact", "15"]));
    let report = report(&save(&a[0], &keep, &out));
    assert!(of_b.iter().all(|file| file.exists()), "{report}");
    assert!(report["warnings"].to_string().contains("started with its defaults"), "{report}");
    assert!(removed(&report).is_empty(), "{report}");
}

/// The entries that compactions keep prove a history as well.
#[test]
fn the_same_cluster_is_recognised_after_a_compaction() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["one"]);
    let defaults =
        ["--initial-advertise-peer-urls=http://localhost:2380", "--initial-cluster=one=http://localhost:2380"];
    let Some(servers) = Servers::start_with("3.7", &member_configs, folder.path(), &defaults.map(str::to_owned)) else {
        return;
    };
    stdout_of(&servers.etcdctl(None, &["put", "stays", "x"]));
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    for (day, compress) in [(1, None), (2, Some("--compress=gzip")), (3, None)] {
        for number in 0..3 {
            stdout_of(&servers.etcdctl(None, &["put", "k", &format!("{day}{number}")]));
        }
        let flags: Vec<&str> = ["--keep=1"].into_iter().chain(compress).collect();
        let report = report(&save(&member_configs[0], &flags, &out));
        assert_eq!(removed(&report).len(), usize::from(day > 1), "{report}");
        let old = on_day(&file(&report), day);
        let revision = old.file_name().unwrap().to_str().unwrap().split('-').nth(3).unwrap().to_owned();
        stdout_of(&servers.etcdctl(None, &["put", "k", "again"]));
        stdout_of(&servers.etcdctl(None, &["compact", &revision]));
    }
}

/// Tests a copy with extra words in its name, which looks like a snapshot of another member.
#[test]
fn a_copy_under_its_own_name_stays() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["m1"]);
    let Some(_servers) = Servers::start("3.6", &member_configs, folder.path()) else { return };
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let old = on_day(&file(&report(&save(&member_configs[0], &[], &out))), 1);
    let mut value = [0; 512];
    if rustix::fs::getxattr(&old, MARK, &mut value[..]).is_err() {
        eprintln!("*** not run: the temporary directory has no extended attributes ***");
        return;
    }
    let name = old.file_name().unwrap().to_str().unwrap();
    let copy = old.with_file_name(name.replace("-m1-", "-m1-before-upgrade-"));
    stdout_of(&Command::new("cp").arg(&old).arg(&copy).output().unwrap());
    let with_mark = old.with_file_name(name.replace("-m1-", "-m1-archive-"));
    stdout_of(&Command::new("cp").arg("-a").arg(&old).arg(&with_mark).output().unwrap());
    let report = report(&save(&member_configs[0], &["--keep=1"], &out));
    assert_eq!(removed(&report), [old], "{report}");
    assert!(copy.exists() && with_mark.exists(), "{report}");
    let notes =
        report["warnings"].as_array().unwrap().iter().filter(|note| !note.to_string().contains("[store-empty]"));
    let notes: Vec<_> = notes.map(ToString::to_string).collect();
    assert!(notes.len() == 1 && notes[0].contains("2 old snapshots ("), "{report}");
}

/// Tests snapshots from a time when the clock was wrong.
#[test]
fn retention_by_age_keeps_the_newest_three() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["one"]);
    let Some(_servers) = Servers::start("3.6", &member_configs, folder.path()) else { return };
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let old: Vec<_> = (1..=5).map(|day| on_day(&file(&report(&save(&member_configs[0], &[], &out))), day)).collect();
    let future = old[0].with_file_name(old[0].file_name().unwrap().to_str().unwrap().replace("20200101", "22000101"));
    rename_with_mark(&old[0], &future);
    let report = report(&save(&member_configs[0], &["--keep-within=7d"], &out));
    assert_eq!(removed(&report).iter().collect::<BTreeSet<_>>(), old[1..3].iter().collect(), "{report}");
    assert!(report["warnings"].to_string().contains("in the future") && future.exists(), "{report}");
}
