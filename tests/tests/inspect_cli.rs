//! The commands that inspect a snapshot, as a person or a script uses them.

use std::fs;
use std::io::Write;

use etcdsnap_tests::small_snapshot::{SmallSnapshot, lines};
use etcdsnap_tests::{case, cli};
use serde_json::Value;

#[test]
fn keys_are_listed_and_filtered() {
    let small = SmallSnapshot::new();
    let all = ["/registry/pods/default/web", "/registry/secrets/default/token", "\"with space\"", "\"\\xff\\x00raw\""];
    assert_eq!(small.output_of(&["keys"]).lines().collect::<Vec<_>>(), all);
    assert_eq!(small.output_of(&["keys", "/registry/"]).lines().collect::<Vec<_>>(), &all[..2]);
    assert_eq!(small.output_of(&["keys", "\"\\xff\""]).lines().collect::<Vec<_>>(), &all[3..]);
    assert_eq!(
        small.output_of(&["keys", "--from", "/registry/s", "--limit", "2"]).lines().collect::<Vec<_>>(),
        &all[1..3]
    );
    assert_eq!(small.output_of(&["keys", "--to", "with space"]).lines().collect::<Vec<_>>(), &all[..2]);
    assert_eq!(
        small.output_of(&["keys", "--from", all[1], "--to", "\"\\xff\""]).lines().collect::<Vec<_>>(),
        &all[1..3]
    );
    assert_eq!(small.output_of(&["keys", "/registry/", "--to", "zz"]).lines().collect::<Vec<_>>(), &all[..2]);
    small.assert_refused(&["keys", "--from", "b", "--to", "a"], 2, &["No key lies between --from b and --to a"]);
    assert_eq!(small.output_of(&["keys", "--rev", "3"]).lines().collect::<Vec<_>>(), &all[..2]);
    assert_eq!(small.output_of(&["keys", "--deleted"]), "gone\n");
    assert_eq!(small.output_of(&["keys", "--filter", "version>1"]), "/registry/pods/default/web\n");
    assert_eq!(small.output_of(&["keys", "--filter", "lease=7f3a"]), "\"with space\"\n");
    assert_eq!(small.output_of(&["keys", "--filter", "size<5", "--filter", "key!~pods"]), "\"\\xff\\x00raw\"\n");
    assert_eq!(
        small.output_of(&["keys", "/registry/pods/", "--long"]).split_whitespace().collect::<Vec<_>>(),
        ["6", "3", "2", "20", "-", "/registry/pods/default/web"]
    );
    assert_eq!(
        small.output_of(&["keys", "--deleted", "--long"]).split_whitespace().collect::<Vec<_>>(),
        ["8", "-", "-", "-", "-", "gone"]
    );
    let table = small.output_of(&["keys", "-w", "table", "--long"]);
    assert!(table.starts_with('┌') && table.contains("LEASE") && table.contains("7f3a"), "{table}");
    let json = lines(&small.output_of(&["keys", "-w", "json"]));
    assert_eq!(json[3]["keyBase64"], "/wByYXc=");
    assert_eq!(json[2]["key"], "with space");
    assert_eq!((&json[0]["modRevision"], &json[0]["createRevision"]), (&6.into(), &3.into()));
    assert_eq!(small.output_of(&["keys", "--filter", "size>0.019kB"]), "/registry/pods/default/web\n");
    small.assert_refused(&["keys", "--filter", "colour=red"], 2, &["--filter", "size>100kB"]);
    small.assert_refused(&["keys", "--filter", "size ~ x"], 2, &["size is a number and takes =", "size>100kB"]);
    small.assert_refused(&["keys", "--limit", "0"], 2, &["of at least 1"]);
    small.assert_refused(
        &["keys", "--rev", "99"],
        2,
        &["Revision 99", "Revision 99 is later than the latest in this snapshot, 8"],
    );
}

#[test]
fn keys_are_filtered_by_their_values() {
    let small = SmallSnapshot::new();
    let found =
        |condition: &str, rev: &str| small.output_of(&["keys", "--show-secrets", "--filter", condition, "--rev", rev]);
    // Hidden values are not searched, whatever the query.
    let hidden = small.run(&["keys", "--filter", "value~hunter"]);
    assert_eq!((hidden.status.code(), hidden.stdout.as_slice()), (Some(0), &b""[..]), "{hidden:?}");
    assert!(String::from_utf8_lossy(&hidden.stderr).contains("1 key is a secret and was not searched"), "{hidden:?}");
    assert_eq!(found("value~\"v\"", "0"), "/registry/pods/default/web\n");
    assert_eq!(found("value~kind", "0"), "/registry/pods/default/web\n");
    // The value at that revision, not a newer one.
    let older = small.run(&["keys", "--show-secrets", "--filter", "value~\"\\\"v\\\"\"", "--rev", "5"]);
    assert_eq!((older.status.code(), older.stdout.as_slice()), (Some(0), &b""[..]), "{older:?}");
    assert_eq!(found("value~\"\\x01\\x02\"", "0"), "\"\\xff\\x00raw\"\n");
    assert_eq!(found("value~for a while", "7"), "gone\n");
    let others = found("value!~kind", "0");
    assert_eq!(others.lines().count(), 3);
    let secret = found("value~hunter", "0");
    assert!(secret.contains("/secrets/") && !secret.contains("hunter"), "a secret's value: {secret}");
    let limited = small.output_of(&[
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
    small.assert_refused(
        &["keys", "--deleted", "--filter", "value~for"],
        2,
        &["Deleted keys have no value", "history"],
    );
}

/// Every value of a large case is found by a part of it.
#[test]
fn values_are_searched_in_large_files() {
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
fn a_value_is_printed_in_the_requested_format() {
    let small = SmallSnapshot::new();
    let pod = "/registry/pods/default/web";
    assert_eq!(small.output_of(&["get", pod]), format!("{pod}\n{{\"kind\":\"Pod\",\"v\":2}}\n"));
    assert_eq!(small.output_of(&["get", pod, "--rev", "5", "--print-value-only"]), "{\"kind\":\"Pod\"}\n");
    assert_eq!(small.output_of(&["get", "with space", "--raw"]), "two\nlines");
    assert_eq!(small.output_of(&["get", "\"\\xff\\x00raw\"", "--print-value-only"]), "\\x00\\x01\\x02\n");
    assert_eq!(small.output_of(&["get", "\"\\xff\\x00raw\"", "--hex"]), "\\xff\\x00\\x72\\x61\\x77\n\\x00\\x01\\x02\n");
    assert_eq!(small.run(&["get", "\"\\xff\\x00raw\"", "--raw"]).stdout, [0, 1, 2]);
    let json = &lines(&small.output_of(&["get", "\"\\xff\\x00raw\"", "-w", "json"]))[0];
    assert_eq!((&json["keyBase64"], &json["value"]), (&"/wByYXc=".into(), &"\0\u{1}\u{2}".into()));
    small.assert_refused(&["get", "gone"], 1, &["was deleted at revision 8", "history"]);
    assert_eq!(small.output_of(&["get", "gone", "--rev", "7", "--raw"]), "for a while");
    small.assert_refused(
        &["get", "/registry/"],
        1,
        &["There is no key /registry/", "keys start with /registry/: etcdsnap keys"],
    );
    for command in ["get", "history"] {
        small.assert_refused(&[command, "/registry"], 1, &["keys start with /registry/: etcdsnap keys"]);
        small.assert_refused(&[command, "/registry/po"], 1, &["1 key starts with /registry/po: etcdsnap keys"]);
    }
    small.assert_refused(&["get", "nothing"], 1, &["There is no key nothing"]);
    small.assert_refused(&["history", "nothing"], 1, &["has no revision of a key nothing"]);
}

#[test]
fn a_prefix_without_keys_is_reported() {
    let small = SmallSnapshot::new();
    for (words, said) in [
        (&["keys", "/registry/podz"][..], "No key starts with /registry/podz at revision "),
        (&["usage", "/registry/podz"], "No key starts with /registry/podz at revision "),
        (&["keys", "--filter", "size>1GB"], "No key meets the filter at revision "),
        (&["keys", "/registry/pods/", "--deleted"], "No key starts with /registry/pods/ and is deleted at revision "),
        (&["keys", "--from", "zzz", "--to", "zzzz"], "No key lies in the interval at revision "),
    ] {
        let output = small.run(words);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(etcdsnap_tests::cli::stderr(&output).contains(said), "{words:?}: {output:?}");
    }
    for words in [&["keys"][..], &["keys", "/registry/"], &["usage", "/registry/"]] {
        assert_eq!(etcdsnap_tests::cli::stderr(&small.run(words)), "", "{words:?}");
    }
}

#[test]
fn secrets_are_hidden_unless_requested() {
    let small = SmallSnapshot::new();
    let secret = "/registry/secrets/default/token";
    small.assert_refused(&["get", secret], 2, &["a secret of 7 bytes", "--show-secrets"]);
    small.assert_refused(&["get", secret, "--raw"], 2, &["--show-secrets"]);
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
fn history_lists_the_revisions_of_a_key() {
    let small = SmallSnapshot::new();
    let events = |key| {
        let json = lines(&small.output_of(&["history", key, "-w", "json"]));
        json.iter()
            .map(|event| (event["revision"].as_i64().unwrap(), event["event"].as_str().unwrap().to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(events("gone"), [(7, "create".to_owned()), (8, "delete".to_owned())]);
    assert_eq!(events("/registry/pods/default/web"), [(3, "create".to_owned()), (6, "put".to_owned())]);
    let table = small.output_of(&["history", "with space", "--values"]);
    assert!(table.contains("7f3a") && table.contains("two"), "{table}");
}

#[test]
fn a_difference_ends_with_exit_code_1() {
    let small = SmallSnapshot::new();
    let output = small.run(&["diff", "--rev-a", "4"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let signs: Vec<_> = text.lines().map(|line| &line[..1]).collect();
    assert_eq!(signs, ["~", "+"], "{text}");
    assert!(text.starts_with("~ /registry/pods/default/web  (revision 3, 14 bytes → revision 6, 20 bytes)"), "{text}");
    let itself = small.file.to_str().unwrap().to_owned();
    assert_eq!(small.output_of(&["diff", &itself]), "");
    small.assert_refused(&["diff"], 2, &["--rev-a"]);
    let part = small.run(&["diff", "--rev-a", "4", "--from", "/registry/q", "--to", "x"]);
    assert_eq!(String::from_utf8(part.stdout).unwrap().lines().map(|line| &line[..1]).collect::<Vec<_>>(), ["+"]);
    let json =
        lines(&String::from_utf8(small.run(&["diff", "--rev-a", "4", "-w", "json", "--values"]).stdout).unwrap());
    assert_eq!((&json[0]["change"], &json[0]["b"]["value"]), (&"changed".into(), &"{\"kind\":\"Pod\",\"v\":2}".into()));
    let two = case::named("3.7-history").path();
    assert_eq!(small.run(&["diff", two.to_str().unwrap(), "--prefix", "/nothing"]).status.code(), Some(0));
}

#[test]
fn usage_groups_add_up_to_the_total() {
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
    // Two halves make the whole.
    let half = |flag: &str| {
        let output = cli::run(&["usage", path.to_str().unwrap(), "-w", "json", flag, "/registry/pods/"]);
        lines(&String::from_utf8(output.stdout).unwrap())[0]["keys"].as_u64().unwrap()
    };
    assert_eq!(half("--from") + half("--to"), total["keys"].as_u64().unwrap());
    let text =
        String::from_utf8(cli::run(&["usage", path.to_str().unwrap(), "/registry/", "--depth", "1"]).stdout).unwrap();
    assert!(text.contains("/registry/pods/") && text.contains("MOST REWRITTEN KEYS"), "{text}");
}

/// Each way to group usage covers all keys; grouping by resource and namespace equals the folders.
#[test]
fn usage_by_kubernetes_resource_and_namespace() {
    let path = case::named("3.7-cluster").path();
    let file = path.to_str().unwrap();
    let printed = |words: &[&str]| String::from_utf8(cli::run(&[&["usage", file], words].concat()).stdout).unwrap();
    let all = lines(&printed(&["-w", "json"]))[0].clone();
    for (by, kind) in
        [("resource", "resource"), ("namespace", "namespace"), ("resource-namespace", "resource and namespace")]
    {
        let json = lines(&printed(&["-w", "json", "--by", by]));
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
    assert!(printed(&["--by", "resource-namespace"]).contains("pods shop"));
    assert!(printed(&["--by", "namespace"]).contains("(cluster)"));
    let elsewhere = printed(&["--by", "resource", "--etcd-prefix", "/prod"]);
    assert!(elsewhere.contains("(no object)") && !elsewhere.contains("nodes"), "{elsewhere}");
}

/// Buckets and pages equal those of status; an older revision has the bytes that its keys had then.
#[test]
fn usage_of_buckets_and_of_an_older_revision() {
    let path = case::named("3.7-history").path();
    let file = path.to_str().unwrap();
    let printed = |words: &[&str]| String::from_utf8(cli::run(&[&["usage", file], words].concat()).stdout).unwrap();
    let status = etcdsnap::status(&path).unwrap().status.unwrap();
    let json = lines(&printed(&["-w", "json", "--buckets"]));
    let buckets: Vec<_> = json.iter().filter(|line| line["kind"] == "bucket").collect();
    assert_eq!(buckets.len(), status.buckets.len());
    for (line, bucket) in buckets.iter().zip(&status.buckets) {
        let told = (line["name"].as_str().unwrap(), line["bytes"].as_u64().unwrap(), line["pages"].as_u64().unwrap());
        assert_eq!(told, (bucket.name.as_str(), bucket.bytes, bucket.pages));
    }
    let pages = json.iter().find(|line| line["kind"] == "pages").unwrap();
    assert_eq!(pages["freePages"].as_u64().unwrap(), status.free_pages);
    let text = printed(&["--buckets"]);
    assert!(text.contains("BUCKET") && text.contains("(free)") && text.contains(" %"), "{text}");

    let latest = lines(&printed(&["-w", "json"]))[0].clone();
    assert!(latest["revisions"].as_u64().unwrap() > 10 && !printed(&[]).contains("BUCKET"));
    let rev = (status.revision.get() - 5).to_string();
    let older = lines(&printed(&["-w", "json", "--rev", &rev]))[0].clone();
    let keys = lines(&String::from_utf8(cli::run(&["keys", file, "-w", "json", "--rev", &rev]).stdout).unwrap());
    assert_eq!(older["keys"].as_u64().unwrap(), keys.len() as u64);
    assert!(older["revisions"].as_u64() < latest["revisions"].as_u64());
    assert_eq!(cli::run(&["usage", file, "--rev", "999999999"]).status.code(), Some(2));
}

#[test]
fn small_buckets_are_printed() {
    let path = case::named("3.7-cluster").path();
    let path = path.to_str().unwrap();
    let printed = |words: &[&str]| String::from_utf8(cli::run(words).stdout).unwrap();
    let members = lines(&printed(&["members", path, "-w", "json"]));
    let roles: Vec<_> = members.iter().map(|member| member["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["member", "learner", "member", "member", "removed"]);
    assert!(printed(&["members", path]).contains("member-2"));
    let meta = lines(&printed(&["meta", path, "-w", "json"]));
    let of = |key: &str| meta.iter().find(|mark| mark["key"] == key).unwrap()["value"].as_str().unwrap().to_owned();
    assert_eq!((of("storageVersion").as_str(), of("clusterVersion").as_str()), ("3.7.0", "3.7.0"));
    assert!(of("consistent_index").parse::<u64>().unwrap() > 400);
    assert!(printed(&["leases", path]).contains("TTL"));
    assert_eq!(printed(&["alarms", path, "-w", "json"]), "");
}

#[test]
fn compressed_files_and_streams_can_be_inspected() {
    let small = SmallSnapshot::new();
    let packed = small.folder.path().join("small.db.gz");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&small.bytes).unwrap();
    fs::write(&packed, encoder.finish().unwrap()).unwrap();
    let plain = small.output_of(&["keys", "--long"]);
    let unpacked = cli::run(&["keys", packed.to_str().unwrap(), "--long"]);
    assert_eq!(String::from_utf8(unpacked.stdout).unwrap(), plain);
    let piped = cli::run_with_input(&["keys", "-", "--long"], &small.bytes);
    assert_eq!(String::from_utf8(piped.stdout).unwrap(), plain);
}

#[test]
fn standard_input_is_read_once() {
    let small = SmallSnapshot::new();
    for words in [&["verify", "-", "-"][..], &["status", "-", "-", "-w", "json"], &["diff", "-", "-"]] {
        let output = cli::run_with_input(words, &small.bytes);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{words:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("standard input can be read only once"), "{output:?}");
    }
    // Two revisions of one stream need a single read.
    let output = cli::run_with_input(&["diff", "-", "--rev-a", "4"], &small.bytes);
    assert_eq!(output.stdout, small.run(&["diff", "--rev-a", "4"]).stdout);
    assert_eq!(output.status.code(), Some(1));
}
