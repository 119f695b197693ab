//! The commands that look into a snapshot, as a person or a script meets them.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Output;

use etcdsnap_tests::build::puts;
use etcdsnap_tests::read::File;
use etcdsnap_tests::{case, cli};
use serde_json::Value;

/// A snapshot with few keys, some of them awkward, in a directory of its own.
struct Small {
    folder: tempfile::TempDir,
    file: PathBuf,
    bytes: Vec<u8>,
}

const PUTS: &[puts::Put] = &[
    (b"/registry/secrets/default/token", Some(b"hunter2"), 0),
    (b"/registry/pods/default/web", Some(b"{\"kind\":\"Pod\"}"), 0),
    (b"\xff\x00raw", Some(b"\x00\x01\x02"), 0),
    (b"with space", Some(b"two\nlines"), 0x7f3a),
    (b"/registry/pods/default/web", Some(b"{\"kind\":\"Pod\",\"v\":2}"), 0),
    (b"gone", Some(b"for a while"), 0),
    (b"gone", None, 0),
];

impl Small {
    fn new() -> Self {
        let bytes = puts::snapshot(PUTS);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("small.db");
        fs::write(&file, &bytes).unwrap();
        Self { folder, file, bytes }
    }

    fn run(&self, words: &[&str]) -> Output {
        let output = cli::run(&[&[words[0], self.file.to_str().unwrap()], &words[1..]].concat());
        assert_eq!(fs::read(&self.file).unwrap(), self.bytes, "{words:?} wrote to its input");
        output
    }

    /// What is printed when all is well.
    fn said(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What is said when it is not: with this exit code, these words on stderr, and nothing on stdout.
    fn refused(&self, words: &[&str], code: i32, with: &[&str]) {
        let output = self.run(words);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(code), &b""[..]), "{words:?}: {text}");
        for word in with {
            assert!(text.contains(word), "{words:?}: {word:?} is not in {text}");
        }
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn keys_are_listed_and_chosen() {
    let small = Small::new();
    let all = ["/registry/pods/default/web", "/registry/secrets/default/token", "\"with space\"", "\"\\xff\\x00raw\""];
    assert_eq!(small.said(&["keys"]).lines().collect::<Vec<_>>(), all);
    assert_eq!(small.said(&["keys", "/registry/"]).lines().collect::<Vec<_>>(), &all[..2]);
    assert_eq!(small.said(&["keys", "\"\\xff\""]).lines().collect::<Vec<_>>(), &all[3..]);
    assert_eq!(small.said(&["keys", "--from", "/registry/s", "--limit", "2"]).lines().collect::<Vec<_>>(), &all[1..3]);
    assert_eq!(small.said(&["keys", "--to", "with space"]).lines().collect::<Vec<_>>(), &all[..2]);
    assert_eq!(small.said(&["keys", "--from", all[1], "--to", "\"\\xff\""]).lines().collect::<Vec<_>>(), &all[1..3]);
    assert_eq!(small.said(&["keys", "/registry/", "--to", "zz"]).lines().collect::<Vec<_>>(), &all[..2]);
    small.refused(&["keys", "--from", "b", "--to", "a"], 2, &["no key lies between --from b and --to a"]);
    assert_eq!(small.said(&["keys", "--rev", "3"]).lines().collect::<Vec<_>>(), &all[..2]);
    assert_eq!(small.said(&["keys", "--deleted"]), "gone\n");
    assert_eq!(small.said(&["keys", "--filter", "version>1"]), "/registry/pods/default/web\n");
    assert_eq!(small.said(&["keys", "--filter", "lease=7f3a"]), "\"with space\"\n");
    assert_eq!(small.said(&["keys", "--filter", "size<5", "--filter", "key!~pods"]), "\"\\xff\\x00raw\"\n");
    assert_eq!(
        small.said(&["keys", "/registry/pods/", "--long"]).split_whitespace().collect::<Vec<_>>(),
        ["6", "3", "2", "20", "-", "/registry/pods/default/web"]
    );
    assert_eq!(
        small.said(&["keys", "--deleted", "--long"]).split_whitespace().collect::<Vec<_>>(),
        ["8", "-", "-", "-", "-", "gone"]
    );
    let table = small.said(&["keys", "-w", "table", "--long"]);
    assert!(table.starts_with('┌') && table.contains("LEASE") && table.contains("7f3a"), "{table}");
    let json = lines(&small.said(&["keys", "-w", "json"]));
    assert_eq!(json[3]["keyBase64"], "/wByYXc=");
    assert_eq!(json[2]["key"], "with space");
    assert_eq!((&json[0]["modRevision"], &json[0]["createRevision"]), (&6.into(), &3.into()));
    assert_eq!(small.said(&["keys", "--filter", "size>0.019kB"]), "/registry/pods/default/web\n");
    small.refused(&["keys", "--filter", "colour=red"], 2, &["--filter", "size>100kB"]);
    small.refused(&["keys", "--filter", "size ~ x"], 2, &["size is a number and takes =", "size>100kB"]);
    small.refused(&["keys", "--limit", "0"], 2, &["from 1 on"]);
    small.refused(&["keys", "--rev", "99"], 2, &["revision 99", "revision 99 is above the newest in this snapshot, 8"]);
}

#[test]
fn keys_are_chosen_by_their_values() {
    let small = Small::new();
    let found =
        |condition: &str, rev: &str| small.said(&["keys", "--show-secrets", "--filter", condition, "--rev", rev]);
    // What is hidden is not searched, whatever is asked.
    let hidden = small.run(&["keys", "--filter", "value~hunter"]);
    assert_eq!((hidden.status.code(), hidden.stdout.as_slice()), (Some(0), &b""[..]), "{hidden:?}");
    assert!(String::from_utf8_lossy(&hidden.stderr).contains("1 key is a secret and was not searched"), "{hidden:?}");
    assert_eq!(found("value~\"v\"", "0"), "/registry/pods/default/web\n");
    assert_eq!(found("value~kind", "0"), "/registry/pods/default/web\n");
    // The value of that revision, not a newer one.
    assert_eq!(found("value~\"\\\"v\\\"\"", "5"), "");
    assert_eq!(found("value~\"\\x01\\x02\"", "0"), "\"\\xff\\x00raw\"\n");
    assert_eq!(found("value~for a while", "7"), "gone\n");
    let others = found("value!~kind", "0");
    assert_eq!(others.lines().count(), 3);
    let secret = found("value~hunter", "0");
    assert!(secret.contains("/secrets/") && !secret.contains("hunter"), "a secret's value: {secret}");
    let limited = small.said(&[
        "keys",
        "--show-secrets",
        "--filter",
        "value!~kind",
        "--filter",
        "size<5",
        "--limit",
        "1",
        "-w",
        "json",
    ]);
    assert_eq!(lines(&limited)[0]["keyBase64"], "/wByYXc=");
    small.refused(&["keys", "--deleted", "--filter", "value~for"], 2, &["deleted keys have no value", "history"]);
}

/// Every value of a large case is found by a part of it.
#[test]
fn values_are_searched_where_they_are() {
    let path = case::named("3.7-cluster").path();
    let keys = |words: &[&str]| {
        let output = cli::run(&[&["keys", path.to_str().unwrap()], words].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let export = cli::run(&["export", path.to_str().unwrap(), "--show-secrets"]).stdout;
    let rows = lines(&String::from_utf8(export).unwrap());
    let has = |row: &&Value| row["value"].as_str().is_some_and(|value| value.contains("shop"));
    let expected: Vec<_> = rows.iter().filter(has).map(|row| row["key"].as_str().unwrap().to_owned()).collect();
    assert!(!expected.is_empty() && expected.len() < rows.len());
    let found = keys(&["--show-secrets", "--filter", "value~shop"]);
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
    assert_eq!(keys(&["--show-secrets", "--filter", "value!~shop"]).lines().count(), rows.len() - expected.len());
}

#[test]
fn a_value_is_printed_as_it_is_asked_for() {
    let small = Small::new();
    let pod = "/registry/pods/default/web";
    assert_eq!(small.said(&["get", pod]), format!("{pod}\n{{\"kind\":\"Pod\",\"v\":2}}\n"));
    assert_eq!(small.said(&["get", pod, "--rev", "5", "--print-value-only"]), "{\"kind\":\"Pod\"}\n");
    assert_eq!(small.said(&["get", "with space", "--raw"]), "two\nlines");
    assert_eq!(small.said(&["get", "\"\\xff\\x00raw\"", "--print-value-only"]), "\\x00\\x01\\x02\n");
    assert_eq!(small.said(&["get", "\"\\xff\\x00raw\"", "--hex"]), "\\xff\\x00\\x72\\x61\\x77\n\\x00\\x01\\x02\n");
    assert_eq!(small.run(&["get", "\"\\xff\\x00raw\"", "--raw"]).stdout, [0, 1, 2]);
    let json = &lines(&small.said(&["get", "\"\\xff\\x00raw\"", "-w", "json"]))[0];
    assert_eq!((&json["keyBase64"], &json["value"]), (&"/wByYXc=".into(), &"\0\u{1}\u{2}".into()));
    small.refused(&["get", "gone"], 1, &["was deleted at revision 8", "history"]);
    assert_eq!(small.said(&["get", "gone", "--rev", "7", "--raw"]), "for a while");
    small.refused(&["get", "/registry/"], 1, &["there is no key /registry/", "begin so: etcdsnap keys"]);
    small.refused(&["get", "nothing"], 1, &["there is no key nothing"]);
    small.refused(&["history", "nothing"], 1, &["nothing is known of a key nothing"]);
}

#[test]
fn secrets_are_hidden_until_asked_for() {
    let small = Small::new();
    let secret = "/registry/secrets/default/token";
    small.refused(&["get", secret], 2, &["a secret of 7 bytes", "--show-secrets"]);
    small.refused(&["get", secret, "--raw"], 2, &["--show-secrets"]);
    for words in [
        &["get", secret, "-w", "table"][..],
        &["get", secret, "-w", "json"],
        &["history", secret, "--values"],
        &["history", secret, "--values", "-w", "json"],
        &["diff", "--rev-a", "1", "--values"],
        &["diff", "--rev-a", "1", "--values", "-w", "json"],
    ] {
        let hidden = small.run(words);
        let text = String::from_utf8_lossy(&hidden.stdout).into_owned();
        assert!(text.contains("hidden") && !text.contains("hunter2"), "{words:?}: {text}");
        let shown = small.run(&[words, &["--show-secrets"]].concat());
        assert!(String::from_utf8_lossy(&shown.stdout).contains("hunter2"), "{words:?}");
    }
    let auth = case::named("3.7-history").path();
    let auth = auth.to_str().unwrap();
    for form in ["simple", "json"] {
        let hidden = String::from_utf8(cli::run(&["auth", auth, "-w", form]).stdout).unwrap();
        assert!(hidden.contains("alice") && !hidden.contains("$2a$"), "{hidden}");
        let shown = String::from_utf8(cli::run(&["auth", auth, "-w", form, "--show-secrets"]).stdout).unwrap();
        assert!(shown.contains("$2a$"), "{shown}");
    }
}

#[test]
fn history_tells_what_became_of_a_key() {
    let small = Small::new();
    let events = |key| {
        let json = lines(&small.said(&["history", key, "-w", "json"]));
        json.iter()
            .map(|event| (event["revision"].as_i64().unwrap(), event["event"].as_str().unwrap().to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(events("gone"), [(7, "create".to_owned()), (8, "delete".to_owned())]);
    assert_eq!(events("/registry/pods/default/web"), [(3, "create".to_owned()), (6, "put".to_owned())]);
    let table = small.said(&["history", "with space", "--values"]);
    assert!(table.contains("7f3a") && table.contains("two"), "{table}");
}

#[test]
fn a_difference_is_exit_code_1() {
    let small = Small::new();
    let output = small.run(&["diff", "--rev-a", "4"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let signs: Vec<_> = text.lines().map(|line| &line[..1]).collect();
    assert_eq!(signs, ["~", "+"], "{text}");
    assert!(text.starts_with("~ /registry/pods/default/web  (revision 3, 14 bytes → revision 6, 20 bytes)"), "{text}");
    let itself = small.file.to_str().unwrap().to_owned();
    assert_eq!(small.said(&["diff", &itself]), "");
    small.refused(&["diff"], 2, &["--rev-a"]);
    let part = small.run(&["diff", "--rev-a", "4", "--from", "/registry/q", "--to", "x"]);
    assert_eq!(String::from_utf8(part.stdout).unwrap().lines().map(|line| &line[..1]).collect::<Vec<_>>(), ["+"]);
    let json =
        lines(&String::from_utf8(small.run(&["diff", "--rev-a", "4", "-w", "json", "--values"]).stdout).unwrap());
    assert_eq!((&json[0]["change"], &json[0]["b"]["value"]), (&"changed".into(), &"{\"kind\":\"Pod\",\"v\":2}".into()));
    let two = case::named("3.7-history").path();
    assert_eq!(small.run(&["diff", two.to_str().unwrap(), "--prefix", "/nothing"]).status.code(), Some(0));
}

#[test]
fn usage_adds_up() {
    let path = case::named("3.7-cluster").path();
    let output = cli::run(&["usage", path.to_str().unwrap(), "-w", "json", "--depth", "3"]);
    let json = lines(&String::from_utf8(output.stdout).unwrap());
    let of = |kind: &str| json.iter().filter(|line| line["kind"] == kind).cloned().collect::<Vec<_>>();
    let total = &of("total")[0];
    for field in ["keys", "revisions", "tombstones", "liveBytes", "historyBytes", "deletedKeys"] {
        let sum: u64 = of("prefix").iter().map(|group| group[field].as_u64().unwrap()).sum();
        assert_eq!(sum, total[field].as_u64().unwrap(), "{field}");
    }
    // What status counts in another way.
    let status = etcdsnap::status(&path).unwrap().status.unwrap();
    assert_eq!(total["keys"].as_u64().unwrap(), status.total_key);
    assert_eq!(total["revisions"].as_u64().unwrap(), status.revisions);
    assert_eq!(total["tombstones"].as_u64().unwrap(), status.tombstones);
    assert_eq!(of("database")[0]["bytes"].as_u64().unwrap(), status.total_size);
    // Two halves are the whole.
    let half = |flag: &str| {
        let output = cli::run(&["usage", path.to_str().unwrap(), "-w", "json", flag, "/registry/pods/"]);
        lines(&String::from_utf8(output.stdout).unwrap())[0]["keys"].as_u64().unwrap()
    };
    assert_eq!(half("--from") + half("--to"), total["keys"].as_u64().unwrap());
    let text =
        String::from_utf8(cli::run(&["usage", path.to_str().unwrap(), "/registry/", "--depth", "1"]).stdout).unwrap();
    assert!(text.contains("/registry/pods/") && text.contains("MOST REWRITTEN KEYS"), "{text}");
}

/// Each way to sum up has all keys in it; the sums by resource and namespace are those of the folders.
#[test]
fn usage_by_what_kubernetes_keeps() {
    let path = case::named("3.7-cluster").path();
    let file = path.to_str().unwrap();
    let said = |words: &[&str]| String::from_utf8(cli::run(&[&["usage", file], words].concat()).stdout).unwrap();
    let all = lines(&said(&["-w", "json"]))[0].clone();
    for (by, kind) in
        [("resource", "resource"), ("namespace", "namespace"), ("resource-namespace", "resource and namespace")]
    {
        let json = lines(&said(&["-w", "json", "--by", by]));
        let groups: Vec<_> = json.iter().filter(|line| line["kind"] == kind).collect();
        for field in ["keys", "revisions", "liveBytes", "historyBytes"] {
            let sum: u64 = groups.iter().map(|group| group[field].as_u64().unwrap()).sum();
            assert_eq!(sum, all[field].as_u64().unwrap(), "{by} {field}");
        }
        match by {
            "resource" => {
                let nodes = groups.iter().find(|group| group["resource"] == "nodes").unwrap();
                assert_eq!((&nodes["keys"], &nodes["group"]), (&5.into(), &"".into()));
            }
            "namespace" => assert!(groups.iter().any(|group| group["namespace"] == "" && group["keys"] == 11)),
            _ => {
                let pods = groups.iter().find(|group| group["resource"] == "pods" && group["namespace"] == "shop");
                assert_eq!(pods.unwrap()["keys"], 10);
            }
        }
    }
    assert!(said(&["--by", "resource-namespace"]).contains("pods shop"));
    assert!(said(&["--by", "namespace"]).contains("(cluster)"));
    let elsewhere = said(&["--by", "resource", "--etcd-prefix", "/prod"]);
    assert!(elsewhere.contains("(no object)") && !elsewhere.contains("nodes"), "{elsewhere}");
}

/// Buckets and pages are those of status; an older revision has the bytes that its keys had.
#[test]
fn usage_of_buckets_and_of_an_older_revision() {
    let path = case::named("3.7-history").path();
    let file = path.to_str().unwrap();
    let said = |words: &[&str]| String::from_utf8(cli::run(&[&["usage", file], words].concat()).stdout).unwrap();
    let status = etcdsnap::status(&path).unwrap().status.unwrap();
    let json = lines(&said(&["-w", "json", "--buckets"]));
    let buckets: Vec<_> = json.iter().filter(|line| line["kind"] == "bucket").collect();
    assert_eq!(buckets.len(), status.buckets.len());
    for (line, bucket) in buckets.iter().zip(&status.buckets) {
        let told = (line["name"].as_str().unwrap(), line["bytes"].as_u64().unwrap(), line["pages"].as_u64().unwrap());
        assert_eq!(told, (bucket.name.as_str(), bucket.bytes, bucket.pages));
    }
    let pages = json.iter().find(|line| line["kind"] == "pages").unwrap();
    assert_eq!(pages["freePages"].as_u64().unwrap(), status.free_pages);
    let text = said(&["--buckets"]);
    assert!(text.contains("BUCKET") && text.contains("(free)") && text.contains(" %"), "{text}");

    let latest = lines(&said(&["-w", "json"]))[0].clone();
    assert!(latest["revisions"].as_u64().unwrap() > 10 && !said(&[]).contains("BUCKET"));
    let rev = (status.revision.get() - 5).to_string();
    let older = lines(&said(&["-w", "json", "--rev", &rev]))[0].clone();
    let keys = lines(&String::from_utf8(cli::run(&["keys", file, "-w", "json", "--rev", &rev]).stdout).unwrap());
    assert_eq!(older["keys"].as_u64().unwrap(), keys.len() as u64);
    assert!(older["revisions"].as_u64() < latest["revisions"].as_u64());
    assert_eq!(cli::run(&["usage", file, "--rev", "999999999"]).status.code(), Some(2));
}

#[test]
fn small_buckets_are_printed() {
    let path = case::named("3.7-cluster").path();
    let path = path.to_str().unwrap();
    let said = |words: &[&str]| String::from_utf8(cli::run(words).stdout).unwrap();
    let members = lines(&said(&["members", path, "-w", "json"]));
    let roles: Vec<_> = members.iter().map(|member| member["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["member", "learner", "member", "member", "removed"]);
    assert!(said(&["members", path]).contains("member-2"));
    let meta = lines(&said(&["meta", path, "-w", "json"]));
    let of = |key: &str| meta.iter().find(|mark| mark["key"] == key).unwrap()["value"].as_str().unwrap().to_owned();
    assert_eq!((of("storageVersion").as_str(), of("clusterVersion").as_str()), ("3.7.0", "3.7.0"));
    assert!(of("consistent_index").parse::<u64>().unwrap() > 400);
    assert!(said(&["leases", path]).contains("TTL"));
    assert_eq!(said(&["alarms", path, "-w", "json"]), "");
}

#[test]
fn compressed_files_and_streams_are_looked_into() {
    let small = Small::new();
    let packed = small.folder.path().join("small.db.gz");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&small.bytes).unwrap();
    fs::write(&packed, encoder.finish().unwrap()).unwrap();
    let plain = small.said(&["keys", "--long"]);
    let unpacked = cli::run(&["keys", packed.to_str().unwrap(), "--long"]);
    assert_eq!(String::from_utf8(unpacked.stdout).unwrap(), plain);
    let piped = cli::run_with_input(&["keys", "-", "--long"], &small.bytes);
    assert_eq!(String::from_utf8(piped.stdout).unwrap(), plain);
}

#[test]
fn what_damage_hides_is_told() {
    let path = case::named("3.7-history").path();
    let bytes = fs::read(&path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("damaged.db");
    let run = |words: &[&str]| cli::run(&[&[words[0], file.to_str().unwrap()], &words[1..]].concat());
    // A leaf of bucket `key` that says it is something else.
    let mut damaged = File::new(bytes);
    let leaf = damaged.entries("key").last().expect("entries").page;
    damaged.put_u16(leaf as usize * 4096 + 8, 0x40);
    fs::write(&file, &damaged.bytes).unwrap();
    let whole = cli::run(&["keys", path.to_str().unwrap()]).stdout;
    let output = run(&["keys"]);
    assert_eq!(output.status.code(), Some(1));
    // Fewer keys, or more: those whose deletion is hidden.
    assert!(!output.stdout.is_empty() && output.stdout != whole);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("damaged") && text.contains("1 place") && text.contains("etcdsnap verify"), "{text}");
    // Half a hash is no hash, in whichever form.
    for form in ["simple", "json", "table", "fields"] {
        let output = run(&["hashkv", "-w", form]);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        for word in ["no hash of", "1 place could not be read", "page-type", "etcdsnap verify"] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
    // What is not found may be lost; what a compaction would leave cannot be told.
    for words in [&["get", "nothing"][..], &["history", "nothing"]] {
        let output = run(words);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && text.contains("may be among what is lost"), "{text}");
    }
    let usage = String::from_utf8(run(&["usage"]).stdout).unwrap();
    assert!(usage.contains("of entries") && !usage.contains("would leave"), "{usage}");
    // No snapshot at all.
    fs::write(&file, "<html>502 Bad Gateway</html>").unwrap();
    for words in [&["keys"][..], &["get", "x"], &["members"], &["hashkv"], &["usage"]] {
        let output = run(words);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {text}");
        assert!(text.contains("is no snapshot"), "{text}");
    }
    let output = cli::run(&["keys", "/nowhere/at/all"]);
    assert_eq!(output.status.code(), Some(2));
}

/// Every command prints in every form, or says why not.
#[test]
fn forms_are_kept_or_refused() {
    let small = Small::new();
    let itself = small.file.to_str().unwrap().to_owned();
    let pod = "/registry/pods/default/web";
    let commands: [&[&str]; 10] = [
        &["keys"],
        &["get", pod],
        &["history", pod, "--values"],
        &["diff", &itself, "--rev-a", "4"],
        &["usage"],
        &["hashkv"],
        &["members"],
        &["leases"],
        &["auth"],
        &["meta"],
    ];
    for words in commands {
        let said = |form: &str| {
            let output = small.run(&[words, &["-w", form]].concat());
            assert_eq!(output.status.code(), Some(i32::from(words[0] == "diff")), "{words:?} {form}: {output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        assert!(said("table").contains('│') && !said("simple").contains('│'), "{words:?}");
        lines(&said("json"));
    }
    let table = small.said(&["get", pod, "-w", "table"]);
    for cell in ["VALUE", "CREATE", pod, "{\"kind\":\"Pod\",\"v\":2}"] {
        assert!(table.contains(cell), "{cell}: {table}");
    }
    assert!(small.said(&["get", "\"\\xff\\x00raw\"", "-w", "table", "--hex"]).contains("\\x00\\x01\\x02"));
    small.refused(&["diff", "--rev-a", "4", "--values", "-w", "table"], 2, &["--values", "-w simple"]);
    for (form, flag) in [("json", "--raw"), ("table", "--raw"), ("json", "--hex"), ("table", "--print-value-only")] {
        small.refused(&["get", pod, "-w", form, flag], 2, &[flag, &format!("-w {form}"), "Leave one"]);
    }
}

/// No form prints a number of a file that has none.
#[test]
fn where_nothing_can_be_read_there_are_no_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let file = path.to_str().unwrap();
    let good = fs::read(case::named("3.7-cluster").path()).unwrap();
    let mut garbage = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    garbage.write_all(&good.iter().map(|byte| byte ^ 0x5a).collect::<Vec<_>>()).unwrap();
    let without_root = [&good[..8192], &vec![0; good.len() - 8192]].concat();
    let files = [
        ("garbage", garbage.finish().unwrap()),
        ("HTML", b"<html>502 Bad Gateway</html>".to_vec()),
        ("empty", Vec::new()),
        ("zeros", vec![0; 100_000]),
        ("one meta", good[..300].to_vec()),
        ("no root", without_root),
    ];
    for (name, bytes) in files {
        fs::write(&path, bytes).unwrap();
        for command in ["status", "verify"] {
            let text = cli::run(&[command, file]);
            assert_eq!((text.status.code(), text.stderr.as_slice()), (Some(1), &b""[..]), "{name}");
            let text = String::from_utf8(text.stdout).unwrap();
            for label in ["hash", "revision", "keys", "contents"] {
                let labelled = |line: &str| line.split_whitespace().next() == Some(label);
                assert!(!text.lines().any(labelled), "{name} {command}: {label} in {text}");
            }
        }
        let json = cli::json(&cli::run(&["verify", "-w", "json", file]));
        assert!(
            json["status"].is_null() && json["sha256"].is_object() && json["findings"].is_array(),
            "{name}: {json}"
        );
        let json = cli::json(&cli::run(&["status", "-w", "json", file]));
        assert!(json["revision"].is_null() && json["hash"].is_null() && json["verdict"] == "damaged", "{name}: {json}");
        for form in ["simple", "table", "fields"] {
            let output = cli::run(&["status", "-w", form, file]);
            assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]), "{name} {form}");
            assert!(String::from_utf8_lossy(&output.stderr).contains("is no snapshot that can be read"), "{output:?}");
        }
    }
    // The small buckets are there, the keys are not: their numbers are unknown, and so is the hash.
    fs::write(&path, &good[..40_960]).unwrap();
    let text = String::from_utf8(cli::run(&["status", file]).stdout).unwrap();
    assert!(text.contains("members") && text.contains("no entry of bucket key can be read"), "{text}");
    assert!(!text.contains("hash ") && !text.contains(" alive"), "{text}");
    let text = String::from_utf8(cli::run(&["verify", file]).stdout).unwrap();
    assert!(text.contains("no entry of bucket key can be read") && !text.contains("revision 0"), "{text}");
    let output = cli::run(&["status", "-w", "simple", file]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
    assert!(String::from_utf8_lossy(&output.stderr).contains("part of it cannot be read"), "{output:?}");
}

#[test]
fn standard_input_is_read_once() {
    let small = Small::new();
    for words in [&["verify", "-", "-"][..], &["status", "-", "-", "-w", "json"], &["diff", "-", "-"]] {
        let output = cli::run_with_input(words, &small.bytes);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{words:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("standard input can be read once"), "{output:?}");
    }
    // Two revisions of one stream need it once.
    let output = cli::run_with_input(&["diff", "-", "--rev-a", "4"], &small.bytes);
    assert_eq!(output.stdout, small.run(&["diff", "--rev-a", "4"]).stdout);
    assert_eq!(output.status.code(), Some(1));
}
