//! `etcdsnap kube find`: one object in many snapshots.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Output;

use etcdsnap_tests::build::kubernetes::{cluster, deployment};
use etcdsnap_tests::cli;
use serde_json::Value;

type Writes = Vec<(&'static str, Option<Vec<u8>>)>;

const WEB: &str = "/registry/deployments/shop/web";

/// Four days of backups: the Deployment is created, stays, changes, and is deleted.
struct Backups(tempfile::TempDir);

impl Backups {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let other = || ("/registry/configmaps/shop/a", Some(br#"{"kind":"ConfigMap"}"#.to_vec()));
        let web = |image: &str| (WEB, Some(deployment("shop", "web", 2, image)));
        let mut writes: Writes = vec![other()];
        let write = |name: &str, writes: &Writes| fs::write(folder.path().join(name), cluster(writes)).unwrap();
        write("1-sunday.db", &writes);
        writes.push(web("nginx:1"));
        write("2-monday.db", &writes);
        writes.push(other());
        write("3-tuesday.db", &writes);
        writes.push(web("nginx:2"));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&cluster(&writes)).unwrap();
        fs::write(folder.path().join("4-wednesday.db.gz"), gzip.finish().unwrap()).unwrap();
        fs::write(folder.path().join("notes.txt"), "nothing\n").unwrap();
        Self(folder)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Adds one more, in which the Deployment is deleted.
    fn deleted(&self) {
        let other = || ("/registry/configmaps/shop/a", Some(br#"{"kind":"ConfigMap"}"#.to_vec()));
        let web = (WEB, Some(deployment("shop", "web", 5, "nginx:3")));
        let writes: Writes = vec![other(), other(), other(), other(), other(), web, (WEB, None)];
        fs::write(self.at("5-thursday.db"), cluster(&writes)).unwrap();
    }
}

fn find(paths: &[&Path], words: &[&str]) -> Output {
    let mut all: Vec<&std::ffi::OsStr> = vec!["kube".as_ref(), "find".as_ref()];
    all.extend(paths.iter().map(|path| path.as_os_str()));
    all.extend(words.iter().map(std::ffi::OsStr::new));
    cli::run(&all)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn lists_for_each_snapshot_whether_it_has_the_object() {
    let backups = Backups::new();
    backups.deleted();
    let output = find(&[backups.0.path()], &["deploy/web", "-n", "shop", "-wjson"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines: Vec<Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<(&str, Option<i64>, Option<&str>)> = lines
        .iter()
        .map(|line| (line["object"].as_str().unwrap(), line["modRevision"].as_i64(), line["change"].as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("deleted", Some(8), Some("deleted")),
            ("there", Some(5), Some("changed")),
            ("there", Some(3), Some("same")),
            ("there", Some(3), Some("created")),
            ("absent", None, None),
        ]
    );
    assert!(lines[1]["file"].as_str().unwrap().ends_with("4-wednesday.db.gz"), "{lines:?}");
    let said = text(&output.stderr);
    assert!(said.contains("deploy/web in namespace shop is in 3 of 5 snapshots; 1 file is not a snapshot ("), "{said}");
    // Files and directories in any order, and the table.
    let output = find(&[&backups.at("1-sunday.db"), &backups.at("3-tuesday.db")], &["Deployment/web", "-nshop"]);
    let rows: Vec<Vec<String>> = text(&output.stdout)
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().skip(1).map(str::to_owned).collect())
        .collect();
    assert_eq!(
        (&rows[0][..4], rows[0].last().unwrap().as_str()),
        (&["4", "-", "there", "3"].map(String::from)[..], "created")
    );
    assert_eq!(rows[1], ["2", "-", "absent", "-", "-", "-"]);
}

#[test]
fn the_last_state_comes_from_the_newest_file_that_has_it() {
    let backups = Backups::new();
    let last = |words: &[&str]| find(&[backups.0.path()], &[&["deploy/web", "-n", "shop", "--last"], words].concat());
    let output = last(&[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let yaml = text(&output.stdout);
    assert!(yaml.starts_with("apiVersion: apps/v1\nkind: Deployment\n") && yaml.contains("image: nginx:2"), "{yaml}");
    assert!(yaml.contains("resourceVersion: \"5\"") && !yaml.contains("managedFields"), "{yaml}");
    assert!(text(&last(&["--show-managed-fields"]).stdout).contains("managedFields"));
    assert!(text(&output.stderr).contains("4-wednesday.db.gz: as written at revision 5."), "{output:?}");
    // A file in which it is deleted still knows its last state.
    backups.deleted();
    let output = last(&[]);
    assert!(text(&output.stdout).contains("image: nginx:3"), "{output:?}");
    assert!(text(&output.stderr).contains("revision 7, before its deletion at revision 8."), "{output:?}");
}

#[test]
fn secrets_stay_hidden_and_custom_types_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    let definition = br#"{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1","metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com","scope":"Cluster","names":{"plural":"widgets","kind":"Widget","shortNames":["wd"]}}}"#;
    let secret = br#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"s","namespace":"default"},"data":{"p":"aHVudGVyMg=="}}"#;
    let writes: Writes = vec![
        ("/registry/apiextensions.k8s.io/customresourcedefinitions/widgets.example.com", Some(definition.to_vec())),
        ("/registry/example.com/widgets/w", Some(br#"{"kind":"Widget","metadata":{"name":"w"}}"#.to_vec())),
        ("/registry/secrets/default/s", Some(secret.to_vec())),
    ];
    fs::write(&file, cluster(&writes)).unwrap();
    let output = find(&[&file], &["wd/w"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let hidden = find(&[&file], &["secret/s", "--last"]);
    assert!(text(&hidden.stdout).contains("hidden") && !text(&hidden.stdout).contains("aHVudGVyMg"), "{hidden:?}");
    let shown = find(&[&file], &["secret/s", "--last", "--show-secrets"]);
    assert!(text(&shown.stdout).contains("p: aHVudGVyMg=="), "{shown:?}");
}

#[test]
fn a_missing_object_is_reported() {
    let backups = Backups::new();
    for (words, code, with) in [
        (&["deploy/web"][..], 1, "deploy/web in namespace default is in 0 of 4 snapshots"),
        (&["deploy/none", "--last"], 1, "is in 0 of 4 snapshots"),
        (&["gadget/web"], 2, "No type of objects in these snapshots is called gadget"),
        (&["deploy"], 2, "deploy is not TYPE/NAME"),
        (&["all/web"], 2, "all/web is not TYPE/NAME"),
    ] {
        let output = find(&[backups.0.path()], words);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {output:?}");
        assert!(text(&output.stderr).contains(with), "{words:?}: {output:?}");
    }
    let output = find(&[&backups.at("1-sunday.db"), &backups.at("none.db")], &["cm/a", "-nshop"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stdout).contains("there"), "{output:?}");
}

/// In a damaged file the object may or may not exist, so it is reported neither as absent nor as deleted.
#[test]
fn a_damaged_file_does_not_prove_that_an_object_is_gone() {
    let backups = Backups::new();
    let mut file = fs::read(backups.at("3-tuesday.db")).unwrap();
    let page = (2..file.len() / 4096).rev().find(|page| {
        let bytes = &file[page * 4096..(page + 1) * 4096];
        bytes[8] == 2 && bytes.windows(WEB.len()).any(|part| part == WEB.as_bytes())
    });
    let page = page.expect("a leaf with the Deployment");
    file[page * 4096 + 8] = 0x40;
    fs::write(backups.at("9-damaged.db"), &file).unwrap();
    let output =
        find(&[&backups.at("2-monday.db"), &backups.at("9-damaged.db")], &["deploy/web", "-n", "shop", "-w", "json"]);
    let lines: Vec<Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let damaged = lines.iter().find(|line| line["file"].as_str().unwrap().ends_with("9-damaged.db")).unwrap();
    assert_eq!((&damaged["object"], &damaged["damaged"]), (&"unknown".into(), &true.into()), "{damaged}");
    assert!(lines.iter().all(|line| line["change"] != "deleted"), "{lines:?}");
    assert_eq!(output.status.code(), Some(1));
    // The state that --last prints may not be the last one then.
    let files = [backups.at("2-monday.db"), backups.at("9-damaged.db")];
    let output = find(&files.each_ref().map(PathBuf::as_path), &["deploy/web", "-n", "shop", "--last"]);
    assert!(text(&output.stdout).contains("nginx:1"), "{output:?}");
    assert!(text(&output.stderr).contains("may hold a newer state"), "{output:?}");
    assert_eq!(output.status.code(), Some(1));
}

fn namespace(uid: &str) -> Vec<u8> {
    format!(r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"kube-system","uid":"{uid}"}}}}"#)
        .into_bytes()
}

fn config_map(uid: &str, text: &str) -> Option<Vec<u8>> {
    let json = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a","namespace":"shop","uid":"{uid}"}},"data":{{"a":"{text}"}}}}"#
    );
    Some(json.into_bytes())
}

const MAP: &str = "/registry/configmaps/shop/a";
const SYSTEM: &str = "/registry/namespaces/kube-system";

/// Two clusters with backups in one directory.
#[test]
fn files_of_another_cluster_are_not_compared() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, writes: &Writes| fs::write(folder.path().join(name), cluster(writes)).unwrap();
    let mut one: Writes = vec![(SYSTEM, Some(namespace("11111111-aaaa"))), (MAP, config_map("u-1", "x"))];
    write("one-1.db", &one);
    one.push((MAP, config_map("u-1", "y")));
    write("one-2.db", &one);
    let two: Writes = vec![
        (SYSTEM, Some(namespace("22222222-bbbb"))),
        (SYSTEM, Some(namespace("22222222-bbbb"))),
        (MAP, config_map("u-2", "x")),
    ];
    write("two.db", &two);
    let output = find(&[folder.path()], &["cm/a", "-nshop", "-wjson"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines: Vec<Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<(&str, &str, Option<&str>)> = lines
        .iter()
        .map(|line| {
            let file = line["file"].as_str().unwrap().rsplit('/').next().unwrap();
            (file, line["clusterUid"].as_str().unwrap(), line["change"].as_str())
        })
        .collect();
    let (one, two) = ("11111111-aaaa", "22222222-bbbb");
    assert!(told.contains(&("two.db", two, None)) && told.contains(&("one-1.db", one, None)), "{told:?}");
    assert!(told.contains(&("one-2.db", one, Some("changed"))), "{told:?}");
    let output = find(&[folder.path()], &["cm/a", "-nshop"]);
    let said = text(&output.stderr);
    assert!(
        said.contains("The files are of 2 clusters") && said.contains("uid of kube-system 22222222-bbbb"),
        "{said}"
    );
    assert!(text(&output.stdout).contains("CLUSTER") && text(&output.stdout).contains("11111111"), "{output:?}");
    // The note does not appear for a single cluster.
    let [a, b] = ["one-1.db", "one-2.db"].map(|name| folder.path().join(name));
    let output = find(&[&a, &b], &["cm/a", "-nshop"]);
    assert!(!text(&output.stdout).contains("CLUSTER") && !text(&output.stderr).contains("clusters"), "{output:?}");
}

#[test]
fn a_recreated_object_is_not_a_changed_one() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a.db", "b.db"].map(|name| folder.path().join(name));
    let mut writes: Writes = vec![(SYSTEM, Some(namespace("u"))), (MAP, config_map("u-1", "x"))];
    fs::write(&a, cluster(&writes)).unwrap();
    writes.extend([(MAP, None), (MAP, config_map("u-2", "y"))]);
    fs::write(&b, cluster(&writes)).unwrap();
    let output = find(&[&a, &b], &["cm/a", "-nshop"]);
    assert!(text(&output.stdout).contains("made anew"), "{output:?}");
}

fn map_of(namespace: &str, text: &str) -> Option<Vec<u8>> {
    let json = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a","namespace":"{namespace}"}},"data":{{"a":"{text}"}}}}"#
    );
    Some(json.into_bytes())
}

/// Two days of one cluster: the map of `shop` changes, that of `blog` is deleted on the second day.
fn two_days() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a.db", "b.db"].map(|name| folder.path().join(name));
    const BLOG: &str = "/registry/configmaps/blog/a";
    let mut writes: Writes = vec![
        (MAP, map_of("shop", "1")),
        (BLOG, map_of("blog", "1")),
        (WEB, Some(deployment("shop", "web", 1, "nginx"))),
    ];
    fs::write(&a, cluster(&writes)).unwrap();
    writes.extend([(MAP, map_of("shop", "2")), (BLOG, None)]);
    fs::write(&b, cluster(&writes)).unwrap();
    (folder, a, b)
}

fn rows(output: &Output) -> Vec<(String, String, String, String)> {
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or("-").to_owned();
    let lines = self::text(&output.stdout);
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .map(|line| (text(&line, "name"), text(&line, "namespace"), text(&line, "object"), text(&line, "change")))
        .collect()
}

#[test]
fn an_object_is_found_in_all_namespaces() {
    let (_folder, a, b) = two_days();
    let output = find(&[&a, &b], &["cm/a", "-A", "-wjson"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let line = |namespace: &str, object: &str, change: &str| {
        ("a".to_owned(), namespace.to_owned(), object.to_owned(), change.to_owned())
    };
    let expected = [
        line("blog", "deleted", "deleted"),
        line("blog", "there", "-"),
        line("shop", "there", "changed"),
        line("shop", "there", "-"),
    ];
    assert_eq!(rows(&output), expected);
    let said = text(&output.stderr);
    assert!(
        said.contains("cm/a in namespace blog is in 1 of 2") && said.contains("cm/a in namespace shop is in 2 of 2"),
        "{said}"
    );
    let table = text(&find(&[&a, &b], &["cm/a", "-A"]).stdout);
    assert!(table.starts_with("NAME ") && table.contains("cm/a in blog "), "{table}");
    // The object exists in no namespace.
    let output = find(&[&a, &b], &["cm/none", "-A"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("cm/none in any namespace is in 0 of 2 snapshots"), "{output:?}");
}

#[test]
fn several_objects_are_found_at_once() {
    let (_folder, a, b) = two_days();
    let output = find(&[&a, &b], &["deploy/web", "cm/a", "-n", "shop", "-wjson"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let names: Vec<String> =
        rows(&output).into_iter().map(|(name, _, object, change)| format!("{name} {object} {change}")).collect();
    assert_eq!(names, ["web there same", "web there -", "a there changed", "a there -"]);
    // A missing object makes the exit code 1, but the others are still listed.
    let output = find(&[&a, &b], &["deploy/none", "cm/a", "-n", "shop", "-wjson"]);
    assert_eq!((output.status.code(), rows(&output).len()), (Some(1), 4), "{output:?}");
    let output = find(&[&a, &b], &["deploy/none", "cm/a", "deploy/web", "-n", "shop", "--last"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let yaml = text(&output.stdout);
    assert!(yaml.contains("kind: List") && yaml.contains("a: \"2\"") && yaml.contains("kind: Deployment"), "{yaml}");
    assert!(yaml.find("ConfigMap") < yaml.find("Deployment"), "{yaml}");
    assert!(text(&output.stderr).contains("deploy/none in namespace shop is in no snapshot"), "{output:?}");
    // A missing file is not taken for an object.
    let output = find(&[&a, Path::new("none/none.db")], &["cm/a", "-n", "shop"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("behind files that exist"), "{output:?}");
}
