//! The recorded cases: snapshots that real servers wrote, with what the reference programs say of them.

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
    /// Its `case.toml`, as far as the tests need it.
    pub about: About,
}

/// `case.toml`.
#[derive(Debug, Clone, Deserialize)]
pub struct About {
    /// Version of the server that wrote the snapshot.
    pub etcd: String,
    /// Whether the SHA-256 stands behind the database; a copied `member/snap/db` has none.
    pub trailer: bool,
    /// Who may ask the server, as `name:password`, where it asks who asks.
    pub user: Option<String>,
    /// Older revisions at which the server was asked.
    #[serde(default)]
    pub sampled_revisions: Vec<i64>,
    /// Size of the snapshot.
    pub size: u64,
    /// SHA-256 of the snapshot, in hex.
    pub sha256: String,
}

/// Where etcdutl is wrong and the right answer is known, so that our own number must differ, and exactly so. What is printed in etcdutl's
/// stead is etcdutl's all the same.
#[derive(Debug, Clone, Copy)]
pub struct Difference {
    /// The case.
    pub case: &'static str,
    /// How many keys etcdutl 3.7 counts too many.
    pub keys_too_many: u64,
}

/// A restore with `--bump-revision` writes a revision with an empty value. It is no key, yet etcdutl 3.6 and 3.7 count it as the key "".
const DIFFERENCES: [Difference; 4] = [
    Difference { case: "3.6-bumped", keys_too_many: 1 },
    Difference { case: "3.6-restored", keys_too_many: 1 },
    Difference { case: "3.7-bumped", keys_too_many: 1 },
    Difference { case: "3.7-restored", keys_too_many: 1 },
];

/// Every case, in order of name.
///
/// # Panics
/// When there is none, or a `case.toml` cannot be read.
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

/// Those of which a server was asked when they were saved.
///
/// # Panics
/// When there are too few to rely on.
#[must_use]
pub fn asked() -> Vec<Case> {
    let cases: Vec<_> = all().into_iter().filter(|case| case.directory.join("expected/keys.json").exists()).collect();
    assert!(cases.len() >= 20, "only {} cases", cases.len());
    cases
}

/// Bytes as answers have them, in base64.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn bytes(value: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(value.as_str().expect("base64")).expect("base64")
}

/// An id as answers have them, in hex; none is 0.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn id(value: &Value) -> u64 {
    if value.is_null() { 0 } else { u64::from_str_radix(value.as_str().expect("hex"), 16).expect("hex") }
}

/// Checks a value against an answer, which has long ones by their SHA-256 alone.
///
/// # Panics
/// When it is another.
pub fn same_value(ours: &[u8], theirs: &Value, what: &str) {
    assert_eq!(Some(ours.len() as u64), theirs["size"].as_u64(), "{what}");
    match theirs["sha256"].as_str() {
        Some(hash) => {
            let ours: String = Sha256::digest(ours).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(ours, hash, "{what}");
        }
        // An empty value is left out.
        None => assert_eq!(ours, theirs.get("value").map(bytes).unwrap_or_default(), "{what}"),
    }
}

/// One case by its name.
///
/// # Panics
/// When it is not recorded.
#[must_use]
pub fn named(name: &str) -> Case {
    all().into_iter().find(|case| case.name == name).unwrap_or_else(|| panic!("no case {name}"))
}

impl Case {
    /// The snapshot.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.join("snapshot.db")
    }

    /// Its bytes.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.path()).unwrap_or_else(|error| panic!("{}: {error}", self.path().display()))
    }

    /// What `etcdutl snapshot status -w <form>` of a version printed.
    ///
    /// # Panics
    /// When it was not recorded.
    #[must_use]
    pub fn expected(&self, version: &str, form: &str) -> String {
        let path = self.directory.join(format!("expected/status-{version}.{form}.txt"));
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The same as JSON.
    ///
    /// # Panics
    /// When it was not recorded.
    #[must_use]
    pub fn expected_json(&self, version: &str) -> Value {
        serde_json::from_str(&self.expected(version, "json")).expect("recorded JSON")
    }

    /// What the server answered: `keys`, `watch`, `members`, `leases`, `auth`, `alarms` or `hashkv`.
    ///
    /// # Panics
    /// When it was not recorded.
    #[must_use]
    pub fn answer(&self, name: &str) -> Value {
        let path = self.directory.join(format!("expected/{name}.json"));
        let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// How many keys etcdutl 3.7 is known to count too many.
    #[must_use]
    pub fn keys_too_many(&self) -> u64 {
        DIFFERENCES.iter().find(|difference| difference.case == self.name).map_or(0, |d| d.keys_too_many)
    }
}
