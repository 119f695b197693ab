//! The plan of a restore equals etcdutl's result for every recorded snapshot: the same buckets, entry by entry, and bbolt passes it.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use etcdsnap_core::restore::membership::Cluster;
use etcdsnap_core::restore::plan::{KeyChanges, plan};
use etcdsnap_tests::build::{Bucket, Node};
use etcdsnap_tests::programs::{bbolt_check, reference, tests_dir};
use etcdsnap_tests::read::{File, database_of};

const MEMBERS: &str = "a=http://127.0.0.1:1001,b=http://127.0.0.1:1002,c=http://127.0.0.1:1003";

#[test]
fn every_case_equals_etcdutls_restore() {
    let (Some(etcdutl), Some(bbolt)) = (reference("3.7", "etcdutl"), reference("3.7", "bbolt")) else { return };
    let cluster = Cluster::new(MEMBERS, "etcd-cluster").unwrap();
    for case in fs::read_dir(tests_dir().join("cases")).unwrap() {
        let path = case.unwrap().path().join("snapshot.db");
        // Restores are supported from 3.4 on.
        if path.to_string_lossy().contains("/3.3-") || !path.is_file() {
            continue;
        }
        for bump in [None, Some(1_000_000)] {
            let snapshot = fs::read(&path).unwrap();
            let mut ours = database_of(&snapshot).to_vec();
            let plan = plan(&ours, &cluster, KeyChanges { bump, ..KeyChanges::default() }).unwrap();
            ours.resize(ours.len().max(plan.edit.size as usize), 0);
            for (at, bytes) in &plan.edit.writes {
                ours[at.get() as usize..][..bytes.len()].copy_from_slice(bytes);
            }
            let (passed, printed) = bbolt_check(&bbolt, &ours);
            assert!(passed, "{}: {printed}", path.display());

            let directory = tempfile::tempdir().unwrap();
            let target = directory.path().join("data");
            let mut command = Command::new(&etcdutl);
            command.args(["snapshot", "restore", "--skip-hash-check", "--name=a", "--initial-cluster", MEMBERS]);
            command.args(["--initial-advertise-peer-urls=http://127.0.0.1:1001", "--data-dir"]).arg(&target).arg(&path);
            if bump.is_some() {
                command.args(["--bump-revision=1000000", "--mark-compacted"]);
            }
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let theirs = fs::read(target.join("member/snap/db")).unwrap();
            let (ours, theirs) = (without_conf_state(&ours), without_conf_state(&theirs));
            assert!(ours == theirs, "{} with bump {bump:?}", path.display());
        }
    }
}

type Entries = BTreeMap<Vec<u8>, Node>;

/// Returns the contents of a database except the voters, which etcdutl leaves as they were.
fn without_conf_state(database: &[u8]) -> BTreeMap<Vec<u8>, Entries> {
    let mut tree: Bucket = File::new(database.to_vec()).tree();
    tree.bucket("meta").entries.remove(b"confState".as_slice());
    let entries = |node: Node| match node {
        Node::Bucket(bucket) => bucket.entries,
        Node::Value(_) => Entries::new(),
    };
    tree.entries.into_iter().map(|(name, node)| (name, entries(node))).collect()
}
