//! A snapshot of few keys, and the program run over it.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

use crate::build::puts;
use crate::cli;

/// A directory with a snapshot of few keys, some of them awkward.
pub struct SmallSnapshot {
    pub folder: tempfile::TempDir,
    pub file: PathBuf,
    pub bytes: Vec<u8>,
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

impl SmallSnapshot {
    pub fn new() -> Self {
        let bytes = puts::snapshot(PUTS);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("small.db");
        fs::write(&file, &bytes).unwrap();
        Self { folder, file, bytes }
    }

    pub fn run(&self, words: &[&str]) -> Output {
        let output = cli::run(&[&[words[0], self.file.to_str().unwrap()], &words[1..]].concat());
        assert_eq!(fs::read(&self.file).unwrap(), self.bytes, "{words:?} wrote to its input");
        output
    }

    /// Returns the output of a command that must succeed.
    pub fn output_of(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Asserts that a command fails with this exit code and these words on stderr, and prints nothing on stdout.
    pub fn assert_refused(&self, words: &[&str], code: i32, with: &[&str]) {
        let output = self.run(words);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(code), &b""[..]), "{words:?}: {text}");
        for word in with {
            assert!(text.contains(word), "{words:?}: {word:?} is not in {text}");
        }
    }
}

pub fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

impl Default for SmallSnapshot {
    fn default() -> Self {
        Self::new()
    }
}
