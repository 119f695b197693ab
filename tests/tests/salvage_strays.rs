//! Salvage from stray pages, which no tree uses: what it recovers from them, and what it must not recover.

use std::collections::{BTreeSet, HashMap};

use etcdsnap_core::rewrite::{Limits, SalvageReport};
use etcdsnap_core::{IgnoreProgress, Verdict, verify};
use etcdsnap_tests::build::cluster::{Version, database};
use etcdsnap_tests::build::history::{History, RevisionEntry};
use etcdsnap_tests::build::message::KeyValue;
use etcdsnap_tests::build::{Layout, with_trailer, write};
use etcdsnap_tests::damage::{self, bases};
use etcdsnap_tests::read::{BRANCH, File, LEAF, database_of, meta};
use etcdsnap_tests::salvaged::{ALL, Entries, assert_salvaged, entries, entries_of_all_pages, salvaged};
use etcdsnap_tests::seeded_random::SeededRandom;
use etcdsnap_tests::{case, lost_page_writes, mutants};

const ONLY_TREE: Limits = Limits { only_tree: true, ..ALL };
const PROVEN: Limits = Limits { proven_only: true, ..ALL };

/// Returns good files with free pages: some that servers wrote, and some that were built.
fn good_files() -> Vec<(String, File)> {
    let recorded = ["3.4-raw", "3.5-raw", "3.6-raw", "3.7-raw", "3.7-compacting"];
    let recorded = recorded.into_iter().map(|name| (name.to_owned(), case::named(name).bytes()));
    let built = bases().into_iter().map(|base| (base.name, base.snapshot));
    built.chain(recorded).map(|(name, bytes)| (name, File::new(database_of(&bytes).to_vec()))).collect()
}

/// Returns the revisions of the finished and of the requested compaction; -1 for none.
fn marks(file: &File) -> (i64, i64) {
    let mut tree = file.tree();
    let mark = |name: &[u8], meta: &etcdsnap_tests::build::Bucket| {
        meta.value(name).map_or(-1, |key| i64::from_be_bytes(key[..8].try_into().unwrap()))
    };
    let meta = tree.bucket("meta");
    (mark(b"finishedCompactRev", meta), mark(b"scheduledCompactRev", meta))
}

fn main_of(key: &[u8]) -> i64 {
    i64::from_be_bytes(key[..8].try_into().unwrap())
}

/// Checks that all entries were recovered except those that a later revision of their key supersedes.
fn assert_all_back(what: &str, original: &Entries, new: &[u8], report: &SalvageReport) {
    let got = entries(new);
    let missing: Vec<i64> = original.keys().filter(|key| !got.contains_key(*key)).map(|key| main_of(key)).collect();
    assert!(missing.len() as u64 <= report.superseded, "{what}: {missing:?} are not back: {report:?}");
}

/// Loses every page above the leaves, one at a time and together, with and without the root page and the meta pages: all leaves are intact, so all entries are recovered.
#[test]
fn leaves_below_lost_branch_pages_are_recovered() {
    let mut tried = 0;
    for (name, good) in good_files() {
        let (original, past) = (entries(&good.bytes), entries_of_all_pages(&good));
        let branches: Vec<u64> =
            good.visits_of("key").into_iter().filter(|visit| visit.flags == BRANCH).map(|visit| visit.page).collect();
        let above: Vec<u64> =
            good.visits().into_iter().filter(|visit| visit.bucket.is_empty()).map(|v| v.page).collect();
        let metas = vec![0, 1];
        let mut ways: Vec<(String, Vec<u64>)> =
            branches.iter().map(|page| (format!("branch {page}"), vec![*page])).collect();
        ways.push(("all branches".into(), branches.clone()));
        ways.push(("root".into(), above.clone()));
        ways.push(("metas".into(), metas.clone()));
        ways.push(("metas and branches".into(), [metas.clone(), branches.clone()].concat()));
        ways.push(("everything above".into(), [metas, above, branches].concat()));
        for (way, lost) in ways.into_iter().filter(|(_, lost)| !lost.is_empty()) {
            let what = format!("{name} without {way}");
            let mut file = good.clone();
            for page in lost {
                let extent = good.extent(page);
                file.bytes[extent].fill(0);
            }
            let file = with_trailer(&file.bytes);
            let (new, report) = salvaged(&file, ALL).unwrap_or_else(|| panic!("{what}: nothing"));
            assert!(!report.is_whole(), "{what}");
            assert_salvaged(&what, &good, &[&original, &past], &file, &new, &report);
            assert_all_back(&what, &original, &new, &report);
            // The proven entries are a subset.
            if let Some((strict, _)) = salvaged(&file, PROVEN) {
                let (strict, all) = (entries(&strict), entries(&new));
                let proven: Vec<_> = strict.keys().filter(|key| !all.contains_key(*key)).collect();
                assert!(proven.is_empty(), "{what}: {proven:?}");
            }
            tried += 1;
        }
    }
    assert!(tried > 50, "{tried}");
}

/// Loses a page of the tree whose older version lies in a free page: its entries above the last compaction fill the gap.
#[test]
fn older_versions_of_a_lost_leaf_fill_the_gap() {
    let (mut tried, mut filled) = (0, 0);
    for (name, good) in good_files() {
        let (original, past) = (entries(&good.bytes), entries_of_all_pages(&good));
        for stale in lost_page_writes::all(&with_trailer(&good.bytes))
            .into_iter()
            .filter(|stale| stale.role == lost_page_writes::Role::Leaf)
        {
            let mut file = good.clone();
            let extent = good.extent(stale.page);
            file.bytes[extent].fill(0);
            let what = format!("page {} of {name}, which page {} was before", stale.page, stale.older);
            let damaged = with_trailer(&file.bytes);
            let (new, report) = salvaged(&damaged, ALL).unwrap();
            assert_salvaged(&what, &good, &[&original, &past], &damaged, &new, &report);
            let (tree, _) = salvaged(&damaged, ONLY_TREE).unwrap();
            let (got, tree) = (entries(&new), entries(&tree));
            tried += 1;
            filled += usize::from(got.len() > tree.len());
        }
    }
    println!("{tried} lost leaves, {filled} filled from free pages");
    assert!(tried > 20 && filled > 5, "{tried} {filled}");
}

/// bbolt#1033: the leaves are unreachable, and the existing tree is sound. Entries that the tree lacks are recovered above the last compaction, but not at or below it.
#[test]
fn a_store_that_started_anew_gets_its_history_back_from_free_pages() {
    let damage = damage::all().into_iter().find(|damage| damage.name == "bbolt_1033_tree_of_the_newest_alone").unwrap();
    let mut back = 0;
    for (name, good) in good_files() {
        let original = entries(&good.bytes);
        let (finished, scheduled) = marks(&good);
        for damaged in damage.apply(&with_trailer(&good.bytes)) {
            let (new, report) = salvaged(&damaged.file, ALL).unwrap();
            let (tree, _) = salvaged(&damaged.file, ONLY_TREE).unwrap();
            let (got, tree) = (entries(&new), entries(&tree));
            let added: Vec<i64> = got.keys().filter(|key| !tree.contains_key(*key)).map(|key| main_of(key)).collect();
            let below = added.iter().filter(|main| **main <= finished.max(scheduled)).count();
            assert_eq!(below, 0, "{name}: {added:?} above {finished} and {scheduled}");
            assert!(got.iter().all(|(key, value)| original.get(key) == Some(value)), "{name}");
            assert_eq!(report.stray_entries > 0, !added.is_empty(), "{name}: {report:?}");
            back += added.len();
        }
    }
    assert!(back > 200, "{back}");
}

/// Builds a history of single puts, some of them large.
fn history(large: &[i64], page_size: usize, last: i64) -> History {
    let mut history = History::default();
    for main in 2..=last {
        let len = if large.contains(&main) { 6 * page_size } else { 300 };
        let key = format!("/registry/pods/{main:05}").into_bytes();
        let value =
            KeyValue { key, create_revision: main, mod_revision: main, version: 1, value: vec![b'v'; len], lease: 0 };
        history.revisions.insert((main, 0), RevisionEntry { tombstone: false, value });
    }
    history.current = last;
    history
}

fn built(history: &History, page_size: usize) -> File {
    let root = database(history, Version::V36, &mut SeededRandom::new(1));
    File::new(write(&root, &Layout::plain(page_size, 1)).database)
}

/// Writes a leaf page with these elements at a page: a client can write the same bytes into a value.
fn forge(file: &mut File, page: u64, pairs: &[(Vec<u8>, Vec<u8>)]) {
    let start = file.at(page);
    file.put_u64(start, page);
    file.put_u16(start + 8, LEAF);
    file.put_u16(start + 10, pairs.len() as u16);
    file.put_u32(start + 12, 0);
    let mut pair = start + 16 + 16 * pairs.len();
    for (i, (key, value)) in pairs.iter().enumerate() {
        let at = start + 16 + 16 * i;
        for (field, word) in [0, pair - at, key.len(), value.len()].into_iter().enumerate() {
            file.put_u32(at + 4 * field, word as u32);
        }
        for part in [key, value] {
            file.bytes[pair..pair + part.len()].copy_from_slice(part);
            pair += part.len();
        }
    }
    assert!(pair <= start + file.page_size);
}

fn forged_put(main: i64) -> (Vec<u8>, Vec<u8>) {
    use prost::Message;
    let key = [&main.to_be_bytes()[..], b"_", &0_i64.to_be_bytes()].concat();
    let name = b"/registry/clusterrolebindings/mine".to_vec();
    let value = KeyValue {
        key: name,
        create_revision: main,
        mod_revision: main,
        version: 1,
        value: b"forged".to_vec(),
        lease: 0,
    };
    (key, value.encode_to_vec())
}

/// A large value contains whole pages with the right page ids, with exactly the revisions that are lost. The value is in the tree or in free pages;
/// and the tree is readable, or the pages above its leaves
/// are lost, or the meta pages are.
#[test]
fn pages_forged_inside_values_give_nothing() {
    let page_size = 4096;
    let good = built(&history(&[60, 150], page_size, 200), page_size);
    let large: Vec<_> =
        good.visits_of("key").into_iter().filter(|visit| good.header(visit.page).overflow > 1).collect();
    assert_eq!(large.len(), 2);
    let leaves: Vec<_> =
        good.visits_of("key").into_iter().filter(|v| v.flags == LEAF && good.header(v.page).overflow == 0).collect();
    let branches: Vec<_> = good.visits_of("key").into_iter().filter(|v| v.flags == BRANCH).collect();
    let root = good.meta().root;
    let mut tried = 0;
    for (victim, owner) in leaves.iter().skip(1).flat_map(|victim| large.iter().map(move |owner| (victim, owner))) {
        let lost: Vec<i64> =
            good.leaves(victim.page).iter().map(|leaf| main_of(&good.bytes[leaf.key.clone()])).collect();
        let mut file = good.clone();
        let pairs: Vec<_> = lost.iter().map(|main| forged_put(*main)).collect();
        for page in owner.page + 1..=owner.page + u64::from(good.header(owner.page).overflow) {
            forge(&mut file, page, &pairs);
        }
        let extent = file.extent(victim.page);
        file.bytes[extent].fill(0);
        let ways: [(&str, Vec<u64>); 4] = [
            ("a leaf", vec![]),
            ("the pages above", branches.iter().map(|visit| visit.page).collect()),
            ("the meta pages", vec![0, 1]),
            ("everything above", [vec![0, 1, root], branches.iter().map(|visit| visit.page).collect()].concat()),
        ];
        for (way, pages) in ways {
            let mut file = file.clone();
            for page in pages {
                let extent = file.at(page)..file.at(page + 1);
                file.bytes[extent].fill(0);
            }
            let Some((new, report)) = salvaged(&with_trailer(&file.bytes), ALL) else { continue };
            let got = entries(&new);
            assert!(got.len() > 100, "{way}: {report:?}");
            let forged =
                got.values().filter(|value| value.windows(6).any(|part| part == b"forged") && value.len() < 300);
            assert_eq!(forged.count(), 0, "{way} lost, and {lost:?} forged in page {}", owner.page);
            tried += 1;
        }
    }
    assert!(tried > 40, "{tried}");
}

/// The first page of a large value in free pages was overwritten, so nothing shows that the remaining pages were a value. Pages forged there are never proven: `--proven-only` leaves them out, and so
/// does a salvage of a tree without a gap.
#[test]
fn pages_forged_in_the_rest_of_a_freed_value_are_never_proven() {
    let page_size = 4096;
    let good = built(&history(&[], page_size, 200), page_size);
    let leaves: Vec<_> = good.visits_of("key").into_iter().filter(|visit| visit.flags == LEAF).collect();
    let forged = |file: &[u8]| entries(file).values().filter(|value| value.ends_with(b"forged")).count();
    let mut tried = 0;
    for victim in leaves.iter().skip(1).take(leaves.len() - 2) {
        let lost = good.leaves(victim.page).into_iter().map(|leaf| forged_put(main_of(&good.bytes[leaf.key])));
        let lost: Vec<_> = lost.collect();
        let mut file = good.clone();
        let first = (file.bytes.len() / page_size) as u64;
        file.bytes.resize(file.at(first + 3), 0);
        for page in first..first + 3 {
            forge(&mut file, page, &lost);
        }
        file.set_metas(meta::PAGES, first + 3);
        let (whole, report) = salvaged(&with_trailer(&file.bytes), ALL).unwrap();
        assert_eq!((forged(&whole), report.stray_entries), (0, 0), "{report:?}");
        let extent = file.extent(victim.page);
        file.bytes[extent].fill(0);
        let damaged = with_trailer(&file.bytes);
        let (all, report) = salvaged(&damaged, ALL).unwrap();
        assert!(report.unproven + report.conflicting >= forged(&all) as u64, "{report:?}");
        let (proven, _) = salvaged(&damaged, PROVEN).unwrap();
        assert_eq!(forged(&proven), 0, "{report:?}");
        tried += 1;
    }
    assert!(tried > 3, "{tried}");
}

/// Pages of another history, as after a restore that did not raise the revision: the same revisions with other contents. Nothing is recovered from them, even where they would fill a
/// gap.
#[test]
fn another_history_gives_nothing() {
    let page_size = 4096;
    let good = built(&history(&[], page_size, 300), page_size);
    let mut other = history(&[], page_size, 320);
    for entry in other.revisions.values_mut() {
        entry.value.value.fill(b'o');
    }
    let other = built(&other, page_size);
    let leaves =
        |file: &File| file.visits_of("key").into_iter().filter(|visit| visit.flags == LEAF).collect::<Vec<_>>();
    let original = entries(&good.bytes);
    let (mut tried, mut damaged) = (0, good.clone());
    // The leaves of the other history, shifted so that each shares two revisions with this one, are placed after the end of the tree.
    let strays: Vec<u64> = leaves(&other).iter().map(|visit| visit.page).collect();
    for page in strays {
        let new = (damaged.bytes.len() / page_size) as u64;
        let extent = other.extent(page);
        damaged.bytes.extend_from_slice(&other.bytes[extent]);
        let at = damaged.at(new);
        damaged.put_u64(at, new);
        damaged.rewrite_leaf(new, damaged.leaves(page).len().min(usize::from(damaged.header(new).count)));
    }
    damaged.set_metas(meta::PAGES, (damaged.bytes.len() / page_size) as u64);
    for victim in leaves(&good).iter().skip(1).step_by(2) {
        let mut file = damaged.clone();
        let lost = good.leaves(victim.page);
        // Part of the leaf is lost, so the tree still shows entries around it.
        file.rewrite_leaf(victim.page, lost.len() / 2);
        let (new, report) = salvaged(&with_trailer(&file.bytes), ALL).unwrap();
        let unknown: BTreeSet<i64> = entries(&new)
            .iter()
            .filter(|(key, value)| original.get(*key) != Some(*value))
            .map(|(key, _)| main_of(key))
            .collect();
        assert!(unknown.is_empty(), "{unknown:?} of another history: {report:?}");
        tried += 1;
    }
    assert!(tried > 3, "{tried}");
}

/// Mutants of all layers: the new file is a sound store, and each of its entries is in a page of the mutant.
#[test]
fn mutants_give_sound_stores_of_their_own_entries() {
    let bases = bases();
    let (mut written, mut strays, mut failed) = (0, 0, Vec::new());
    for seed in 0..480_u64 {
        let base = &bases[seed as usize % bases.len()];
        let mutant = mutants::of(&base.snapshot, seed);
        let what = format!("mutant {seed} of {}: {}", base.name, mutant.description);
        let Some((new, report)) = salvaged(&mutant.file, ALL) else { continue };
        written += 1;
        strays += usize::from(report.stray_entries > 0);
        let judged = verify(&with_trailer(&new), &IgnoreProgress).unwrap();
        if judged.verdict == Verdict::Damaged {
            failed.push(format!("{what}: {:?}", judged.findings.list()));
        }
        let places = places(&mutant.file);
        let stands_there = |key: &[u8], value: &[u8]| {
            let pair = [key, value].concat();
            places.get(&key[..17]).is_some_and(|places| places.iter().any(|at| mutant.file[*at..].starts_with(&pair)))
        };
        let new = entries(&new);
        let unknown: Vec<i64> =
            new.iter().filter(|(key, value)| !stands_there(key, value)).map(|(key, _)| main_of(key)).collect();
        if !unknown.is_empty() {
            failed.push(format!("{what}: {unknown:?} are nowhere in it"));
        }
    }
    println!("{written} written, {strays} with entries of stray pages");
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(written > 400 && strays > 10, "{written} {strays}");
}

/// Returns the offsets in a file at which the bytes of a revision key occur, by these bytes.
fn places(file: &[u8]) -> HashMap<&[u8], Vec<usize>> {
    let mut places: HashMap<&[u8], Vec<usize>> = HashMap::new();
    let keys = file.windows(17).enumerate().filter(|(_, key)| key[8] == b'_');
    keys.for_each(|(at, key)| places.entry(key).or_default().push(at));
    places
}
