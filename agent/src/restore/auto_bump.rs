//! Chooses by how much to raise the revision if the user does not.
//!
//! OpenShift keeps `revision.json` in the data directory of etcd and, beside a backup, a copy that may be younger than the backup:
//! ```text
//! {"clusterId":N,"raftIndex":{"https://10.0.0.1:2379":N,…},"maxRaftIndex":N,"created":"2025-01-01 00:00:00 +0000 UTC"}
//! ```
//! Each write takes a raft index, so the largest index bounds the number of writes; a fifth is added for writes since the file was written. Source:
//! `pkg/cmd/rev` of OpenShift's cluster-etcd-operator.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::fsx::other_users::{WRITABLE_BY_OTHERS, is_ours};
use crate::grouped_number::grouped;
use crate::printable::printable_path;

/// The value that etcd's documentation advises: 1,500 writes per second for a week.
const DEFAULT_BUMP: u64 = 1_000_000_000;

/// The name of OpenShift's file.
const REVISION_FILE: &str = "revision.json";

/// Bytes of the file that are read at most; they suffice for a thousand endpoints.
const MAX_FILE_LEN: u64 = 128 << 10;

/// By how much the revision is raised, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoBump {
    /// The number to add to the revision.
    pub by: u64,
    /// The reason for the number.
    pub basis: BumpBasis,
}

/// The reason for an [`AutoBump`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BumpBasis {
    /// OpenShift's file beside the snapshot.
    RevisionFile {
        /// The file.
        path: PathBuf,
        /// The `maxRaftIndex` in it.
        max_raft_index: u64,
    },
    /// There is no such file.
    Default,
    /// There is such a file, but it cannot be used: its path, and the reason.
    Unusable(PathBuf, String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RevisionFile {
    max_raft_index: Option<u64>,
}

/// Looks for OpenShift's `revision.json` beside a snapshot; returns 1.2 times its `maxRaftIndex`, or otherwise a billion.
#[must_use]
pub fn auto_bump(snapshot: &Path) -> AutoBump {
    let usual = |basis| AutoBump { by: DEFAULT_BUMP, basis };
    if snapshot.as_os_str() == "-" {
        return usual(BumpBasis::Default);
    }
    let path = snapshot.with_file_name(REVISION_FILE);
    if !path.exists() {
        return usual(BumpBasis::Default);
    }
    match max_raft_index(&path, snapshot) {
        Ok(max_raft_index) => {
            let by = max_raft_index.saturating_add(max_raft_index.div_ceil(5));
            AutoBump { by, basis: BumpBasis::RevisionFile { path, max_raft_index } }
        }
        Err(reason) => usual(BumpBasis::Unusable(path, reason)),
    }
}

fn max_raft_index(path: &Path, snapshot: &Path) -> Result<u64, String> {
    // Reading a FIFO could block forever.
    if !path.is_file() {
        return Err("it is not a file".into());
    }
    let mut text = Vec::new();
    let file = File::open(path).map_err(|cause| crate::error::plain(&cause))?;
    let facts = file.metadata().map_err(|cause| crate::error::plain(&cause))?;
    // Another user's file in a shared directory could make clients mistake old revisions for new ones. The owner of the snapshot is trusted, because the snapshot decides about the cluster anyway.
    let is_theirs = fs::metadata(snapshot).is_ok_and(|snapshot| snapshot.uid() == facts.uid());
    if !(is_ours(facts.uid()) || is_theirs) || facts.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err("another user may have written it".into());
    }
    file.take(MAX_FILE_LEN).read_to_end(&mut text).map_err(|cause| crate::error::plain(&cause))?;
    let found: RevisionFile =
        serde_json::from_slice(&text).map_err(|cause| format!("it is not what OpenShift writes ({cause})"))?;
    found.max_raft_index.filter(|index| *index > 0).ok_or_else(|| "it has no maxRaftIndex".into())
}

impl std::fmt::Display for AutoBump {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "--bump-revision auto raises the revision by {}: ", grouped(self.by))?;
        match &self.basis {
            BumpBasis::RevisionFile { path, max_raft_index } => {
                write!(out, "1.2 times the maxRaftIndex {} in {}", grouped(*max_raft_index), printable_path(path))
            }
            BumpBasis::Default => write!(out, "there is no {REVISION_FILE} beside the snapshot"),
            BumpBasis::Unusable(path, reason) => {
                write!(out, "{} cannot be used, because {}", printable_path(path), crate::printable(reason))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_file_beside_the_snapshot_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let snapshot = folder.path().join("snapshot.db");
        let of = |text: &str| {
            fs::write(folder.path().join(REVISION_FILE), text).unwrap();
            auto_bump(&snapshot)
        };
        assert_eq!(auto_bump(&snapshot), AutoBump { by: DEFAULT_BUMP, basis: BumpBasis::Default });
        assert_eq!(auto_bump(Path::new("-")).basis, BumpBasis::Default);
        let found = of(
            r#"{"clusterId":1,"raftIndex":{"https://10.0.0.1:2379":999,"https://10.0.0.2:2379":1001},"maxRaftIndex":1001,"created":"2025"}"#,
        );
        assert_eq!(found.by, 1202);
        assert!(found.to_string().contains("by 1,202: 1.2 times the maxRaftIndex 1,001 in "), "{found}");
        assert_eq!(of(r#"{"clusterId":"0","maxRaftIndex":5}"#).by, 6);
        for bad in
            ["", "{}", "[]", r#"{"maxRaftIndex":0}"#, r#"{"maxRaftIndex":-1}"#, r#"{"maxRaftIndex":"7"}"#, "\u{9b}31m"]
        {
            let found = of(bad);
            assert_eq!(found.by, DEFAULT_BUMP, "{bad}");
            assert!(found.to_string().contains("revision.json cannot be used, because it "), "{found}");
        }
        let largest = of(&format!(r#"{{"maxRaftIndex":{}}}"#, u64::MAX));
        assert_eq!(largest.by, u64::MAX);
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder.path().join(REVISION_FILE), fs::Permissions::from_mode(0o666)).unwrap();
        let found = auto_bump(&snapshot);
        assert!(found.by == DEFAULT_BUMP && found.to_string().contains("another user may have written it"), "{found}");
        fs::remove_file(folder.path().join(REVISION_FILE)).unwrap();
        fs::create_dir(folder.path().join(REVISION_FILE)).unwrap();
        assert!(auto_bump(&snapshot).to_string().contains("it is not a file"));
    }
}
