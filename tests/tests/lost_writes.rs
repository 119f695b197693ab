//! Lost disk writes: found wherever the file contradicts itself, and never reported in a file in which nothing is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use etcdsnap_core::{Code, Report, Revision, Verdict};
use etcdsnap_tests::build::cluster::Version;
use etcdsnap_tests::build::history::HistoryParams;
use etcdsnap_tests::build::message::KeyValue;
use etcdsnap_tests::build::random::{MemberDatabase, member};
use etcdsnap_tests::build::{Freelist, Layout, with_trailer};
use etcdsnap_tests::lost_page_writes::{self, Role};
use etcdsnap_tests::programs::tests_dir;
use etcdsnap_tests::read::{BRANCH, File, LEAF, Visit, database_of};
use etcdsnap_tests::seeded_random::SeededRandom;
use etcdsnap_tests::server::{Servers, member_configs};
use etcdsnap_tests::{case, core_verdict};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use prost::Message;

/// Codes that prove a contradiction.
const LOST: [Code; 3] = [Code::RevisionsMissing, Code::KeyvalueHistory, Code::CompactionMarks];

fn unpacked(name: &str) -> Vec<u8> {
    let packed = std::fs::read(tests_dir().join("lost-writes").join(name)).expect("a file of tests/lost-writes");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut bytes).expect("gzip");
    bytes
}

fn agreed(bytes: &[u8]) -> Report {
    core_verdict::verify_all_ways(bytes, &mut SeededRandom::new(bytes.len() as u64)).expect("one answer")
}

fn messages(report: &Report, code: Code) -> Vec<&str> {
    let list = report.findings.list().iter().filter(|finding| finding.code == code);
    list.map(|finding| finding.message.as_str()).collect()
}

#[test]
fn the_original_is_sound() {
    let report = agreed(&unpacked("stale-original.db.gz"));
    assert_eq!(report.findings.list(), &[]);
    assert_eq!(report.status.expect("a status").total_key, 360);
}

#[test]
fn a_stale_root_is_found() {
    let report = agreed(&unpacked("stale-root-603-revisions-lost.db.gz"));
    assert_eq!(report.verdict, Verdict::Damaged);
    let missing = messages(&report, Code::RevisionsMissing);
    assert!(missing[0].starts_with("Revisions 2 to 28 are missing (27 revisions)"), "{missing:?}");
    let unreachable = messages(&report, Code::RevisionsUnreachable);
    assert!(unreachable[0].contains("31 revisions that bucket `key` lacks: 2 to 28, 34 to 37."), "{unreachable:?}");
    assert_eq!(report.status.expect("a status").total_key, 5);
}

#[test]
fn a_stale_leaf_is_found() {
    let report = agreed(&unpacked("stale-leaf-7-lost.db.gz"));
    let text =
        "Revisions 38 to 44 are missing (7 revisions): page 70 ends with revision 37_0, page 71 begins with 45_0.";
    assert_eq!(messages(&report, Code::RevisionsMissing), [text]);
    assert_eq!(report.findings.list()[0].page, Some(etcdsnap_core::PageId::new(71)));
}

#[test]
fn a_store_migrated_by_etcdctl_is_not_damaged() {
    let report = agreed(&unpacked("migrated.db.gz"));
    assert_eq!(report.verdict, Verdict::Warnings, "{:?}", report.findings);
    let codes: Vec<Code> = report.findings.list().iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::StoreMigrated]);
    assert_eq!(agreed(&unpacked("migrated-compacted.db.gz")).findings.list(), &[]);
}

/// Facts about a file's own history, computed without core.
struct IndependentReader {
    mark: i64,
    /// Whether a revision is missing above the compaction mark, or a version lacks the version before it.
    contradicts_itself: bool,
}

impl IndependentReader {
    fn of(snapshot: &[u8]) -> Self {
        let file = File::new(database_of(snapshot).to_vec());
        let number = |bytes: &[u8]| i64::from_be_bytes(bytes[..8].try_into().expect("eight bytes"));
        let mark = |name: &str| file.entry("meta", name.as_bytes()).map_or(1, |leaf| number(&file.bytes[leaf.value]));
        let mark = mark("finishedCompactRev").max(mark("scheduledCompactRev")).max(1);
        let mut versions: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
        let (mut main, mut sub) = (mark, -1);
        let mut contradicts_itself = false;
        for leaf in file.entries("key") {
            let (key, value) = (&file.bytes[leaf.key], &file.bytes[leaf.value]);
            let here = (number(key), number(&key[9..]));
            let message = KeyValue::decode(value).expect("a KeyValue");
            if here.0 > mark {
                contradicts_itself |= here != (main, sub + 1) && here != (main + 1, 0);
                (main, sub) = here;
                let before = versions.get(&message.key).copied().unwrap_or(0);
                contradicts_itself |= if key.len() == 18 { before == 0 } else { message.version != before + 1 };
            }
            versions.insert(message.key, if key.len() == 18 { 0 } else { message.version });
        }
        Self { mark, contradicts_itself }
    }
}

/// Tests, for every page of the recorded snapshots, every older version that survives in a free page.
#[test]
fn recorded_snapshots_with_a_lost_write() {
    let mut caught: BTreeMap<Role, (u32, u32)> = BTreeMap::new();
    let mut doubted: BTreeMap<Role, u32> = BTreeMap::new();
    let mut files: Vec<Vec<u8>> = case::all().iter().map(case::Case::bytes).collect();
    files.push(unpacked("stale-original.db.gz"));
    for good in &files {
        assert!(!IndependentReader::of(good).contradicts_itself);
        for stale in lost_page_writes::all(good) {
            let report = core_verdict::verify_by_random_access(&stale.file);
            let (found, all) = caught.entry(stale.role).or_default();
            *all += 1;
            *found += u32::from(report.verdict == Verdict::Damaged);
            let doubt = report.verdict == Verdict::Warnings && report.findings.has(Code::CompactedRevisionMissing);
            *doubted.entry(stale.role).or_default() += u32::from(doubt);
            // A page that does not fit its position is damage in any case; the independent reader can only read well-formed trees.
            let in_order = report.findings.counts().keys().all(|code| code.is_about_contents());
            if in_order && IndependentReader::of(&stale.file).contradicts_itself {
                assert!(LOST.iter().any(|code| report.findings.has(*code)), "page {} as {}", stale.page, stale.older);
            }
        }
    }
    println!("caught: {caught:?}, doubted: {doubted:?}");
    let (leaves, all_leaves) = caught[&Role::Leaf];
    let (roots, all_roots) = caught[&Role::Root];
    // The numbers that docs/findings.md quotes.
    assert_eq!((leaves, all_leaves), (1209, 1213));
    assert_eq!((roots, doubted[&Role::Root], all_roots), (261, 25, 307));
}

fn config() -> ProptestConfig {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/regressions/lost_writes.txt");
    let persistence = Box::new(FileFailurePersistence::Direct(path));
    ProptestConfig { cases: 40, failure_persistence: Some(persistence), ..ProptestConfig::default() }
}

/// Builds a database with a deep tree and no compaction.
fn deep(seed: u64, transactions: usize) -> MemberDatabase {
    let params = HistoryParams { transactions, keys: 40, longest_value: 60, compacted: 0, ..HistoryParams::rich() };
    let layout = Layout { freelist: Freelist::NotSynced, fill: (60, 100), scatter: true, ..Layout::plain(512, seed) };
    member(&params, &layout, Version::V36, seed)
}

/// Returns an earlier version of a page of bucket `key`, with only its first elements.
fn as_it_was(database: &[u8], visit: &Visit, elements: usize) -> Vec<u8> {
    let mut file = File::new(database.to_vec());
    if visit.flags == BRANCH {
        let all = file.branches(visit.page);
        let kept: Vec<_> =
            all[..elements].iter().map(|(_, key, page)| (file.bytes[key.clone()].to_vec(), *page)).collect();
        file.rewrite_branch(visit.page, &kept);
    } else {
        file.rewrite_leaf(visit.page, elements);
    }
    file.bytes
}

proptest! {
    #![proptest_config(config())]

    /// Replaces any page of a tree by an older version of itself: it is found if, and only if, the rest contradicts itself. The end of the tree, and the last
    /// operations of a transaction, can be lost without a trace.
    #[test]
    fn any_stale_page_is_found_if_the_rest_contradicts_it(seed in any::<u64>(), transactions in 60_usize..250) {
        let member = deep(seed, transactions);
        let mut rng = SeededRandom::new(seed);
        for (visit, stale) in some_stale(&member, &mut rng, 12) {
            let stale = with_trailer(&stale);
            let report = core_verdict::verify_all_ways(&stale, &mut rng).map_err(TestCaseError::fail)?;
            let found = LOST.iter().any(|code| report.findings.has(*code));
            prop_assert_eq!(found, IndependentReader::of(&stale).contradicts_itself, "{:?}: {:?}", visit, report.findings);
            // Leaves that a branch page no longer lists still exist, and the report says so.
            if visit.flags == BRANCH && report.findings.has(Code::RevisionsMissing) {
                prop_assert!(report.findings.has(Code::RevisionsUnreachable), "{:?}", report.findings);
            }
        }
    }
}

fn some_stale(member: &MemberDatabase, rng: &mut SeededRandom, attempts: usize) -> Vec<(Visit, Vec<u8>)> {
    let file = File::new(member.built.database.clone());
    let tree = file.visits_of("key");
    assert!(tree.len() > 3 && tree.iter().any(|visit| visit.depth >= 2), "a deep tree");
    let mut made = Vec::new();
    for _ in 0..attempts {
        let visit = rng.pick(&tree);
        let elements = usize::from(file.header(visit.page).count);
        if elements >= 2 && file.header(visit.page).overflow == 0 {
            let stale = as_it_was(&member.built.database, visit, rng.between(1, elements - 1));
            made.push((visit.clone(), stale));
        }
    }
    made
}

/// Measures the share of stale pages of a deep tree that is found, as docs/findings.md quotes it.
#[test]
fn most_stale_pages_of_deep_trees_are_found() {
    let mut caught: BTreeMap<(u16, bool), (u32, u32)> = BTreeMap::new();
    for seed in 0..60 {
        let member = deep(seed, 200);
        let file = File::new(member.built.database.clone());
        let last_of_level: BTreeMap<usize, u64> = file.visits_of("key").iter().map(|v| (v.depth, v.page)).collect();
        for (visit, stale) in some_stale(&member, &mut SeededRandom::new(seed), 40) {
            let at_the_end = last_of_level[&visit.depth] == visit.page;
            let (found, all) = caught.entry((visit.flags, at_the_end)).or_default();
            *all += 1;
            *found +=
                u32::from(core_verdict::verify_by_random_access(&with_trailer(&stale)).verdict == Verdict::Damaged);
        }
    }
    println!("caught, by type and whether at the end: {caught:?}");
    assert_eq!(caught[&(BRANCH, false)].0, caught[&(BRANCH, false)].1);
    let (found, all) = caught[&(LEAF, false)];
    assert!(all > 1000 && found * 100 >= all * 95, "{found} of {all}");
}

/// Real servers of each version under puts, transactions, leases that are revoked and expire, compactions and a defragmentation: their snapshots are sound.
#[test]
fn snapshots_under_load_are_sound() {
    let snapshots = std::env::var("ETCDSNAP_LOAD_SNAPSHOTS").unwrap_or_else(|_| "6".to_owned());
    for version in ["3.3", "3.4", "3.5", "3.6", "3.7"] {
        let folder = tempfile::tempdir().expect("a directory");
        let Some(servers) = Servers::start(version, &member_configs(folder.path(), &["loaded"]), folder.path()) else {
            return;
        };
        let out = folder.path().join("snapshots");
        std::fs::create_dir(&out).expect("a directory");
        servers.load(&out, &snapshots);
        let files: BTreeSet<_> =
            std::fs::read_dir(&out).expect("a directory").map(|entry| entry.expect("an entry").path()).collect();
        assert_eq!(files.len().to_string(), snapshots);
        for path in files {
            is_sound_under_load(version, &path);
        }
        servers.stop();
    }
}

fn is_sound_under_load(version: &str, path: &Path) {
    let bytes = std::fs::read(path).expect("a snapshot");
    let report = agreed(&bytes);
    if report.verdict != Verdict::Sound {
        let (_, kept) = tempfile::NamedTempFile::new().and_then(|file| Ok(file.keep()?)).expect("a file");
        std::fs::copy(path, &kept).expect("a copy");
        panic!("etcd {version}, kept as {}: {:?}", kept.display(), report.findings);
    }
    let status = report.status.expect("a status");
    let latest = status.revision.max(status.compacted_revision.unwrap_or(Revision::FIRST));
    assert!(status.revision > Revision::FIRST && IndependentReader::of(&bytes).mark <= latest.get());
}
