//! If the newest tree of a database is lost, its state one transaction earlier can be inspected.

use std::fs;
use std::path::{Path, PathBuf};

use etcdsnap_tests::read::{File, meta};
use etcdsnap_tests::{case, cli};
use serde_json::Value;

/// Copies of members' databases, from the oldest etcd to the newest.
const RAW: [&str; 2] = ["3.5-raw", "3.7-raw"];

/// All queries that need no key.
const QUERIES: [&[&str]; 7] = [
    &["keys", "-w", "json", "--long"],
    &["usage", "-w", "json"],
    &["export", "--history"],
    &["hashkv"],
    &["members", "-w", "json"],
    &["leases", "-w", "json"],
    &["meta", "-w", "json"],
];

/// A recorded file and two copies: one without the page of the newest root, one without the newest meta page, so that bolt itself uses the older one.
struct Files {
    _folder: tempfile::TempDir,
    whole: PathBuf,
    root_lost: PathBuf,
    meta_lost: PathBuf,
}

impl Files {
    fn of(name: &str) -> Self {
        let bytes = fs::read(case::named(name).path()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let mut file = File::new(bytes.clone());
        let (live, root) = (file.live_meta(), file.meta().root);
        assert_ne!(file.u64(file.at(1 - live) + meta::ROOT), root, "{name} has one tree");
        let page = file.extent(root);
        file.bytes[page].fill(0);
        let root_lost = write("root-lost.db", &file.bytes);
        let mut file = File::new(bytes.clone());
        let page = file.extent(live);
        file.bytes[page].fill(0);
        let meta_lost = write("meta-lost.db", &file.bytes);
        Self { whole: write("whole.db", &bytes), root_lost, meta_lost, _folder: folder }
    }
}

fn run(path: &Path, words: &[&str]) -> std::process::Output {
    cli::run(&[&[words[0], path.to_str().unwrap()], &words[1..]].concat())
}

#[test]
fn verify_reports_that_the_older_tree_is_intact() {
    for name in RAW {
        let files = Files::of(name);
        let output = run(&files.root_lost, &["verify", "-w", "json"]);
        assert_eq!(output.status.code(), Some(1));
        let printed = cli::json(&output);
        let findings = printed["findings"].as_array().unwrap();
        let older = findings
            .iter()
            .find(|finding| finding["code"] == "older-meta-sound")
            .unwrap_or_else(|| panic!("{printed}"));
        let status = cli::json(&run(&files.meta_lost, &["verify", "-w", "json"]));
        let revision = status["status"]["revision"].as_u64().unwrap();
        let keys = status["status"]["totalKey"].as_u64().unwrap();
        let message = older["message"].as_str().unwrap();
        for part in [format!("latest revision is {revision},"), format!(" {keys} live keys")] {
            assert!(message.contains(&part), "{part:?} is not in {message:?}");
        }
    }
}

/// bolt reads a file by its older meta page if the newer one is invalid, so such a file shows what `--meta older` must print.
#[test]
fn every_command_shows_the_tree_that_bolt_would_use() {
    for name in RAW {
        let files = Files::of(name);
        for words in QUERIES {
            let expected = run(&files.meta_lost, words);
            for file in [&files.root_lost, &files.whole] {
                let output = run(file, &[words, &["--meta", "older"]].concat());
                assert_eq!(output.status.code(), Some(0), "{words:?} of {}: {output:?}", file.display());
                let (got, expected) =
                    (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&expected.stdout));
                assert!(!got.is_empty());
                assert_eq!(got, expected, "{words:?} of {}", file.display());
            }
            let newest = run(&files.root_lost, words);
            assert_ne!(newest.status.code(), Some(0), "{words:?}: {newest:?}");
        }
        let without_meta_page = |mut printed: Value| {
            let findings = printed["findings"].as_array_mut().unwrap();
            findings.retain(|finding| finding["code"] != "meta-invalid");
            (printed["verdict"].clone(), printed["findings"].clone(), printed["status"].clone())
        };
        let expected = without_meta_page(cli::json(&run(&files.meta_lost, &["verify", "-w", "json"])));
        let got = without_meta_page(cli::json(&run(&files.whole, &["verify", "-w", "json", "--meta", "older"])));
        assert_eq!(got, expected);
    }
}

#[test]
fn a_packed_file_is_read_by_its_older_meta_page_too() {
    let files = Files::of("3.7-raw");
    let packed = files.root_lost.with_extension("db.gz");
    let mut encoder = flate2::write::GzEncoder::new(fs::File::create(&packed).unwrap(), flate2::Compression::fast());
    std::io::copy(&mut fs::File::open(&files.root_lost).unwrap(), &mut encoder).unwrap();
    encoder.finish().unwrap();
    for words in [&["keys"][..], &["verify", "-w", "json"], &["status", "-w", "json"]] {
        for more in [&[][..], &["--meta", "older"]] {
            let (plain, packed) =
                (run(&files.root_lost, &[words, more].concat()), run(&packed, &[words, more].concat()));
            assert_eq!(packed.status.code(), plain.status.code(), "{words:?} {more:?}: {packed:?}");
            if words[0] == "keys" {
                assert_eq!(packed.stdout, plain.stdout, "{words:?} {more:?}");
            } else {
                assert_eq!(cli::json(&packed)["findings"], cli::json(&plain)["findings"], "{words:?} {more:?}");
            }
        }
    }
}

#[test]
fn the_two_trees_of_a_file_are_compared() {
    let files = Files::of("3.7-raw");
    let both = run(&files.whole, &["diff", "--meta", "older", "-w", "json"]);
    let apart = cli::run(&["diff", files.meta_lost.to_str().unwrap(), files.whole.to_str().unwrap(), "-w", "json"]);
    assert_eq!((both.status.code(), &both.stdout), (apart.status.code(), &apart.stdout), "{both:?}");
}

#[test]
fn a_snapshot_has_no_older_tree() {
    let snapshot = case::named("3.7-history").path();
    for words in [&["keys"][..], &["verify"], &["status"], &["export"], &["diff"]] {
        let output = run(&snapshot, &[words, &["--meta", "older"]].concat());
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{words:?}: {output:?}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        for part in ["no older tree", "member/snap/db"] {
            assert!(text.contains(part), "{words:?}: {part:?} is not in {text}");
        }
    }
}
