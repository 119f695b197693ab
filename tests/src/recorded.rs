//! What was recorded of real Kubernetes API servers, in `tests/kubernetes/` (`cargo xtask record --kubernetes`).

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::programs::tests_dir;

/// A recorded cluster, by the name of its folder.
pub struct Recorded {
    folder: PathBuf,
    /// Its snapshot, unpacked, and removed with the value.
    unpacked: tempfile::TempDir,
}

/// What an API server answered at a revision.
pub struct Answers {
    pub revision: i64,
    /// The bodies, by [`identity`].
    pub bodies: BTreeMap<String, String>,
}

/// What kubectl printed.
pub struct Said {
    pub words: Vec<String>,
    /// Seconds since 1970.
    pub at: i64,
    pub text: String,
}

impl Recorded {
    /// Unpacks its snapshot.
    ///
    /// # Panics
    /// When there is none of that name.
    #[must_use]
    pub fn open(name: &str) -> Self {
        let folder = tests_dir().join("kubernetes").join(name);
        let unpacked = tempfile::tempdir().expect("a folder");
        let recorded = Self { folder, unpacked };
        fs::write(recorded.snapshot(), recorded.read("snapshot.db.zst")).expect("a file");
        recorded
    }

    /// Where its snapshot lies.
    #[must_use]
    pub fn snapshot(&self) -> PathBuf {
        self.unpacked.path().join("snapshot.db")
    }

    /// A file of its folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A packed file of its folder.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn read(&self, name: &str) -> Vec<u8> {
        let path = self.folder.join(name);
        let packed = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        zstd::decode_all(packed.as_slice()).expect("packed with Zstandard")
    }

    /// Recorded answers.
    ///
    /// # Panics
    /// When they are not what `record` writes.
    #[must_use]
    pub fn answers(&self, name: &str) -> Answers {
        let text = String::from_utf8(self.read(name)).expect("UTF-8");
        let (revision, bodies) = text.split_once('\n').expect("a revision");
        let keyed = bodies.lines().map(|body| (identity(body).expect("an object"), body.to_owned()));
        Answers { revision: revision.parse().expect("a revision"), bodies: keyed.collect() }
    }

    /// What kubectl printed.
    ///
    /// # Panics
    /// When it is not what `record` writes.
    #[must_use]
    pub fn said(&self, name: &str) -> Vec<Said> {
        let text = String::from_utf8(self.read(name)).expect("UTF-8");
        let sections = text.strip_prefix("$ kubectl ").expect("a section").split("\n$ kubectl ");
        let said = |section: &str| {
            let (head, text) = section.split_once('\n').unwrap_or((section, ""));
            let (words, at) = head.rsplit_once(" # ").expect("words and a time");
            let text = text.trim_end_matches("\\ no line break\n").trim_end_matches("\\ no line break");
            let text = if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
            let words = words.split(' ').map(|word| word.replace('␣', " ")).collect();
            Said { words, at: at.parse().expect("a time"), text }
        };
        sections.map(said).collect()
    }
}

/// Version, kind, namespace and name of an object in JSON; none for anything else.
#[must_use]
pub fn identity(json: &str) -> Option<String> {
    let value: Value = serde_json::from_str(json).ok()?;
    let text = |path: &str| value.pointer(path).and_then(Value::as_str);
    let namespace = text("/metadata/namespace").unwrap_or_default();
    Some(format!("{} {} {namespace}/{}", text("/apiVersion")?, text("/kind")?, text("/metadata/name")?))
}
