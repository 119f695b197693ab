//! Compressed files, including ones whose contents are not a snapshot: every command gives the same answer.

use etcdsnap_tests::archives::gzip;
use etcdsnap_tests::{cli, programs};
use tempfile::TempDir;

/// Files in `tests/packings`, with the exit code of `verify` and words of its message. The page's tests open the same files.
const FILES: [(&str, i32, &str); 4] = [
    ("pzstd.zst", 0, "sound"),
    ("skippable-last.zst", 0, "sound"),
    ("bzip2-method.zip", 2, "packed with bzip2"),
    ("page-progress-nan.db.gz", 1, "Bucket `key` is missing."),
];

#[test]
fn packings_that_once_failed_are_read() {
    for (name, code, words) in FILES {
        let path = programs::tests_dir().join("packings").join(name);
        let output = cli::run(&["verify", &path.to_string_lossy()]);
        let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(code), "{name}: {printed}");
        assert!(printed.contains(words), "{name}: {printed}");
        let keys = cli::run(&["keys", &path.to_string_lossy()]);
        assert_ne!(keys.status.code(), if code == 2 { Some(1) } else { Some(2) }, "{name}");
    }
}

/// A frame that needs an unavailable dictionary: not damage, and the same answer from every command.
#[test]
fn a_dictionary_is_not_called_damage() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("dictionary.zst");
    std::fs::write(&path, [0x28, 0xb5, 0x2f, 0xfd, 0x21, 7, 5, 0, 0, 0]).expect("a file");
    let (file, data) = (path.to_string_lossy(), directory.path().join("data"));
    let data = data.to_string_lossy();
    for command in
        [&["verify", &file][..], &["status", &file], &["keys", &file], &["restore", &file, "--data-dir", &data]]
    {
        let output = cli::run(command);
        let printed = String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(output.status.code(), Some(2), "{command:?}: {printed}");
        assert!(printed.contains("cannot be read here: it was compressed with a dictionary (number 7)"), "{printed}");
    }
}

/// Builds what `tar` writes for one small file: its header with `ustar` at 257, its bytes, and zeros.
fn tar() -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..11].copy_from_slice(b"snapshot.db");
    header[257..262].copy_from_slice(b"ustar");
    [header, vec![7; 512], vec![0; 1024]].concat()
}

#[test]
fn every_command_gives_the_same_answer_for_a_file_that_is_not_a_snapshot() {
    let directory = TempDir::new().expect("a directory");
    let files = [
        ("x.tar.gz", gzip(&tar()), "is a tar archive"),
        ("text.gz", gzip(b"some text\n"), "is text"),
        ("empty.gz", gzip(b""), "file is empty"),
        ("twice.gz", gzip(&gzip(b"x")), "is a gzip file"),
        ("page.db", b"<html></html>".to_vec(), "is an HTML page"),
    ];
    for (name, bytes, words) in files {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        let (file, data) = (path.to_string_lossy(), directory.path().join("data"));
        let data = data.to_string_lossy();
        let sound = programs::tests_dir().join("../samples/sample.db");
        let sound = sound.to_string_lossy();
        let commands: [&[&str]; 19] = [
            &["verify", &file],
            &["status", &file],
            &["snapshot", "status", &file],
            &["keys", &file],
            &["get", &file, "a"],
            &["history", &file, "a"],
            &["find", "a", &file],
            &["diff", &sound, &file],
            &["usage", &file],
            &["hashkv", &file],
            &["export", &file],
            &["members", &file],
            &["leases", &file],
            &["auth", &file],
            &["alarms", &file],
            &["meta", &file],
            &["restore", &file, "--data-dir", &data],
            &["restore", &file, "--data-dir", &data, "--skip-hash-check"],
            &["restore", &file, "--data-dir", &data, "--dry-run"],
        ];
        for command in commands {
            let output = cli::run(command);
            let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert_eq!(output.status.code(), Some(1), "{command:?}: {printed}");
            assert!(printed.contains(words), "{command:?}: {printed}");
            assert!(!printed.contains("--skip-hash-check"), "{command:?}: {printed}");
        }
        assert!(!directory.path().join("data").exists());
    }
}
