//! `restore` reports what the new cluster inherits: alarms, leases, an empty store, and which etcd can start on it. `verify` reports the same for a packed file and a stream as for a plain file.

use std::path::Path;

use etcdsnap_tests::archives::gzip;
use etcdsnap_tests::damage::{self, Trailer};
use etcdsnap_tests::{case, cli};
use serde_json::{Value, json};

/// Applies a named change to the recorded snapshot of 3.7, which has leases.
fn changed(name: &str) -> Vec<u8> {
    let base = case::named("3.7-history").bytes();
    let damage = damage::all().into_iter().find(|damage| damage.name == name).unwrap_or_else(|| panic!("{name}"));
    let changed = damage.apply(&base).into_iter().find(|file| file.trailer == Trailer::Right);
    changed.expect("a changed file").file
}

/// Restores these bytes, and returns the report as JSON and as text in one line; the second run writes the directory.
fn restored(bytes: &[u8], flags: &[&str]) -> (Value, String) {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("snapshot");
    std::fs::write(&path, bytes).expect("a file");
    let run = |more: &[&str]| {
        let (path, data) = (path.to_str().expect("text"), folder.path().join("data"));
        let words = [&["restore", path, "--data-dir", data.to_str().expect("text")][..], flags, more].concat();
        let output = cli::run(&words);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
    };
    let json = cli::json(&run(&["--dry-run", "-w", "json"]));
    let text = String::from_utf8(run(&[]).stdout).expect("text");
    (json, text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn a_healthy_snapshot_has_few_notes() {
    let (json, text) = restored(&case::named("3.7-history").bytes(), &[]);
    assert_eq!((&json["oldestEtcd"], &json["alarms"], &json["empty"]), (&json!("3.7"), &json!([]), &json!(false)));
    assert_eq!(json["hasLeases"], json!(true));
    assert!(
        text.contains("etcd 3.7 or newer starts on it.") && text.contains("Each gets its full time to live again"),
        "{text}"
    );
    assert!(!text.contains("alarm") && !text.contains("empty"), "{text}");
    let (json, text) = restored(&case::named("3.5-fresh").bytes(), &[]);
    assert_eq!((&json["oldestEtcd"], &json["hasLeases"]), (&json!("3.3"), &json!(false)));
    assert!(text.contains("etcd 3.3 or newer starts on it.") && !text.contains("leases"), "{text}");
}

#[test]
fn alarms_and_an_empty_store_are_reported() {
    for (name, alarm) in [("alarm_nospace", "NOSPACE"), ("alarm_corrupt", "CORRUPT")] {
        let plain = changed(name);
        for bytes in [gzip(&plain), plain] {
            let (json, text) = restored(&bytes, &[]);
            assert_eq!(json["alarms"], json!([alarm]), "{name}");
            assert!(text.contains(&format!("The alarm {alarm} was raised")) && text.contains("alarm disarm"), "{text}");
        }
    }
    for flags in [&[][..], &["--verify", "none"]] {
        let (json, text) = restored(&changed("store_empty"), flags);
        assert_eq!((&json["empty"], &json["hasLeases"]), (&json!(true), &json!(false)));
        assert!(text.contains("The store is empty"), "{text}");
    }
}

/// A file on which etcd does not start, or serves other users, is refused without --force.
#[test]
fn a_file_on_which_etcd_does_not_start_is_refused() {
    let folder = tempfile::tempdir().expect("a directory");
    for name in ["auth_on_key_auth_enabled_misspelt", "cluster_version_of_a_later_minor", "auth_on_without_user_root"] {
        let path = folder.path().join(name);
        std::fs::write(&path, changed(name)).expect("a file");
        let path = path.to_str().expect("text");
        let words = ["restore", path, "--data-dir", "never", "--dry-run"];
        assert_eq!(cli::run(&words).status.code(), Some(1), "{name}");
        assert!(cli::run(&[&words[..], &["--force"]].concat()).status.success(), "{name}");
        let structure = cli::run(&[&words[..], &["--verify", "structure"]].concat());
        assert!(structure.status.success(), "{name}");
        assert!(!Path::new("never").exists());
    }
}

/// A damaged database that is restored with --force is called damaged; of a truncated one, which cannot be restored, the advice is a salvage.
#[test]
fn a_damaged_database_is_restored_with_a_warning() {
    let bytes = changed("auth_on_without_user_root");
    let (json, text) = restored(&bytes, &["--force"]);
    assert!(json["isDamaged"] == true && text.contains("The database is damaged (--force)"), "{text}");
    let (json, text) = restored(&case::named("3.7-history").bytes(), &["--force"]);
    assert!(json.get("isDamaged").is_none() && !text.contains("is damaged"), "{text}");

    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("truncated.db");
    std::fs::write(&path, &bytes[..bytes.len() * 2 / 3]).expect("a file");
    let target = folder.path().join("data");
    let words = ["restore", cli::text(&path), "--skip-hash-check", "--data-dir", cli::text(&target)];
    let refused = cli::run(&words);
    let message = cli::printed(&refused).replace("\n  ", " ");
    assert!(refused.status.code() == Some(1) && message.contains("etcdsnap salvage"), "{message}");
    assert!(!target.exists());
}

#[test]
fn packed_files_and_streams_get_the_same_verdict() {
    let folder = tempfile::tempdir().expect("a directory");
    for damage in damage::of_what_etcd_starts_from().iter().step_by(7) {
        let bytes = changed(damage.name);
        let verdict = |path: &str, bytes: &[u8]| {
            let file = folder.path().join(path);
            std::fs::write(&file, bytes).expect("a file");
            let printed = cli::json(&cli::run(&["verify", "-w", "json", file.to_str().expect("text")]));
            (printed["verdict"].clone(), printed["findings"].clone())
        };
        let plain = verdict("plain.db", &bytes);
        assert_eq!(verdict("packed.db.gz", &gzip(&bytes)), plain, "{}", damage.name);
        for input in [bytes.clone(), gzip(&bytes)] {
            let printed = cli::json(&cli::run_with_input(&["verify", "-w", "json", "-"], &input));
            assert_eq!((printed["verdict"].clone(), printed["findings"].clone()), plain, "{}", damage.name);
        }
    }
}
