//! The commands that inspect a snapshot, over damaged and unreadable files, in every format.

use std::fs;
use std::io::Write;

use etcdsnap_tests::read::File;
use etcdsnap_tests::small_snapshot::{SmallSnapshot, lines};
use etcdsnap_tests::{case, cli};

#[test]
fn unreadable_entries_are_reported() {
    let path = case::named("3.7-history").path();
    let bytes = fs::read(&path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("damaged.db");
    let run = |words: &[&str]| cli::run(&[&[words[0], file.to_str().unwrap()], &words[1..]].concat());
    // A leaf of bucket `key` that claims to be another kind of page.
    let mut damaged = File::new(bytes);
    let leaf = damaged.entries("key").last().expect("entries").page;
    damaged.put_u16(leaf as usize * 4096 + 8, 0x40);
    fs::write(&file, &damaged.bytes).unwrap();
    let whole = cli::run(&["keys", path.to_str().unwrap()]).stdout;
    let output = run(&["keys"]);
    assert_eq!(output.status.code(), Some(1));
    // There may be fewer keys, or more: keys whose deletion cannot be read.
    assert!(!output.stdout.is_empty() && output.stdout != whole);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("damaged") && text.contains("1 place") && text.contains("etcdsnap verify"), "{text}");
    // A hash of only some entries is useless, in any format.
    for form in ["simple", "json", "table", "fields"] {
        let output = run(&["hashkv", "-w", form]);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        for word in ["No hash of", "1 place could not be read", "page-type", "etcdsnap verify"] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
    // A key that is not found may be lost; the effect of a compaction is unknown.
    for words in [&["get", "nothing"][..], &["history", "nothing"]] {
        let output = run(words);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && text.contains("may be in the damaged part"), "{text}");
    }
    let usage = String::from_utf8(run(&["usage"]).stdout).unwrap();
    assert!(usage.contains("of entries") && !usage.contains("would leave"), "{usage}");
    // Not a snapshot.
    fs::write(&file, "<html>502 Bad Gateway</html>").unwrap();
    for words in [&["keys"][..], &["get", "x"], &["members"], &["hashkv"], &["usage"]] {
        let output = run(words);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {text}");
        assert!(text.contains("is not a readable snapshot"), "{text}");
    }
    let output = cli::run(&["keys", "/nowhere/at/all"]);
    assert_eq!(output.status.code(), Some(2));
}

/// Every command prints in every format, or gives a reason why it cannot.
#[test]
fn every_command_prints_every_format_or_refuses_it() {
    let small = SmallSnapshot::new();
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
        let printed = |form: &str| {
            let output = small.run(&[words, &["-w", form]].concat());
            assert_eq!(output.status.code(), Some(i32::from(words[0] == "diff")), "{words:?} {form}: {output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        assert!(printed("table").contains('│') && !printed("simple").contains('│'), "{words:?}");
        lines(&printed("json"));
    }
    let table = small.output_of(&["get", pod, "-w", "table"]);
    for cell in ["VALUE", "CREATE", pod, "{\"kind\":\"Pod\",\"v\":2}"] {
        assert!(table.contains(cell), "{cell}: {table}");
    }
    assert!(small.output_of(&["get", "\"\\xff\\x00raw\"", "-w", "table", "--hex"]).contains("\\x00\\x01\\x02"));
    small.assert_refused(&["diff", "--rev-a", "4", "--values", "-w", "table"], 2, &["--values", "-w simple"]);
    for (form, flag) in [("json", "--raw"), ("table", "--raw"), ("json", "--hex"), ("table", "--print-value-only")] {
        small.assert_refused(&["get", pod, "-w", form, flag], 2, &[flag, &format!("-w {form}"), "Leave one"]);
    }
}

/// No format prints numbers for a file that has none.
#[test]
fn no_numbers_are_printed_for_unreadable_files() {
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
            assert!(String::from_utf8_lossy(&output.stderr).contains("is not a readable snapshot"), "{output:?}");
        }
    }
    // The small buckets are readable, the keys are not: their numbers are unknown, and so is the hash.
    fs::write(&path, &good[..40_960]).unwrap();
    let text = String::from_utf8(cli::run(&["status", file]).stdout).unwrap();
    assert!(text.contains("members") && text.contains("no entry of bucket key can be read"), "{text}");
    assert!(!text.contains("hash ") && !text.contains(" live"), "{text}");
    let text = String::from_utf8(cli::run(&["verify", file]).stdout).unwrap();
    assert!(text.contains("no entry of bucket key can be read") && !text.contains("revision 0"), "{text}");
    let output = cli::run(&["status", "-w", "simple", file]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
    assert!(String::from_utf8_lossy(&output.stderr).contains("part of it cannot be read"), "{output:?}");
}
