//! The size that `usage` estimates after a defragmentation is close to the result of etcd's own.

use std::path::Path;

use etcdsnap::core::store::{KeyRange, Query};
use etcdsnap::{NoProgress, Snapshot};
use etcdsnap_tests::build::cluster::{self, Version};
use etcdsnap_tests::build::history::{History, RevisionEntry};
use etcdsnap_tests::build::message::KeyValue;
use etcdsnap_tests::build::{Layout, with_trailer, write};
use etcdsnap_tests::seeded_random::SeededRandom;
use etcdsnap_tests::server::{Servers, initial_cluster, member_configs, program, stdout_of};
use etcdsnap_tests::{case, cli};

/// Returns the estimate for a database, and its real size.
fn estimated(database: &Path) -> (u64, u64) {
    let snapshot = Snapshot::open(database, None, &NoProgress).unwrap();
    let store = snapshot.store().unwrap();
    let query = Query { range: KeyRange::all(), revision: store.current(), hash_values: false, folders: Vec::new() };
    let (report, lost) = snapshot.usage(&store, &query, &|_, _| {}, 1, &NoProgress).unwrap();
    assert_eq!(lost.places, 0);
    (report.defragmented_bytes, store.database_bytes())
}

fn assert_about(what: &str, estimate: u64, real: u64) {
    let slack = real / 8 + 6 * 4096;
    assert!(estimate.abs_diff(real) <= slack, "{what}: {estimate} bytes estimated, {real} are left");
}

/// Builds a snapshot of keys that were put once, with values of these lengths in turn.
fn snapshot(keys: i64, lengths: &[usize]) -> Vec<u8> {
    let mut history = History::default();
    for main in 2..keys + 2 {
        let value = vec![b'v'; lengths[main as usize % lengths.len()]];
        let key = format!("/registry/pods/default/{main:08}").into_bytes();
        let message = KeyValue { key, create_revision: main, mod_revision: main, version: 1, value, lease: 0 };
        history.revisions.insert((main, 0), RevisionEntry { tombstone: false, value: message });
        history.current = main;
    }
    let root = cluster::database(&history, Version::V36, &mut SeededRandom::new(1));
    with_trailer(&write(&root, &Layout::plain(4096, 1)).database)
}

#[test]
fn the_estimate_is_close_to_what_etcdutl_leaves() {
    let folder = tempfile::tempdir().unwrap();
    for (number, (keys, lengths)) in [
        (1, &[20][..]),
        (40, &[20]),
        (5_000, &[10, 30]),
        (3_000, &[300]),
        (1_000, &[1_600]),
        (600, &[2_500]),
        (300, &[6_000]),
        (20, &[100_000]),
        (2_000, &[200, 200, 900, 3_000]),
    ]
    .into_iter()
    .enumerate()
    {
        let (file, data) = (folder.path().join("file.db"), folder.path().join(format!("data-{number}")));
        std::fs::write(&file, snapshot(keys, lengths)).unwrap();
        let restored = cli::run(&["restore", file.to_str().unwrap(), "--data-dir", data.to_str().unwrap()]);
        assert!(restored.status.success(), "{restored:?}");
        let database = data.join("member/snap/db");
        let (estimate, _) = estimated(&database);
        let Some(mut etcdutl) = program("3.7", "etcdutl") else { return };
        stdout_of(&etcdutl.args(["defrag", "--data-dir"]).arg(&data).output().unwrap());
        let (again, real) = estimated(&database);
        assert_about(&format!("{keys} keys of {lengths:?}"), estimate, real);
        assert_eq!(again, estimate, "an estimate does not depend on how full pages are");
        // 64 MB of log each.
        std::fs::remove_dir_all(&data).unwrap();
    }
}

#[test]
fn the_estimate_includes_a_compaction() {
    let folder = tempfile::tempdir().unwrap();
    let file = case::named("3.7-cluster").path();
    let member_configs = member_configs(folder.path(), &["m1"]);
    let data = member_configs[0].data.to_str().unwrap();
    let restored = cli::run(&[
        "restore",
        file.to_str().unwrap(),
        "--data-dir",
        data,
        "--name",
        "m1",
        "--initial-cluster",
        &initial_cluster(&member_configs),
        "--initial-advertise-peer-urls",
        &member_configs[0].peer_url(),
    ]);
    assert!(restored.status.success(), "{restored:?}");
    let database = member_configs[0].data.join("member/snap/db");
    let (estimate, before) = estimated(&database);
    let revision = etcdsnap::status(&database).unwrap().status.unwrap().revision.to_string();
    let Some(servers) = Servers::start("3.7", &member_configs, folder.path()) else { return };
    let user = Some("root:rootpw");
    let ctl = |args: &[&str]| {
        let output = servers.etcdctl(None, args);
        if output.status.success() { output } else { servers.etcdctl(user, args) }
    };
    stdout_of(&ctl(&["compact", "--physical", &revision]));
    stdout_of(&ctl(&["defrag"]));
    servers.stop();
    let (_, real) = estimated(&database);
    assert_about("3.7-cluster", estimate, real);
    assert!(real < before);
    // The estimate for the smallest possible database.
    let fresh = case::named("3.7-fresh").path();
    let printed = String::from_utf8(cli::run(&["usage", fresh.to_str().unwrap()]).stdout).unwrap();
    assert!(printed.contains("20 kB of database") && printed.contains("would leave about 20 kB"), "{printed}");
    assert!(!printed.contains("would free most of that"), "{printed}");
}
