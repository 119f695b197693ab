//! The recorded cases: snapshots that real servers wrote, and the output of the reference programs for them.

use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A directory of `tests/cases`.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Its directory.
    pub directory: PathBuf,
    /// The fields of its `case.toml` that the tests need.
    pub about: CaseToml,
}

/// `case.toml`.
#[derive(Debug, Clone, Deserialize)]
pub struct CaseToml {
    /// Version of the server that wrote the snapshot.
    pub etcd: String,
    /// Whether the SHA-256 follows the database; a copied `member/snap/db` has none.
    pub trailer: bool,
    /// A user that may read everything, as `name:password`, if the server has authentication on.
    pub user: Option<String>,
    /// Older revisions whose state was recorded.
    #[serde(default)]
    pub sampled_revisions: Vec<i64>,
    /// Size of the snapshot.
    pub size: u64,
    /// SHA-256 of the snapshot, in hex.
    pub sha256: String,
}

/// A case in which etcdutl counts wrongly, so that our number must differ by exactly this. Output in etcdutl's own format
/// repeats etcdutl's number nevertheless.
#[derive(Debug, Clone, Copy)]
pub struct KnownMiscount {
    /// The case.
    pub case: &'static str,
    /// How many keys too many etcdutl 3.7 counts.
    pub miscounted_keys: u64,
}

/// A restore with `--bump-revision` writes a revision with an empty value. It is not a key, but etcdutl 3.6 and 3.7 count it as the key "".
const KNOWN_MISCOUNTS: [KnownMiscount; 4] = [
    KnownMiscount { case: "3.6-bumped", miscounted_keys: 1 },
    KnownMiscount { case: "3.6-restored", miscounted_keys: 1 },
    KnownMiscount { case: "3.7-bumped", miscounted_keys: 1 },
    KnownMiscount { case: "3.7-restored", miscounted_keys: 1 },
];

/// Returns every case, sorted by name.
///
/// # Panics
/// Panics if there is no case, or a `case.toml` cannot be read.
#[must_use]
pub fn all() -> Vec<Case> {
    let directory = crate::programs::tests_dir().join("cases");
    let entries = std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut cases: Vec<Case> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("case.toml").is_file())
        .map(|directory| {
            let text = std::fs::read_to_string(directory.join("case.toml")).expect("case.toml can be read");
            let name = directory.file_name().expect("a name").to_string_lossy().into_owned();
            let about = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}/case.toml: {error}"));
            Case { name, directory, about }
        })
        .collect();
    assert!(!cases.is_empty(), "no case is recorded");
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// Returns the cases whose server was queried when the snapshot was saved.
///
/// # Panics
/// Panics if there are too few of them for a useful test.
#[must_use]
pub fn with_server_answers() -> Vec<Case> {
    let cases: Vec<_> = all().into_iter().filter(|case| case.directory.join("expected/keys.json").exists()).collect();
    assert!(cases.len() >= 20, "only {} cases", cases.len());
    cases
}

/// Decodes bytes, which answers store as base64.
///
/// # Panics
/// Panics if the value is not base64.
#[must_use]
pub fn bytes(value: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(value.as_str().expect("base64")).expect("base64")
}

/// Decodes an id, which answers store in hex; a missing one is 0.
///
/// # Panics
/// Panics if the value is not hex.
#[must_use]
pub fn id(value: &Value) -> u64 {
    if value.is_null() { 0 } else { u64::from_str_radix(value.as_str().expect("hex"), 16).expect("hex") }
}

/// Asserts that a value equals the recorded one; long values are recorded only as a SHA-256.
///
/// # Panics
/// Panics if they differ.
pub fn assert_same_value(ours: &[u8], theirs: &Value, what: &str) {
    assert_eq!(Some(ours.len() as u64), theirs["size"].as_u64(), "{what}");
    match theirs["sha256"].as_str() {
        Some(hash) => {
            let ours: String = Sha256::digest(ours).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(ours, hash, "{what}");
        }
        // The recording omits empty values.
        None => assert_eq!(ours, theirs.get("value").map(bytes).unwrap_or_default(), "{what}"),
    }
}

/// Returns a case by its name.
///
/// # Panics
/// Panics if it is not recorded.
#[must_use]
pub fn named(name: &str) -> Case {
    all().into_iter().find(|case| case.name == name).unwrap_or_else(|| panic!("no case {name}"))
}

impl Case {
    /// Returns the path of the snapshot.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.join("snapshot.db")
    }

    /// Reads the snapshot.
    ///
    /// # Panics
    /// Panics if it cannot be read.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.path()).unwrap_or_else(|error| panic!("{}: {error}", self.path().display()))
    }

    /// Returns the recorded output of `etcdutl snapshot status -w <form>` of a version.
    ///
    /// # Panics
    /// Panics if it was not recorded.
    #[must_use]
    pub fn expected(&self, version: &str, form: &str) -> String {
        let path = self.directory.join(format!("expected/status-{version}.{form}.txt"));
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Returns the same output parsed as JSON.
    ///
    /// # Panics
    /// Panics if it was not recorded.
    #[must_use]
    pub fn expected_json(&self, version: &str) -> Value {
        serde_json::from_str(&self.expected(version, "json")).expect("recorded JSON")
    }

    /// Returns the recorded answer of the server: `keys`, `watch`, `members`, `leases`, `auth`, `alarms` or `hashkv`.
    ///
    /// # Panics
    /// Panics if it was not recorded.
    #[must_use]
    pub fn answer(&self, name: &str) -> Value {
        let path = self.directory.join(format!("expected/{name}.json"));
        let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Returns by how many keys etcdutl 3.7 miscounts this case.
    #[must_use]
    pub fn miscounted_keys(&self) -> u64 {
        KNOWN_MISCOUNTS.iter().find(|difference| difference.case == self.name).map_or(0, |d| d.miscounted_keys)
    }
}
