//! An export holds exactly the snapshot's entries, in every format: read back by other libraries than those that wrote it, where available.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use etcdsnap::core::store::{KeyRange, Query};
use etcdsnap::{NoProgress, Snapshot};
use etcdsnap_tests::programs::{reference, tests_dir};
use etcdsnap_tests::sorted_index::sorted_keys;
use etcdsnap_tests::{case, cli};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::Value;

/// Key, main and sub revision, creation, version, lease, whether it is deleted, and the value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ExportedEntry {
    main: i64,
    sub: i64,
    key: Vec<u8>,
    create: i64,
    version: i64,
    lease: i64,
    deleted: bool,
    value: Vec<u8>,
}

/// Returns the living keys, as the library reads them.
fn living(path: &Path) -> Vec<ExportedEntry> {
    let snapshot = Snapshot::open(path, None, &NoProgress).unwrap();
    let store = snapshot.store().unwrap();
    let query = Query { range: KeyRange::all(), revision: store.current(), hash_values: false, folders: Vec::new() };
    let (index, _) = snapshot.keys(&store, &query, &NoProgress).unwrap();
    let entry = |key: etcdsnap::core::store::Key<'_>| ExportedEntry {
        main: key.revision.main.get(),
        sub: key.revision.sub,
        key: key.key.to_vec(),
        create: key.create_revision.get(),
        version: key.version,
        lease: key.lease,
        deleted: false,
        value: snapshot.value(&store, key.place).unwrap(),
    };
    sorted_keys(&index, |key| !key.deleted).into_iter().map(entry).collect()
}

/// Returns every entry, as the library reads them, sorted by revision.
fn everything(path: &Path) -> Vec<ExportedEntry> {
    let snapshot = Snapshot::open(path, None, &NoProgress).unwrap();
    let store = snapshot.store().unwrap();
    let query = Query { range: KeyRange::all(), revision: store.current(), hash_values: false, folders: Vec::new() };
    let (index, _) = snapshot.keys(&store, &query, &NoProgress).unwrap();
    let mut entries = Vec::new();
    for key in index.iter() {
        for event in snapshot.history(&store, key.key, &NoProgress).unwrap().0 {
            entries.push(ExportedEntry {
                main: event.revision.main.get(),
                sub: event.revision.sub,
                key: key.key.to_vec(),
                create: event.create_revision.get(),
                version: event.version,
                lease: event.lease,
                deleted: event.deletion,
                value: if event.deletion { Vec::new() } else { snapshot.value(&store, event.place).unwrap() },
            });
        }
    }
    entries.sort();
    entries
}

fn export(path: &Path, flags: &[&str]) -> Vec<u8> {
    let output = cli::run(&[&["export", path.to_str().unwrap()], flags].concat());
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    output.stdout
}

fn of_ndjson(bytes: &[u8]) -> Vec<ExportedEntry> {
    let text = std::str::from_utf8(bytes).unwrap();
    let parse = |line: &str| {
        let json: Value = serde_json::from_str(line).unwrap();
        let number = |name: &str| json[name].as_i64().unwrap_or_default();
        let bytes = |name: &str| match json[name].as_str() {
            Some(text) => text.as_bytes().to_vec(),
            None => BASE64_STANDARD.decode(json[format!("{name}Base64")].as_str().unwrap_or_default()).unwrap(),
        };
        ExportedEntry {
            main: number("modRevision"),
            sub: number("subRevision"),
            key: bytes("key"),
            create: number("createRevision"),
            version: number("version"),
            lease: json["lease"].as_str().map_or(0, |id| u64::from_str_radix(id, 16).unwrap().cast_signed()),
            deleted: json["deleted"] == true,
            value: bytes("value"),
        }
    };
    text.lines().map(parse).collect()
}

fn of_csv(bytes: &[u8]) -> Vec<ExportedEntry> {
    let mut reader = csv::Reader::from_reader(bytes);
    let titles = reader.headers().unwrap().clone();
    let place = |title: &str| titles.iter().position(|one| one == title).unwrap();
    let parse = |record: Result<csv::StringRecord, csv::Error>| {
        let record = record.unwrap();
        let cell = |title: &str| record[place(title)].to_owned();
        // As the help says: a reader drops an apostrophe at the start, and one after each semicolon, tab and line break.
        let text = |title: &str| match (title, cell(title)) {
            ("key" | "value", text) => {
                let text = text.strip_prefix('\'').unwrap_or(&text);
                [";'", "\t'", "\r'", "\n'"].iter().fold(text.to_owned(), |text, end| text.replace(end, &end[..1]))
            }
            (_, text) => text,
        };
        let number = |title: &str| text(title).parse().unwrap();
        let bytes = |title: &str| match text(&format!("{title}_encoding")).as_str() {
            "base64" => BASE64_STANDARD.decode(text(title)).unwrap(),
            _ => text(title).into_bytes(),
        };
        let lease = text("lease");
        ExportedEntry {
            main: number("mod_revision"),
            sub: number("sub_revision"),
            key: bytes("key"),
            create: number("create_revision"),
            version: number("version"),
            lease: if lease.is_empty() { 0 } else { u64::from_str_radix(&lease, 16).unwrap().cast_signed() },
            deleted: text("deleted") == "true",
            value: bytes("value"),
        }
    };
    reader.records().map(parse).collect()
}

fn of_parquet(path: &Path) -> Vec<ExportedEntry> {
    let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
    let parse = |row: Result<Row, parquet::errors::ParquetError>| {
        let row = row.unwrap();
        let field = |title: &str| row.get_column_iter().find(|(name, _)| name.as_str() == title).unwrap().1.clone();
        let number = |title: &str| match field(title) {
            Field::Long(number) => number,
            Field::Null => 0,
            other => panic!("{title}: {other:?}"),
        };
        let bytes = |title: &str| match field(title) {
            Field::Bytes(bytes) => bytes.data().to_vec(),
            Field::Null => Vec::new(),
            other => panic!("{title}: {other:?}"),
        };
        let key = bytes("key");
        match field("key_text") {
            Field::Str(text) => assert_eq!(text.as_bytes(), key),
            other => assert!(other == Field::Null && std::str::from_utf8(&key).is_err(), "{other:?}"),
        }
        let value = bytes("value");
        assert_eq!(number("value_bytes"), value.len() as i64);
        ExportedEntry {
            main: number("mod_revision"),
            sub: number("sub_revision"),
            key,
            create: number("create_revision"),
            version: number("version"),
            lease: number("lease"),
            deleted: field("deleted") == Field::Bool(true),
            value,
        }
    };
    reader.get_row_iter(None).unwrap().map(parse).collect()
}

#[test]
fn every_format_holds_the_snapshots_entries() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["3.4-history", "3.6-bumped", "3.7-cluster", "3.7-history", "3.7-fresh"] {
        let path = case::named(name).path();
        for (flags, expected) in [(&[][..], living(&path)), (&["--history"], everything(&path))] {
            let ndjson = of_ndjson(&export(&path, &[flags, &["--format=ndjson"]].concat()));
            assert_eq!(ndjson, expected, "{name} {flags:?}");
            let csv = of_csv(&export(&path, &[flags, &["--format=csv"]].concat()));
            assert_eq!(csv, expected, "{name} {flags:?}");
            let file = folder.path().join("out.parquet");
            let to = format!("--output={}", file.display());
            let printed = export(&path, &[flags, &["--format=parquet", &to]].concat());
            assert!(String::from_utf8(printed).unwrap().starts_with(&format!("exported {} row", expected.len())));
            assert_eq!(of_parquet(&file), expected, "{name} {flags:?}");
        }
    }
}

/// Returns the rows of each file, as DuckDB reads them.
fn of_duckdb(python: &Path, files: &[PathBuf]) -> Vec<Vec<ExportedEntry>> {
    let script = tests_dir().join("reference/duckdb/rows.py");
    let output = Command::new(python).arg(script).args(files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let entry = |row: &Value| {
        let number = |place: usize| row[place].as_i64().unwrap();
        let bytes = |place: usize| BASE64_STANDARD.decode(row[place].as_str().unwrap()).unwrap();
        ExportedEntry {
            main: number(0),
            sub: number(1),
            key: bytes(2),
            create: number(3),
            version: number(4),
            lease: number(5),
            deleted: row[6].as_bool().unwrap(),
            value: bytes(7),
        }
    };
    let rows = |line: &str| serde_json::from_str::<Vec<Value>>(line).unwrap().iter().map(entry).collect();
    String::from_utf8(output.stdout).unwrap().lines().map(rows).collect()
}

#[test]
fn duckdb_reads_every_format() {
    let Some(python) = reference("duckdb", "bin/python") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (mut files, mut expected) = (Vec::new(), Vec::new());
    for name in ["3.4-history", "3.6-bumped", "3.7-cluster", "3.7-history", "3.7-fresh"] {
        let path = case::named(name).path();
        for (flags, rows) in [(&[][..], living(&path)), (&["--history"], everything(&path))] {
            for form in ["csv", "ndjson", "parquet"] {
                let file = folder.path().join(format!("{name}-{}.{form}", flags.len()));
                let to = format!("--output={}", file.display());
                export(&path, &[flags, &["--format", form, &to]].concat());
                files.push(file);
                expected.push(rows.clone());
            }
        }
    }
    assert!(expected.iter().flatten().any(|row| row.deleted) && expected.iter().flatten().any(|row| row.lease != 0));
    let read = of_duckdb(&python, &files);
    assert_eq!(read.len(), files.len());
    for ((file, read), expected) in files.iter().zip(read).zip(expected) {
        assert_eq!(read, expected, "{}", file.display());
    }
}

#[test]
fn exports_a_prefix_and_an_older_revision() {
    let path = case::named("3.7-cluster").path();
    let rows = of_ndjson(&export(&path, &["--prefix", "/registry/pods/", "--rev", "466"]));
    assert!(!rows.is_empty());
    assert!(rows.iter().all(|row| row.key.starts_with(b"/registry/pods/") && row.main <= 466));
    let listed = cli::run(&["keys", path.to_str().unwrap(), "/registry/pods/", "--rev", "466"]).stdout;
    assert_eq!(String::from_utf8(listed).unwrap().lines().count(), rows.len());
    // Two halves make the whole, with and without the history.
    let middle = "/registry/pods/";
    for flags in [&[][..], &["--history"]] {
        let part = |interval: &[&str]| of_ndjson(&export(&path, &[flags, interval].concat()));
        let (before, behind) = (part(&["--to", middle]), part(&["--from", middle]));
        assert!(!before.is_empty() && before.iter().all(|row| row.key.as_slice() < middle.as_bytes()));
        assert!(!behind.is_empty() && behind.iter().all(|row| row.key.as_slice() >= middle.as_bytes()));
        assert_eq!(before.len() + behind.len(), part(&[]).len());
        let both = part(&["--prefix", "/registry/", "--from", middle, "--to", "/registry/pods0"]);
        assert_eq!(both, part(&["--prefix", middle]));
    }
}

/// More rows than a row group holds.
#[test]
fn row_groups_are_bounded() {
    use etcdsnap_tests::build::cluster::{self, Version};
    use etcdsnap_tests::build::history::{History, RevisionEntry};
    use etcdsnap_tests::build::message::KeyValue;
    use etcdsnap_tests::build::{Layout, with_trailer, write};
    use etcdsnap_tests::seeded_random::SeededRandom;
    let mut history = History::default();
    for main in 2..150_002 {
        let key = format!("{main:08}").into_bytes();
        let value =
            KeyValue { key, create_revision: main, mod_revision: main, version: 1, value: b"v".to_vec(), lease: 0 };
        history.revisions.insert((main, 0), RevisionEntry { tombstone: false, value });
        history.current = main;
    }
    let root = cluster::database(&history, Version::V36, &mut SeededRandom::new(1));
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("many.db"), folder.path().join("many.parquet"));
    fs::write(&file, with_trailer(&write(&root, &Layout::plain(4096, 1)).database)).unwrap();
    export(&file, &["--format=parquet", "--output", out.to_str().unwrap()]);
    let reader = SerializedFileReader::new(fs::File::open(&out).unwrap()).unwrap();
    let groups: Vec<_> = reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
    assert!(groups.len() >= 3 && groups.iter().all(|rows| *rows <= 65_536), "{groups:?}");
    assert_eq!(groups.iter().sum::<i64>(), 150_000);
    let Some(python) = reference("duckdb", "bin/python") else { return };
    let read = of_duckdb(&python, &[out]).swap_remove(0);
    let keys = read.iter().map(|row| String::from_utf8_lossy(&row.key).parse::<i64>().unwrap());
    assert!(keys.eq(2..150_002) && read.iter().all(|row| row.value == b"v" && row.lease == 0));
}

/// A file appears complete or not at all, and a reader that closes the pipe is not a failure.
#[test]
fn a_failed_export_leaves_no_file() {
    let path = case::named("3.7-history").path();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.parquet");
    fs::write(&out, "yesterday's").unwrap();
    let run = "ulimit -f 8; exec \"$0\" export \"$1\" --history --format=ndjson --output \"$2\"";
    let output = Command::new("sh").args(["-c", run]).arg(cli::program()).arg(&path).arg(&out).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(fs::read(&out).unwrap(), b"yesterday's");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let output = cli::run(&["export", path.to_str().unwrap(), "--output", "/nowhere/at/all.csv"]);
    assert_eq!(output.status.code(), Some(2));
    let gone = format!(
        "\"{}\" export \"{}\" --history | head -1 > /dev/null; test ${{PIPESTATUS[0]}} = 0",
        cli::program().display(),
        path.display()
    );
    assert!(Command::new("bash").args(["-c", &gone]).status().unwrap().success());
}

/// Keys and values that a spreadsheet would evaluate, and others that look like defused ones.
const FORMULAS: &[etcdsnap_tests::build::puts::Put] = &[
    (b"=HYPERLINK(\"http://x\";\"y\")", Some(b"=1+1"), 0),
    (b"+1", Some(b"+1"), 0),
    (b"-1", Some(b"-cmd|' /C calc'!A0"), 0),
    (b"@sum", Some(b"@SUM(1;2)"), 0),
    (b"\ttab", Some(b"\t=1"), 0),
    (b"\rreturn", Some(b"\r=1"), 0),
    (b"\nfeed", Some(b"\n=1"), 0),
    (b"'quoted", Some(b"'=1"), 0),
    (b"''twice", Some(b"''"), 0),
    ("\u{ff1d}full".as_bytes(), Some("\u{ff1d}1".as_bytes()), 0),
    // Spreadsheets may skip leading characters.
    (b"  =spaces", Some(b" =1"), 0),
    ("\u{feff}=mark".as_bytes(), Some("\u{200b}+1".as_bytes()), 0),
    // In base64 it begins with a plus.
    (b"\xf8\xff", Some(b"\xfb\xff"), 0),
    // After the end of a cell if the separator is not a comma, quotes or not.
    (b"a;=1+1", Some(b"a, \"b\"; =1;'x;;+2;plain\n\n- one\n  - two\r\n@three\t=4;\"=5\""), 0),
    (b"plain", Some(b"a=1, b=\"2\"\n"), 0),
    (b"empty", Some(b""), 0),
];

#[test]
fn csv_contains_no_formulas_unless_requested() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("formulas.db");
    fs::write(&path, etcdsnap_tests::build::puts::snapshot(FORMULAS)).unwrap();
    let safe = export(&path, &["--format=csv"]);
    let mut reader = csv::Reader::from_reader(safe.as_slice());
    for record in reader.records() {
        for cell in &record.unwrap() {
            let seen = cell.trim_start_matches([' ', '\u{feff}', '\u{200b}']);
            assert!(!seen.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}']), "{cell:?}");
        }
    }
    // The same file where cells end at semicolons or tabs.
    for separator in [b';', b'\t'] {
        let mut reader = csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(safe.as_slice());
        for record in reader.records() {
            for cell in &record.unwrap() {
                let seen = cell.trim_start_matches([' ', '\u{feff}', '\u{200b}']);
                assert!(!seen.starts_with(['=', '+', '-', '@', '\u{ff1d}']), "{cell:?}");
            }
        }
    }
    assert_eq!(of_csv(&safe), living(&path));
    let raw = export(&path, &["--format=csv", "--csv-raw"]);
    let mut reader = csv::Reader::from_reader(raw.as_slice());
    let cells: Vec<String> = reader.records().map(|record| record.unwrap()[0].to_owned()).collect();
    let mut keys: Vec<_> = living(&path).into_iter().map(|entry| entry.key).collect();
    keys.retain(|key| std::str::from_utf8(key).is_ok());
    assert!(keys.iter().all(|key| cells.iter().any(|cell| cell.as_bytes() == key.as_slice())), "{cells:?}");
    for form in ["ndjson", "parquet"] {
        let printed = cli::run(&["export", path.to_str().unwrap(), "--csv-raw", "--format", form]);
        assert_eq!(printed.status.code(), Some(2), "{form}");
    }
    let Some(python) = reference("duckdb", "bin/python") else { return };
    let file = folder.path().join("formulas.csv");
    export(&path, &["--format=csv", "--output", file.to_str().unwrap()]);
    assert_eq!(of_duckdb(&python, &[file]), [living(&path)]);
}

/// An invalid entry may belong to any key: the export that leaves it out reports it.
#[test]
fn invalid_entries_are_counted() {
    let case = case::named("3.7-history");
    let mut damaged = etcdsnap_tests::read::File::new(fs::read(case.path()).unwrap());
    // The first field's length points outside the message.
    let entry = damaged.entries("key").into_iter().rev().find(|entry| entry.value.len() > 40).unwrap();
    damaged.bytes[entry.value.start + 1] = 0x7f;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.db");
    fs::write(&path, &damaged.bytes).unwrap();
    let file = path.to_str().unwrap();
    for words in [
        &["keys", file][..],
        &["export", file],
        &["export", file, "--history"],
        &["history", file, "/app/a"],
        &["usage", file],
        &["hashkv", file],
        &["leases", file],
        &["diff", file, case.path().to_str().unwrap()],
    ] {
        let output = cli::run(words);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {text}");
        assert!(text.contains("1 place could not be read") && text.contains("keyvalue-malformed"), "{words:?}: {text}");
    }
}
