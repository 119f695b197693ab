//! When revisions were written: in `status` and `history`, and `--at` in place of `--rev`.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Output;

use etcdsnap_tests::build::kubernetes::cluster;
use etcdsnap_tests::build::puts;
use etcdsnap_tests::cli;
use serde_json::Value;

/// Encodes a custom resource created this many minutes past ten, with a number in it.
fn widget(name: &str, minute: u32, size: u32) -> Option<Vec<u8>> {
    Some(format!(r#"{{"apiVersion":"example.com/v1","kind":"Widget","metadata":{{"creationTimestamp":"2026-03-09T10:{minute:02}:00Z","name":"{name}","namespace":"shop"}},"spec":{{"size":{size}}}}}"#).into_bytes())
}

fn lease(minute: u32) -> Option<Vec<u8>> {
    Some(format!(r#"{{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{{"creationTimestamp":"2026-03-09T10:00:00Z","name":"node-1","namespace":"kube-node-lease"}},"spec":{{"renewTime":"2026-03-09T10:{minute:02}:00.000000Z"}}}}"#).into_bytes())
}

const LEASE: &str = "/registry/leases/kube-node-lease/node-1";

/// A store whose revision N + 2 was written N minutes past ten: Leases renewed each minute, and `web` changed twice and deleted.
struct TestFolder {
    folder: tempfile::TempDir,
    file: PathBuf,
}

impl TestFolder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        let writes = [
            (LEASE, lease(0)),
            ("/registry/example.com/widgets/shop/web", widget("web", 1, 1)),
            (LEASE, lease(2)),
            ("/registry/example.com/widgets/shop/web", widget("web", 1, 2)),
            ("/registry/example.com/widgets/shop/api", widget("api", 4, 1)),
            ("/registry/example.com/widgets/shop/web", None),
            (LEASE, lease(6)),
        ];
        fs::write(&file, cluster(&writes)).unwrap();
        Self { folder, file }
    }

    /// Runs a command line in which `FILE` is the snapshot and `OUT` a new file.
    fn run(&self, line: &str) -> Output {
        let words: Vec<String> = line
            .split(' ')
            .map(|word| match word {
                "FILE" => self.file.display().to_string(),
                "OUT" => self.folder.path().join("out.db").display().to_string(),
                word => word.to_owned(),
            })
            .collect();
        cli::run(&words)
    }

    fn says(&self, line: &str, code: i32) -> (String, String) {
        let output = self.run(line);
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(output.status.code(), Some(code), "{line}: {err}");
        (out, err)
    }
}

#[test]
fn status_shows_the_time_of_the_state() {
    let desk = TestFolder::new();
    let (text, _) = desk.says("status FILE", 0);
    assert!(text.contains("state as of about 2026-03-09 10:06:00 UTC (± 1 s)\n"), "{text}");
    let (json, _) = desk.says("status FILE -w json", 0);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["stateAsOf"], "2026-03-09T10:06:00Z");
    assert_eq!(json["stateAsOfWithinSeconds"], 1);
    // etcdutl's formats print only what etcdutl prints.
    for form in ["simple", "table", "fields"] {
        assert!(!desk.says(&format!("status FILE -w {form}"), 0).0.contains("2026"), "{form}");
    }
    assert!(!desk.says("snapshot status FILE -w json", 0).0.contains("stateAsOf"));
    // A compressed file is read once; without Kubernetes objects there is no time.
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&fs::read(&desk.file).unwrap()).unwrap();
    fs::write(&desk.file, gzip.finish().unwrap()).unwrap();
    assert!(!desk.says("status FILE", 0).0.contains("as of"));
    fs::write(&desk.file, puts::snapshot(&[(b"/a", Some(b"{}"), 0), (b"/b", Some(b"k8s:enc:x"), 0)])).unwrap();
    assert!(!desk.says("status FILE", 0).0.contains("as of"));
    let (_, said) = desk.says("keys FILE --at 1h", 2);
    assert!(said.contains("No timestamp in this snapshot shows which revision belongs to 1h"), "{said}");
}

#[test]
fn history_shows_when_each_revision_was_written() {
    let desk = TestFolder::new();
    let (table, _) = desk.says("history FILE /registry/example.com/widgets/shop/web", 0);
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|row| row.split_whitespace().collect()).collect();
    // Only their neighbours tell the time of revisions 5 and 7.
    assert_eq!(rows[0][..6], ["3", "2026-03-09T10:01:00Z", "±", "1", "s", "create"], "{table}");
    assert_eq!(rows[1][..6], ["5", "2026-03-09T10:03:00Z", "±", "60", "s", "put"], "{table}");
    assert_eq!(rows[2][..6], ["7", "2026-03-09T10:05:00Z", "±", "60", "s", "delete"], "{table}");
    let (json, _) = desk.says("history FILE /registry/example.com/widgets/shop/web -w json", 0);
    let first: Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!((&first["time"], &first["timeWithinSeconds"]), (&"2026-03-09T10:01:00Z".into(), &1.into()));
}

#[test]
fn a_time_selects_the_revision_of_that_time() {
    let desk = TestFolder::new();
    for (at, revision, size) in [
        ("2026-03-09T10:01:30Z", 3, 1),
        ("2026-03-09T10:03", 5, 2),
        ("2026-03-09T12:04:10+02:00", 6, 2),
        ("3m", 5, 2),
        ("4m30s", 3, 1),
    ] {
        let (yaml, said) = desk.says(&format!("kube get FILE widgets.example.com/web -n shop -o yaml --at {at}"), 0);
        assert!(yaml.contains(&format!("size: {size}\n")), "{at}: {yaml}");
        assert!(said.contains(&format!("{at}: as of revision {revision}, written about 2026-03-09 10:0")), "{said}");
    }
    for line in [
        "keys FILE /registry/example.com/ --at 2m",
        "get FILE /registry/example.com/widgets/shop/web --at 2m",
        "export FILE --at 2m",
        "usage FILE --at 2m",
        "hashkv FILE --at 2m",
        "kube kinds FILE --at 2m",
        "kube manifests FILE widgets.example.com -n shop --at 2m",
        "restore FILE --no-bump --dry-run -w json --data-dir OUT --at 2m",
        "compact FILE -o OUT --at 2m",
    ] {
        let (out, said) = desk.says(line, 0);
        assert!(said.contains("2m: as of revision 6,"), "{line}: {said}");
        let at = line.replace("--at 2m", "--rev 6");
        assert_eq!(out, desk.says(&at, 0).0, "{line}");
    }
    let (out, said) = desk.says("diff FILE --at-a 3m --at-b 0s", 1);
    assert!(said.contains("3m: as of revision 5,") && said.contains("0s: as of revision 8,"), "{said}");
    assert_eq!(out, desk.says("diff FILE --rev-a 5", 1).0);
}

#[test]
fn a_time_outside_the_file_is_reported() {
    let desk = TestFolder::new();
    let (out, said) = desk.says("compact FILE -o OUT --rev 5", 0);
    assert!(said.is_empty() && out.contains("compacted"), "{out}");
    let (_, said) = desk.says("keys OUT --at 2026-03-09T10:01:30Z", 2);
    assert!(
        said.contains("2026-03-09T10:01:30Z is before the oldest revision in this snapshot: revision 5 was written about 2026-03-09 10:0"),
        "{said}"
    );
    assert!(said.contains("older snapshot"), "{said}");
    let (_, said) = desk.says("keys OUT --at 2026-03-10", 0);
    assert!(
        said.contains("2026-03-10 is after the end of the snapshot: its latest revision, 8, was written about"),
        "{said}"
    );
    // A person who goes back in time does not want the latest state, which may include the mistake to undo.
    let (_, said) = desk.says("restore OUT --dry-run --data-dir DIR --at 2026-03-10", 2);
    assert!(said.contains("2026-03-10 is not before the end of the snapshot"), "{said}");
    let (_, said) = desk.says("keys FILE --at yesterday", 2);
    assert!(said.contains("expected a time"), "{said}");
    let (_, said) = desk.says("keys FILE --at 2m --rev 5", 2);
    assert!(said.contains("cannot be used with"), "{said}");
}
