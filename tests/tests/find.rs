//! `etcdsnap find`: which of many snapshots hold a key.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Output;

use etcdsnap_tests::build::puts::{Put, snapshot};
use etcdsnap_tests::{case, cli};
use serde_json::Value;

/// A directory of backups as found in practice: sound ones, one packed, one cut short, one empty, and unrelated files.
struct Backups(tempfile::TempDir);

impl Backups {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("monday.db"), snapshot_of(&[("/a", b"1"), ("/b", b"22")])).unwrap();
        fs::write(at("tuesday.db"), snapshot_of(&[("/a", b"1"), ("/b", b"22"), ("/a", b"333")])).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&snapshot_of(&[("/a", b"1"), ("/b", b"22"), ("/a", b"333"), ("/c/d", b"4444")])).unwrap();
        fs::write(at("wednesday.db.gz"), gzip.finish().unwrap()).unwrap();
        fs::write(at("notes.txt"), "monday was quiet\n").unwrap();
        fs::write(at(".hidden"), "not looked at").unwrap();
        fs::create_dir(at("older")).unwrap();
        fs::write(at("older/sunday.db"), snapshot_of(&[("/a", b"0")])).unwrap();
        Self(folder)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn snapshot_of(puts: &[(&'static str, &'static [u8])]) -> Vec<u8> {
    let puts: Vec<Put> = puts.iter().map(|(key, value)| (key.as_bytes(), Some(*value), 0)).collect();
    snapshot(&puts)
}

fn find(words: &[&str], paths: &[&Path]) -> Output {
    let mut all: Vec<&std::ffi::OsStr> = vec!["find".as_ref()];
    all.extend(words.iter().map(std::ffi::OsStr::new));
    all.extend(paths.iter().map(|path| path.as_os_str()));
    cli::run(&all)
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_newest_snapshot_that_holds_a_key_comes_first() {
    let backups = Backups::new();
    let folder = backups.0.path();
    let output = find(&["/a", "-wjson"], &[folder]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let found = lines(&output);
    let names = ["wednesday.db.gz", "tuesday.db", "monday.db"].map(|name| backups.at(name).display().to_string());
    assert_eq!(found.iter().map(|line| line["file"].as_str().unwrap()).collect::<Vec<_>>(), names);
    let numbers =
        |line: &Value| (line["snapshotRevision"].as_i64(), line["modRevision"].as_i64(), line["valueBytes"].as_i64());
    let expected = [(5, 4, 3), (4, 4, 3), (3, 2, 1)].map(|(a, b, c)| (Some(a), Some(b), Some(c)));
    assert_eq!(found.iter().map(numbers).collect::<Vec<_>>(), expected);
    assert!(
        cli::stderr(&output).contains(&format!(
            "/a is in 3 of 3 snapshots; 1 file is not a snapshot ({}).",
            backups.at("notes.txt").display()
        )),
        "{}",
        cli::stderr(&output)
    );
    // Files and folders together, and the threads in parallel or one after the other.
    for threads in ["1", "8"] {
        let output = find(&["/a", "-wjson", "--threads", threads], &[&backups.at("older"), &backups.at("monday.db")]);
        let found = lines(&output);
        assert_eq!(found.len(), 2, "{output:?}");
        assert_eq!(
            (&found[0]["valueBytes"], &found[1]["file"]),
            (&1.into(), &backups.at("older/sunday.db").display().to_string().into())
        );
    }
}

/// A directory without snapshots is no reason for advice about the spelling of the key.
#[test]
fn a_directory_without_snapshots_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("notes.txt"), "monday was quiet\n").unwrap();
    let name = |folder: &tempfile::TempDir| folder.path().display().to_string();
    for words in [&["find", "/a"][..], &["kube", "find"]] {
        let run = |folders: &[&Path]| {
            let mut all: Vec<&std::ffi::OsStr> = words.iter().map(std::ffi::OsStr::new).collect();
            all.extend(folders.iter().map(|folder| folder.as_os_str()));
            all.extend((words[0] == "kube").then_some(std::ffi::OsStr::new("deploy/web")));
            let output = cli::run(&all);
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            cli::stderr(&output).split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let said = run(&[folder.path()]);
        assert!(said.contains(&format!("is no snapshot in {}", name(&folder))), "{said}");
        assert!(said.contains("Subdirectories are not searched") && !said.contains("exact"), "{said}");
        let said = run(&[folder.path(), other.path()]);
        assert!(said.contains("is no snapshot in these directories: 1 file is not a snapshot ("), "{said}");
        assert!(said.contains("notes.txt)"), "{said}");
    }
}

#[test]
fn prints_tables_and_searches_prefixes() {
    let backups = Backups::new();
    let text = |words: &[&str]| String::from_utf8(find(words, &[backups.0.path()]).stdout).unwrap();
    let simple = text(&["/b"]);
    let rows: Vec<Vec<&str>> = simple.lines().map(|line| line.split_whitespace().skip(1).collect()).collect();
    assert_eq!(rows, [vec!["REVISION", "MOD", "BYTES"], vec!["5", "3", "2"], vec!["4", "3", "2"], vec!["3", "3", "2"]]);
    let prefix = text(&["/", "--prefix", "-wtable"]);
    assert!(prefix.contains("KEY") && prefix.contains("/c/d") && prefix.matches("/b").count() == 3, "{prefix}");
    let found = lines(&find(&["--prefix", "-wjson", "/c/"], &[backups.0.path()]));
    assert_eq!((found.len(), &found[0]["key"]), (1, &"/c/d".into()));
}

#[test]
fn deleted_keys_are_listed_with_their_revision() {
    let path = case::named("3.7-history").path();
    let deleted = cli::run(&["keys".as_ref(), path.as_os_str(), "--deleted".as_ref(), "-wjson".as_ref()]);
    let deleted = lines(&deleted).into_iter().find(|line| line["key"].is_string()).expect("the case has a deleted key");
    let output = find(&[deleted["key"].as_str().unwrap(), "-wjson"], &[&path]);
    assert_eq!(output.status.code(), Some(1), "no snapshot holds it");
    let found = lines(&output);
    assert_eq!((&found[0]["deleted"], &found[0]["modRevision"]), (&true.into(), &deleted["modRevision"]));
}

/// Unreadable files are reported and counted; the exit codes are those of the other commands.
#[test]
fn broken_and_missing_files_are_counted() {
    let backups = Backups::new();
    let whole = case::named("3.7-history").bytes();
    fs::write(backups.at("cut.db"), &whole[..whole.len() / 2]).unwrap();
    fs::write(backups.at("empty.db"), "").unwrap();
    fs::write(backups.at("cut.db.gz"), b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x01").unwrap();
    let output = find(&["/a"], &[backups.0.path()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = cli::stderr(&output);
    assert!(
        told.contains("/a is in 3 of 4 snapshots; 2 files could not be read; 1 file is not a snapshot ("),
        "{told}"
    );
    assert!(told.contains("cut.db is damaged, and this may not be all"), "{told}");
    let output = find(&["/a", "-wjson"], &[backups.0.path(), &backups.at("none.db")]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let lines = lines(&output);
    assert_eq!(lines.iter().filter(|line| line["error"].is_string()).count(), 3);
    // A file that the command line names counts even if it is not a snapshot.
    assert_eq!(find(&["/a"], &[&backups.at("notes.txt")]).status.code(), Some(1));
    let none = find(&["/nowhere"], &[&backups.at("monday.db")]);
    assert_eq!(none.status.code(), Some(1));
    assert!(cli::stderr(&none).contains("/nowhere is in 0 of 1 snapshot"), "{}", cli::stderr(&none));
    assert_eq!(find(&["/a"], &[&backups.at("nothing/here")]).status.code(), Some(2));
    assert_eq!(find(&["/a"], &[]).status.code(), Some(2));
}
