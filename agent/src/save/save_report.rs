//! The report of a save.

use std::path::{Path, PathBuf};

use etcdsnap_core::needed_key_counts::NeededKeyCounts;
use etcdsnap_core::{Report, Revision, Sha256Hex};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::comparison::Comparison;
use crate::byte_text::put_path;
use crate::client::Member;
use crate::sha256_stream::StreamDigest;

/// The report of a save.
///
/// In JSON, a path that is not UTF-8 is also in base64 under `fileBase64`, because `file` cannot represent it; old snapshots are objects with the same two fields.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Saved {
    /// The path of the file.
    #[serde(flatten, serialize_with = "file")]
    pub file: PathBuf,
    /// The server that sent it.
    pub endpoint: String,
    /// The cluster's id in hexadecimal.
    pub cluster_id: String,
    /// The member's id in hexadecimal.
    pub member_id: String,
    /// The member's name, if known.
    pub member: Option<String>,
    /// The version of etcd on the server.
    pub server_version: String,
    /// The storage version, which servers report since 3.6; empty before.
    pub storage_version: String,
    /// The latest revision in the snapshot; `None` if its structure was not read.
    pub revision: Option<Revision>,
    /// Number of live keys; `None` if its structure was not read.
    pub total_key: Option<u64>,
    /// The hash that `snapshot status` prints; `None` if its structure was not read.
    pub hash: Option<u32>,
    /// Values that an API server encrypted, with the provider and the key that they need: without these keys the snapshot is no backup of them. `None` if its structure was not read.
    pub encrypted: Option<NeededKeyCounts>,
    /// The SHA-256 of the database in hexadecimal.
    pub sha256: String,
    /// Whether the received database matches the SHA-256 that the server sent after it.
    pub sha256_matches: bool,
    /// Present if history was left out: then hash and SHA-256 are those of the new file, not the server's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compaction: Option<Compaction>,
    /// Bytes of the snapshot, including its SHA-256.
    pub bytes: u64,
    /// Bytes of the file; fewer if it is compressed.
    pub file_bytes: u64,
    /// Whether every page and entry was checked.
    pub verified: bool,
    /// Doubts about the member, findings that are warnings, and reasons why old snapshots were not removed.
    pub warnings: Vec<String>,
    /// Seconds from the first request to the final rename.
    pub seconds: f64,
    /// The comparison with the members of the cluster; `None` if they were not asked.
    pub comparison: Option<Comparison>,
    /// Old snapshots that were removed.
    #[serde(serialize_with = "files")]
    pub removed: Vec<PathBuf>,
    /// Old snapshots that could not be removed, with the reason.
    #[serde(serialize_with = "files_with_reasons")]
    pub not_removed: Vec<(PathBuf, String)>,
}

/// Facts about history that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Compaction {
    /// The revision of the compaction.
    pub revision: Revision,
    /// The SHA-256 of the database that the server sent, in hexadecimal.
    pub server_sha256: String,
    /// Bytes of the snapshot that the server sent, including its SHA-256.
    pub server_bytes: u64,
}

impl Saved {
    /// Whether members of the cluster have other data than the snapshot.
    #[must_use]
    pub fn is_diverged(&self) -> bool {
        self.comparison.as_ref().is_some_and(Comparison::is_diverged)
    }

    /// Creates a report from the facts that the transfer and the check showed; its other fields are empty.
    pub(super) fn of(file: &Path, member: &Member, copied: &StreamDigest, report: Option<&Report>) -> Self {
        let status = report.and_then(|report| report.status.as_ref());
        Self {
            file: file.to_owned(),
            endpoint: member.endpoint.clone(),
            cluster_id: format!("{:x}", member.cluster_id),
            member_id: format!("{:x}", member.member_id),
            member: member.name.clone(),
            server_version: member.version.clone(),
            storage_version: String::new(),
            revision: status.map(|status| status.revision),
            total_key: status.map(|status| status.total_key),
            hash: status.map(|status| status.hash),
            encrypted: status.map(|status| status.encrypted.clone()),
            sha256: Sha256Hex::of(&copied.sha256).0,
            sha256_matches: copied.trailer == Some(copied.sha256),
            compaction: None,
            bytes: copied.len,
            file_bytes: copied.len,
            verified: false,
            warnings: Vec::new(),
            seconds: 0.0,
            comparison: None,
            removed: Vec::new(),
            not_removed: Vec::new(),
        }
    }
}

fn file<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    of_path(path).serialize(serializer)
}

fn files<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| of_path(path)))
}

fn files_with_reasons<S: Serializer>(paths: &[(PathBuf, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|(path, reason)| {
        let mut object = of_path(path);
        object.insert("reason".into(), reason.as_str().into());
        object
    }))
}

fn of_path(path: &Path) -> Map<String, Value> {
    let mut object = Map::new();
    put_path(&mut object, "file", path);
    object
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn paths_in_json_need_not_be_utf_8() {
        let odd = Path::new(OsStr::from_bytes(b"a/\xff.db")).to_owned();
        let saved = |file: &Path| Saved {
            file: file.to_owned(),
            endpoint: String::new(),
            cluster_id: "cafe".into(),
            member_id: String::new(),
            member: None,
            server_version: String::new(),
            storage_version: String::new(),
            revision: Some(Revision::FIRST),
            total_key: None,
            hash: None,
            encrypted: None,
            sha256: String::new(),
            sha256_matches: true,
            compaction: None,
            bytes: 1,
            file_bytes: 1,
            verified: true,
            warnings: Vec::new(),
            seconds: 1.0,
            comparison: None,
            removed: vec![file.to_owned(), "plain".into()],
            not_removed: vec![(file.to_owned(), "no".into())],
        };
        let json = serde_json::to_value(saved(&odd)).unwrap();
        assert_eq!((&json["fileBase64"], &json["clusterId"]), (&"YS//LmRi".into(), &"cafe".into()));
        assert_eq!(json["file"], "a/\u{fffd}.db");
        let odd = serde_json::json!({"file": "a/\u{fffd}.db", "fileBase64": "YS//LmRi"});
        assert_eq!(json["removed"], serde_json::json!([odd, {"file": "plain"}]));
        let reason = serde_json::json!("no");
        assert_eq!(
            (&json["notRemoved"][0]["fileBase64"], &json["notRemoved"][0]["reason"]),
            (&odd["fileBase64"], &reason)
        );
        assert_eq!(serde_json::to_value(saved(Path::new("b.db"))).unwrap()["file"], "b.db");
    }
}
