//! `salvage` after every named damage: all entries of intact pages, no entry that the good file lacks, and a sound store.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic;

use etcdsnap_core::rewrite::{AuthPolicy, Limits, Salvage, SalvageReport};
use etcdsnap_core::{Severity, Unwatched, Verdict, verify};
use etcdsnap_tests::build::message::KeyValue;
use etcdsnap_tests::build::{Node, with_trailer};
use etcdsnap_tests::damage::{self, bases};
use etcdsnap_tests::etcd_verdict::{self, Outcome};
use etcdsnap_tests::read::{BRANCH, File, LEAF, database_of};
use etcdsnap_tests::{
    case,
    cli::{self, text},
};
use prost::Message;

const ALL: Limits = Limits { only_tree: false, proven_only: false };

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// Returns the new database and the report; `None` if nothing can be recovered.
fn salvaged(file: &[u8], limits: Limits) -> Option<(Vec<u8>, SalvageReport)> {
    let salvage = Salvage::open(file, limits, &Unwatched).unwrap()?;
    if salvage.has_nothing() {
        return None;
    }
    let written = |auth| {
        let (built, pages) = salvage.write(auth, Vec::new(), &Unwatched).unwrap();
        [built.metas, pages].concat()
    };
    let about_auth = |database: &[u8]| {
        let report = verify(&with_trailer(database), &Unwatched).unwrap();
        let codes: Vec<_> = report.findings.counts().keys().copied().collect();
        let damage: Vec<_> = codes.into_iter().filter(|code| code.severity() == Severity::Damage).collect();
        !damage.is_empty() && damage.iter().all(|code| code.as_str().starts_with("auth-"))
    };
    let mut database = written(AuthPolicy::AsRead);
    if salvage.auth_is_damaged() || about_auth(&database) {
        database = written(AuthPolicy::Reset);
    }
    Some((database, salvage.report().clone()))
}

fn entries(database: &[u8]) -> Entries {
    let mut tree = File::new(database.to_vec()).tree();
    let pairs = tree.bucket("key").entries.iter().filter_map(|(key, node)| match node {
        Node::Value(value) => Some((key.clone(), value.clone())),
        Node::Bucket(_) => None,
    });
    pairs.collect()
}

fn name(value: &[u8]) -> Vec<u8> {
    KeyValue::decode(value).unwrap().key
}

/// Returns the keys in unchanged leaves below unchanged pages.
fn intact(good: &File, damaged: &[u8]) -> Vec<Vec<u8>> {
    let same = |page: u64| {
        let extent = good.extent(page);
        damaged.get(extent.clone()) == Some(&good.bytes[extent])
    };
    let visits = good.visits();
    let metas = damaged.get(..2 * good.page_size) == Some(&good.bytes[..2 * good.page_size]);
    if !metas || !visits.iter().filter(|visit| visit.bucket.is_empty()).all(|visit| same(visit.page)) {
        return Vec::new();
    }
    let of_key = good.visits_of("key");
    let parents: BTreeMap<u64, Option<u64>> = of_key.iter().map(|visit| (visit.page, visit.parent)).collect();
    let reached = |page: u64| {
        let mut at = Some(page);
        while let Some(page) = at {
            if !same(page) {
                return false;
            }
            at = parents.get(&page).copied().flatten();
        }
        true
    };
    let leaves = of_key.iter().filter(|visit| visit.flags == LEAF && reached(visit.page));
    leaves.flat_map(|visit| good.leaves(visit.page)).map(|leaf| good.bytes[leaf.key].to_vec()).collect()
}

/// Damage to values that neither bolt nor etcd can detect: only the SHA-256 does.
const UNDETECTABLE: [&str; 1] = ["value_bit_flipped"];

/// Asserts that the new file is sound, holds only entries of `known`, and all entries of intact pages that no later revision supersedes.
fn assert_salvaged(what: &str, good: &File, known: &[&Entries], damaged: &[u8], new: &[u8], report: &SalvageReport) {
    let judged = verify(&with_trailer(new), &Unwatched).unwrap();
    assert_ne!(judged.verdict, Verdict::Damaged, "{what}: {:?}", judged.findings);
    let got = entries(new);
    assert_eq!(got.len() as u64, report.entries, "{what}");
    let unknown = got.iter().find(|(key, value)| !known.iter().any(|known| known.get(*key) == Some(*value)));
    assert!(unknown.is_none(), "{what}: {:x?} is none of the good file's entries", unknown.unwrap().0);
    let mut newest: BTreeMap<Vec<u8>, &[u8]> = BTreeMap::new();
    newest.extend(got.iter().map(|(key, value)| (name(value), key.as_slice())));
    let mut superseded = 0;
    for key in intact(good, damaged) {
        if !got.contains_key(&key) {
            let later = newest.get(&name(&known[0][&key])).is_some_and(|newest| *newest > key.as_slice());
            assert!(later, "{what}: {key:x?} of an intact page is not back");
            superseded += 1;
        }
    }
    assert!(superseded <= report.superseded, "{what}: {superseded} of {}", report.superseded);
}

#[test]
fn every_named_damage_yields_exactly_the_intact_entries() {
    let (mut files, mut whole, mut raised) = (0, 0, 0);
    let (mut unreadable, mut failed) = (BTreeSet::new(), BTreeSet::new());
    for base in bases() {
        let good = File::new(database_of(&base.snapshot).to_vec());
        let original = entries(&good.bytes);
        for damage in damage::all() {
            for damaged in damage.apply(&base.snapshot) {
                let what = format!("{} of {}", damage.name, base.name);
                let Some((new, report)) = salvaged(&damaged.file, ALL) else {
                    unreadable.insert(damage.name);
                    continue;
                };
                files += 1;
                whole += usize::from(report.is_whole());
                raised += usize::from(report.raised_to.is_some());
                // Entries that a damage changes cannot be distinguished from original ones.
                let changes = damage.changes_contents() || UNDETECTABLE.contains(&damage.name);
                let changed = if changes { entries(database_of(&damaged.file)) } else { Entries::new() };
                let rebuilt = if damage.changes_contents() { &[][..] } else { &damaged.file[..] };
                // Reports all failures, not only the first.
                let outcome = panic::catch_unwind(|| {
                    assert_salvaged(&what, &good, &[&original, &changed], rebuilt, &new, &report);
                });
                if outcome.is_err() {
                    failed.insert(what);
                    continue;
                }
                let (strict, _) = salvaged(&damaged.file, Limits { only_tree: true, proven_only: true })
                    .unwrap_or((new.clone(), report));
                let all = entries(&new);
                assert!(entries(&strict).keys().all(|key| all.contains_key(key)), "{what}: more from less");
            }
        }
    }
    println!("{files} files, {whole} whole, {raised} with a higher mark; nothing of {unreadable:?}");
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(files > 300 && whole > 50 && raised > 20, "{files} {whole} {raised}");
}

/// A sound file keeps every entry, and the result is complete.
#[test]
fn a_sound_file_keeps_every_entry() {
    for base in bases() {
        let (new, report) = salvaged(&base.snapshot, ALL).unwrap();
        assert!(report.is_whole(), "{}: {report:?}", base.name);
        let good = File::new(database_of(&base.snapshot).to_vec());
        assert_eq!(File::new(new).tree(), good.tree(), "{}", base.name);
    }
}

/// Each page of the keys is lost alone, and each through its parent.
#[test]
fn any_page_may_be_lost() {
    let mut lost = 0;
    for base in bases() {
        let good = File::new(database_of(&base.snapshot).to_vec());
        let original = entries(&good.bytes);
        for visit in good.visits_of("key") {
            for byte in [0x00, 0xFF] {
                let mut file = base.snapshot.clone();
                file[good.extent(visit.page)].fill(byte);
                let what = format!("page {} of {} filled with {byte:#x}", visit.page, base.name);
                let Some((new, report)) = salvaged(&file, ALL) else { continue };
                assert!(!report.is_whole(), "{what}");
                assert_salvaged(&what, &good, &[&original], &file, &new, &report);
                lost += 1;
            }
        }
    }
    assert!(lost > 60, "{lost}");
}

/// Cut anywhere, as by an interrupted copy.
#[test]
fn a_cut_file_yields_the_remaining_entries() {
    let mut some = 0;
    for base in bases() {
        let good = File::new(database_of(&base.snapshot).to_vec());
        let original = entries(&good.bytes);
        for part in 1..20 {
            let file = &base.snapshot[..base.snapshot.len() * part / 20];
            if let Some((new, report)) = salvaged(file, ALL) {
                some += 1;
                assert_salvaged(&format!("{part}/20 of {}", base.name), &good, &[&original], file, &new, &report);
            }
        }
    }
    assert!(some > 20, "{some}");
}

/// A page forged inside a value, with the right number and fitting keys, is not part of the tree, even if a pointer leads to it.
#[test]
fn a_page_forged_inside_a_value_is_ignored() {
    let page_size = 4096;
    let mut history = etcdsnap_tests::build::history::History::default();
    for main in 2..200_i64 {
        let len = if main == 60 || main == 150 { 5 * page_size } else { 300 };
        let value = vec![b'v'; len];
        let key = format!("/registry/pods/{main:05}").into_bytes();
        let message = KeyValue { key, create_revision: main, mod_revision: main, version: 1, value, lease: 0 };
        let entry = etcdsnap_tests::build::history::RevisionEntry { tombstone: false, value: message };
        history.revisions.insert((main, 0), entry);
        history.current = main;
    }
    let root = etcdsnap_tests::build::cluster::database(
        &history,
        etcdsnap_tests::build::cluster::Version::V36,
        &mut etcdsnap_tests::seeded_random::SeededRandom::new(1),
    );
    let layout = etcdsnap_tests::build::Layout::plain(page_size, 1);
    let good = File::new(etcdsnap_tests::build::write(&root, &layout).database);
    let large: Vec<_> = good.visits_of("key").into_iter().filter(|v| good.header(v.page).overflow > 1).collect();
    assert_eq!(large.len(), 2);
    let mut tried = 0;
    for owner in &large {
        for victim in good.visits_of("key").into_iter().filter(|visit| visit.flags == LEAF && visit.page != owner.page)
        {
            let mut file = File { bytes: good.bytes.clone(), page_size };
            // The value holds a copy of the victim's page with the page number of its own position, and a different value.
            let inside = owner.page + 2;
            let (from, to) = (file.at(victim.page), file.at(inside));
            file.bytes.copy_within(from..from + page_size, to);
            file.put_u64(to, inside);
            let first = good.leaves(victim.page).remove(0);
            let end = to + (first.value.end - from);
            if end > to + page_size {
                continue;
            }
            file.bytes[end - 5..end].copy_from_slice(b"forge");
            let before = entries(&file.bytes);
            // The victim is lost, and its parent points to the forged page.
            let parent = victim.parent.unwrap();
            let pointer = file.branches(parent)[victim.index].0 + 8;
            file.put_u64(pointer, inside);
            let (new, report) = salvaged(&with_trailer(&file.bytes), ALL).unwrap();
            let got = entries(&new);
            assert!(got.iter().all(|(key, value)| before.get(key) == Some(value)), "page {inside} for {}", victim.page);
            assert!(!report.is_whole());
            tried += 1;
        }
    }
    assert!(tried > 10, "{tried}");
}

#[test]
fn the_command_reports_losses_and_servers_start() {
    for version in ["3.4", "3.5", "3.6", "3.7"] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let snapshot = case::named(&format!("{version}-history")).bytes();
        let good = File::new(database_of(&snapshot).to_vec());
        let leaves: Vec<_> = good.visits_of("key").into_iter().filter(|visit| visit.flags != BRANCH).collect();
        let mut file = snapshot.clone();
        file[good.extent(leaves[leaves.len() - 3].page)].fill(0);
        fs::write(at("damaged.db"), &file).unwrap();
        let (damaged, out) = (at("damaged.db"), at("out.db"));
        let dry = cli::run(&["salvage", text(&damaged), "--dry-run", "--reset-auth"]);
        assert_eq!(dry.status.code(), Some(1), "{dry:?}");
        assert!(String::from_utf8_lossy(&dry.stdout).contains("Nothing was written."), "{dry:?}");
        assert!(!out.exists());
        let output = cli::run(&["salvage", text(&damaged), "-o", text(&out), "--reset-auth", "-w", "json"]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let object = cli::json(&output);
        assert_eq!((&object["whole"], &object["sha256Fits"]), (&false.into(), &false.into()));
        assert!(
            object["missingRevisions"].as_u64().unwrap() > 0 && object["raisedTo"].as_i64().unwrap() > 0,
            "{object}"
        );
        assert_eq!(object["findingCounts"].as_object().unwrap().len(), 1, "{object}");
        assert_ne!(object["verdict"], "damaged");
        // It is refused where a complete file is needed, and the new file is not.
        let compacted = cli::run(&["compact", text(&damaged), "-o", text(&at("compacted.db"))]);
        assert_eq!(compacted.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&compacted.stderr).contains("etcdsnap salvage"), "{compacted:?}");
        let again = cli::run(&["compact", text(&out), "-o", text(&at("compacted.db"))]);
        assert_eq!(again.status.code(), Some(0), "{again:?}");
        match etcd_verdict::restore_and_start(version, &fs::read(&out).unwrap()) {
            None => {}
            Some(Outcome::Answers(service)) => {
                assert!(service.keys.is_some() && service.writes && service.healthy, "{version}: {service:?}");
            }
            Some(other) => panic!("{version}: {other:?}"),
        }
    }
}

/// Unreadable users and roles must not open the store to everyone.
#[test]
fn damaged_users_are_refused_unless_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (on, _) = damage::with_authentication(&case::named("3.7-history").bytes());
    let mut tree = File::new(database_of(&on).to_vec()).tree();
    tree.bucket("authUsers").put("root", vec![0xFF; 9]);
    let layout = etcdsnap_tests::build::Layout::plain(4096, 7);
    fs::write(at("damaged.db"), with_trailer(&etcdsnap_tests::build::write(&tree, &layout).database)).unwrap();
    let (damaged, out) = (at("damaged.db"), at("out.db"));
    let refused = cli::run(&["salvage", text(&damaged), "-o", text(&out)]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--reset-auth") && !out.exists());
    let output = cli::run(&["salvage", text(&damaged), "-o", text(&out), "--reset-auth"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("everybody may read and write"), "{output:?}");
    assert_ne!(etcdsnap::verify(&out, etcdsnap::VerifyOptions::default()).unwrap().verdict, Verdict::Damaged);
}
