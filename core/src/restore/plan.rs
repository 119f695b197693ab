//! What changes in the database: the members, where raft stands, and, with a bump, the revision.

use std::collections::BTreeMap;

use serde_json::json;

use crate::bolt::database::{Database, DatabaseError};
use crate::bolt::edit::{Change, Edited, Kept, Missing};
use crate::etcd::completeness::leaves_revisions;
use crate::etcd::revision::{Revision, RevisionKey};
use crate::restore::TERM;
use crate::restore::carried::{Carried, carried};
use crate::restore::membership::Cluster;
use crate::source::Source;

/// The changes, and what they do to the revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The latest revision of the snapshot; 0 when it has none.
    pub revision_before: i64,
    /// The latest revision of the restored store.
    pub revision_after: i64,
    /// What the new cluster takes over from the old one.
    pub carried: Carried,
    /// What to write.
    pub edited: Edited,
}

/// Why a database cannot become a member's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The database is damaged, or is not etcd's.
    #[error(transparent)]
    Edit(#[from] DatabaseError),
    /// The last entry of bucket `key` is no revision.
    #[error("the last key of bucket `key` is no revision")]
    NoRevision,
    /// The revision would not fit, or leave none for writes.
    #[error("--bump-revision: {by} more than revision {revision} leaves too few revisions below 2^63 for later writes")]
    Bump {
        /// The latest revision.
        revision: i64,
        /// By how much it was to be raised.
        by: u64,
    },
}

/// Works out the changes that make the database in `source` that of any member of `cluster`.
///
/// With `bump` the latest revision is raised by so much and everything up to it is marked as compacted.
///
/// # Errors
/// [`PlanError`].
pub fn plan<S: Source + ?Sized>(source: &S, cluster: &Cluster, bump: Option<u64>) -> Result<Plan, PlanError> {
    let mut database = Database::open(source)?;
    let revision_before = match database.last_key(b"key")? {
        Some(key) => RevisionKey::parse(&key).ok_or(PlanError::NoRevision)?.revision.main,
        None => 0,
    };
    let carried = carried(&mut database);
    let had_conf_state = database.get(b"meta", b"confState")?.is_some();
    let mut meta = BTreeMap::new();
    meta.insert(b"consistent_index".to_vec(), Some(cluster.commit().to_be_bytes().to_vec()));
    meta.insert(b"term".to_vec(), Some(TERM.to_be_bytes().to_vec()));
    if had_conf_state {
        // In etcd's own order of members.
        let text = format!("{{\"voters\":{},\"auto_leave\":false}}", json!(cluster.ids()));
        meta.insert(b"confState".to_vec(), Some(text.into_bytes()));
    }
    let mut changes = vec![
        emptied(b"members", cluster.members.iter().map(|member| (member.hex().into_bytes(), member.json()))),
        emptied(b"members_removed", []),
    ];
    let mut revision_after = revision_before;
    if let Some(by) = bump {
        let raised = i64::try_from(by)
            .ok()
            .and_then(|by| revision_before.checked_add(by))
            .filter(|raised| leaves_revisions(*raised));
        revision_after = raised.ok_or(PlanError::Bump { revision: revision_before, by })?;
        let revision = RevisionKey { revision: Revision { main: revision_after, sub: 0 }, tombstone: false };
        let (bytes, len) = revision.to_bytes();
        let key = bytes.get(..len).unwrap_or_default().to_vec();
        meta.insert(b"scheduledCompactRev".to_vec(), Some(key.clone()));
        changes.push(Change {
            bucket: b"key".to_vec(),
            entries: BTreeMap::from([(key, Some(Vec::new()))]),
            ..Change::default()
        });
    }
    changes.push(Change { bucket: b"meta".to_vec(), entries: meta, ..Change::default() });
    // etcd makes this one too when it opens a database for its members.
    changes.push(Change { bucket: b"cluster".to_vec(), missing: Missing::Create, ..Change::default() });
    Ok(Plan { revision_before, revision_after, carried, edited: database.edit(&changes)? })
}

fn emptied(bucket: &[u8], entries: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> Change {
    let entries = entries.into_iter().map(|(key, value)| (key, Some(value))).collect();
    Change { bucket: bucket.to_vec(), missing: Missing::Create, kept: Kept::Nothing, entries }
}
