//! `salvage` of files as users have them: compressed, piped, cut off, with zeros in the middle, without meta pages. Servers start from the results.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Output;

use etcdsnap_core::Verdict;
use etcdsnap_tests::damage;
use etcdsnap_tests::etcd_verdict::{self, Outcome};
use etcdsnap_tests::read::{File, LEAF, database_of, meta};
use etcdsnap_tests::salvaged::{entries, name};
use etcdsnap_tests::{
    case,
    cli::{self, text},
};
use serde_json::Value;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Runs the command; returns its output, and the number of entries in the new file.
fn salvage(folder: &Path, file: &[u8], more: &[&str]) -> (Output, usize) {
    let (damaged, out) = (folder.join("damaged.db"), folder.join("out.db"));
    fs::write(&damaged, file).unwrap();
    let _ = fs::remove_file(&out);
    let words = ["salvage", text(&damaged), "-o", text(&out), "-w", "json", "--reset-auth"];
    let output = cli::run(&[&words[..], more].concat());
    let count = fs::read(&out).map_or(0, |file| entries(database_of(&file)).len());
    (output, count)
}

/// Counts the keys that are live according to the entries of a snapshot.
fn live_keys(snapshot: &[u8]) -> u64 {
    let mut alive = BTreeMap::new();
    for (key, value) in entries(database_of(snapshot)).into_iter().filter(|(_, value)| !value.is_empty()) {
        alive.insert(name(&value), key.len() == 17);
    }
    alive.values().filter(|alive| **alive).count() as u64
}

fn without_metas(file: &[u8]) -> Vec<u8> {
    let page_size = File::new(database_of(file).to_vec()).page_size;
    let mut file = file.to_vec();
    file[..2 * page_size].fill(0);
    file
}

#[test]
fn packed_piped_and_cut_files_give_their_readable_entries() {
    let folder = tempfile::tempdir().unwrap();
    let good = case::named("3.7-raw").bytes();
    let all = entries(database_of(&good)).len();
    let headless = without_metas(&good);
    // An eighth of the file is overwritten with zeros, in the middle.
    let mut holed = good.clone();
    let part = good.len() / 8;
    holed[3 * part..4 * part].fill(0);
    for (name, file, whole) in [("headless", &headless, true), ("holed", &holed, false)] {
        let (plain, count) = salvage(folder.path(), file, &[]);
        assert_eq!(plain.status.code(), Some(1), "{name}: {plain:?}");
        assert_eq!((count == all, count > all / 4), (whole, true), "{name}: {count} of {all}");
        // A compressed file gives the same result, also through a pipe.
        let (packed, again) = salvage(folder.path(), &gzip(file), &[]);
        assert_eq!((packed.status.code(), again), (Some(1), count), "{name}: {packed:?}");
        for piped in [file.clone(), gzip(file)] {
            let out = folder.path().join("piped.db");
            let words = ["salvage", "-", "-o", text(&out), "-w", "json", "--reset-auth"];
            let output = cli::run_with_input(&words, &piped);
            assert_eq!(output.status.code(), Some(1), "{name}: {output:?}");
            assert_eq!(entries(database_of(&fs::read(&out).unwrap())).len(), count, "{name}");
            assert_eq!(cli::json(&output)["entries"], cli::json(&plain)["entries"], "{name}");
        }
        assert_eq!(cli::json(&plain)["rootWasSearched"], Value::Bool(whole), "{name}");
    }
    // From a compressed file that is cut off, everything up to the cut is used.
    let packed = gzip(&good);
    let (output, count) = salvage(folder.path(), &packed[..packed.len() * 3 / 4], &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = cli::json(&output);
    assert!(said["brokeOff"].as_str().is_some_and(|reason| !reason.is_empty()), "{said}");
    assert_eq!((&said["whole"], count > 0), (&Value::Bool(false), true), "{said}");
    // The text output reports this, too.
    let dry = cli::run(&["salvage", text(&folder.path().join("damaged.db")), "--dry-run", "--reset-auth"]);
    let told = String::from_utf8_lossy(&dry.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("unpacking failed") && told.contains("Nothing was written."), "{told}");
}

/// Users and roles from a root page that was found by search may be outdated: they are refused, or all of them are removed.
#[test]
fn users_never_come_from_a_root_that_was_searched_for() {
    let folder = tempfile::tempdir().unwrap();
    let (on, _) = damage::with_authentication(&case::named("3.7-history").bytes());
    let (damaged, out) = (folder.path().join("damaged.db"), folder.path().join("out.db"));
    fs::write(&damaged, without_metas(&on)).unwrap();
    let refused = cli::run(&["salvage", text(&damaged), "-o", text(&out)]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--reset-auth") && !out.exists());
    let output = cli::run(&["salvage", text(&damaged), "-o", text(&out), "--reset-auth", "-w", "json"]);
    assert_eq!(
        (output.status.code(), &cli::json(&output)["authWasReset"]),
        (Some(1), &Value::Bool(true)),
        "{output:?}"
    );
    let mut tree = File::new(database_of(&fs::read(&out).unwrap()).to_vec()).tree();
    assert!(["auth", "authUsers", "authRoles"].iter().all(|name| tree.bucket(name).entries.is_empty()));
}

/// With the older meta page, the result is what bolt reads when the newer one is invalid, without anything newer.
#[test]
fn the_older_meta_page_can_be_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let good = case::named("3.7-raw").bytes();
    let mut older = File::new(database_of(&good).to_vec());
    let live = older.live_meta();
    let at = older.at(live) + meta::CHECKSUM;
    older.bytes[at] ^= 1;
    let (_, by_bolt) = salvage(folder.path(), &older.bytes, &["--only-tree"]);
    let (output, asked) = salvage(folder.path(), &good, &["--meta", "older"]);
    assert_eq!((output.status.code(), asked), (Some(0), by_bolt), "{output:?}");
    // A snapshot has only one tree.
    let (output, none) = salvage(folder.path(), &case::named("3.7-history").bytes(), &["--meta", "older"]);
    assert_eq!((output.status.code(), none), (Some(2), 0), "{output:?}");
}

/// A file that is not a database is reported as such, as by other commands.
#[test]
fn files_that_are_not_databases_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for file in [&b"<html><body>Not found</body></html>"[..], &[0; 100_000], b"", &[7; 50_000]] {
        let (output, count) = salvage(folder.path(), file, &[]);
        assert!(matches!(output.status.code(), Some(1 | 2)), "{output:?}");
        assert!(count == 0 && !output.stderr.is_empty() && !folder.path().join("out.db").exists());
    }
}

/// Damage of server files as power losses cause it: the new file is sound, and a server of each version starts from it and serves.
#[test]
fn servers_start_from_salvaged_files() {
    let folder = tempfile::tempdir().unwrap();
    for version in ["3.4", "3.5", "3.6", "3.7"] {
        let good = case::named(&format!("{version}-raw")).bytes();
        let file = File::new(database_of(&good).to_vec());
        let leaves: Vec<_> = file.visits_of("key").into_iter().filter(|visit| visit.flags == LEAF).collect();
        let zeroed = |pages: &[u64]| {
            let mut bytes = good.clone();
            pages.iter().for_each(|page| bytes[file.extent(*page)].fill(0));
            bytes
        };
        let root = file.meta().root;
        let top = file.visits_of("key")[0].page;
        let ways = [
            ("meta pages", zeroed(&[0, 1])),
            ("meta pages and roots", zeroed(&[0, 1, root, top])),
            ("a leaf", zeroed(&[leaves[leaves.len() / 2].page])),
        ];
        for (way, damaged) in ways {
            let (output, count) = salvage(folder.path(), &damaged, &[]);
            assert_eq!(output.status.code(), Some(1), "{version} without {way}: {output:?}");
            assert!(count > 0, "{version} without {way}");
            let out = folder.path().join("out.db");
            let judged = etcdsnap::verify(&out, etcdsnap::VerifyOptions::default()).unwrap();
            assert_ne!(judged.verdict, Verdict::Damaged, "{version} without {way}: {:?}", judged.findings);
            match etcd_verdict::restore_and_start(version, &fs::read(&out).unwrap()) {
                None => {}
                Some(Outcome::Answers(service)) => {
                    let served = service.keys.map(|(keys, _)| keys);
                    assert_eq!(
                        served,
                        Some(live_keys(&fs::read(&out).unwrap())),
                        "{version} without {way}: {service:?}"
                    );
                    assert!(service.writes && service.healthy, "{version} without {way}: {service:?}");
                }
                Some(other) => panic!("{version} without {way}: {other:?}"),
            }
        }
    }
}
