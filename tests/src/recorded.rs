//! The recordings of real Kubernetes API servers in `tests/kubernetes/` (`cargo xtask record --kubernetes`).

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::programs::tests_dir;

/// A recorded cluster, named after its folder.
pub struct RecordedCluster {
    folder: PathBuf,
    /// Its unpacked snapshot; the directory is removed with this value.
    unpacked: tempfile::TempDir,
}

/// The answers of an API server at a revision.
pub struct Answers {
    pub revision: i64,
    /// The response bodies, by [`identity`].
    pub bodies: BTreeMap<String, String>,
}

/// A kubectl command with its recorded output.
pub struct KubectlRun {
    pub words: Vec<String>,
    /// When it ran, in seconds since 1970.
    pub at: i64,
    pub text: String,
}

impl RecordedCluster {
    /// Opens a recording and unpacks its snapshot.
    ///
    /// # Panics
    /// Panics if there is no recording with that name.
    #[must_use]
    pub fn open(name: &str) -> Self {
        let folder = tests_dir().join("kubernetes").join(name);
        let unpacked = tempfile::tempdir().expect("a folder");
        let recorded = Self { folder, unpacked };
        fs::write(recorded.snapshot(), recorded.read("snapshot.db.zst")).expect("a file");
        recorded
    }

    /// Returns the path of its snapshot.
    #[must_use]
    pub fn snapshot(&self) -> PathBuf {
        self.unpacked.path().join("snapshot.db")
    }

    /// Returns the path of a file of its folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Unpacks a compressed file of its folder.
    ///
    /// # Panics
    /// Panics if it cannot be read.
    #[must_use]
    pub fn read(&self, name: &str) -> Vec<u8> {
        let path = self.folder.join(name);
        let packed = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        zstd::decode_all(packed.as_slice()).expect("packed with Zstandard")
    }

    /// Reads recorded answers.
    ///
    /// # Panics
    /// Panics if they are not in the format that `record` writes.
    #[must_use]
    pub fn answers(&self, name: &str) -> Answers {
        let text = String::from_utf8(self.read(name)).expect("UTF-8");
        let (revision, bodies) = text.split_once('\n').expect("a revision");
        let keyed = bodies.lines().map(|body| (identity(body).expect("an object"), body.to_owned()));
        Answers { revision: revision.parse().expect("a revision"), bodies: keyed.collect() }
    }

    /// Reads recorded kubectl output.
    ///
    /// # Panics
    /// Panics if it is not in the format that `record` writes.
    #[must_use]
    pub fn kubectl_output(&self, name: &str) -> Vec<KubectlRun> {
        let text = String::from_utf8(self.read(name)).expect("UTF-8");
        let sections = text.strip_prefix("$ kubectl ").expect("a section").split("\n$ kubectl ");
        let kubectl_output = |section: &str| {
            let (head, text) = section.split_once('\n').unwrap_or((section, ""));
            let (words, at) = head.rsplit_once(" # ").expect("words and a time");
            let text = text.trim_end_matches("\\ no line break\n").trim_end_matches("\\ no line break");
            let text = if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
            let words = words.split(' ').map(|word| word.replace('␣', " ")).collect();
            KubectlRun { words, at: at.parse().expect("a time"), text }
        };
        sections.map(kubectl_output).collect()
    }
}

/// Returns version, kind, namespace and name of an object in JSON; `None` for anything else.
#[must_use]
pub fn identity(json: &str) -> Option<String> {
    let value: Value = serde_json::from_str(json).ok()?;
    let text = |path: &str| value.pointer(path).and_then(Value::as_str);
    let namespace = text("/metadata/namespace").unwrap_or_default();
    Some(format!("{} {} {namespace}/{}", text("/apiVersion")?, text("/kind")?, text("/metadata/name")?))
}
