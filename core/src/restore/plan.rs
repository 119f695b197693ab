//! What changes in the database: the members, where raft stands, keys that are deleted, and, with a bump, the revision.

use std::collections::{BTreeMap, BTreeSet};

use etcdsnap_proto::mvccpb::KeyValue;
use prost::Message;
use serde_json::json;

use crate::bolt::database::{Database, DatabaseError};
use crate::bolt::edit::{Change, Edited, Kept, Missing};
use crate::etcd::completeness::leaves_revisions;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::restore::TERM;
use crate::restore::carried::{Carried, carried};
use crate::restore::membership::Cluster;
use crate::source::Source;

/// What becomes of keys and revisions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyChanges<'k> {
    /// The main revision whose state is restored; none for the latest. Whoever writes the database leaves out what is later.
    pub as_of: Option<Revision>,
    /// Keys that live in that state and are deleted at the revision behind it.
    pub deleted: &'k [Vec<u8>],
    /// By how much the latest revision of the snapshot is raised, and everything up to there marked as compacted.
    pub bump: Option<u64>,
}

/// What changes, and what that does to the revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseChanges {
    /// The latest revision of the snapshot; 0 when it has none.
    pub revision_before: Revision,
    /// The latest revision of the restored store.
    pub revision_after: Revision,
    /// What the new cluster takes over from the old one.
    pub carried: Carried,
    /// A change for each bucket of which something changes.
    pub changes: Vec<Change>,
}

/// The changes of a database that stays otherwise as it is: what to write into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The latest revision of the snapshot; 0 when it has none.
    pub revision_before: Revision,
    /// The latest revision of the restored store.
    pub revision_after: Revision,
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
    /// There is no revision left at which keys could be deleted.
    #[error("--delete: the latest revision leaves too few below 2^63 for another write")]
    Exhausted,
    /// The revision would not fit, or leave none for writes.
    #[error("--bump-revision: {by} more than revision {revision} leaves too few revisions below 2^63 for later writes")]
    Bump {
        /// The latest revision.
        revision: Revision,
        /// By how much it was to be raised.
        by: u64,
    },
}

/// Works out the changes that make the database in `source` that of any member of `cluster`, in place.
///
/// # Errors
/// [`PlanError`].
pub fn plan<S: Source + ?Sized>(source: &S, cluster: &Cluster, keys: KeyChanges<'_>) -> Result<Plan, PlanError> {
    let mut database = Database::open(source)?;
    let DatabaseChanges { revision_before, revision_after, carried, changes } = changes(&mut database, cluster, keys)?;
    Ok(Plan { revision_before, revision_after, carried, edited: database.edit(&changes)? })
}

/// Works out what changes, for who writes the database anew.
///
/// # Errors
/// [`PlanError`].
pub fn changes<S: Source + ?Sized>(
    database: &mut Database<'_, S>,
    cluster: &Cluster,
    keys: KeyChanges<'_>,
) -> Result<DatabaseChanges, PlanError> {
    let revision_before = match database.last_key(b"key")? {
        Some(key) => RevisionKey::parse(&key).ok_or(PlanError::NoRevision)?.revision.main,
        None => Revision::ZERO,
    };
    let carried = carried(database);
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
    let mut entries = BTreeMap::new();
    let mut revision_after = keys.as_of.unwrap_or(revision_before);
    if !keys.deleted.is_empty() {
        let latest = match keys.as_of {
            Some(revision) => revision,
            // A compaction may have left nothing of the latest revisions.
            None => revision_before.max(mark(database, b"scheduledCompactRev")?).max(Revision::FIRST),
        };
        revision_after = latest.checked_add(1).filter(|next| leaves_revisions(*next)).ok_or(PlanError::Exhausted)?;
        entries.extend(tombstones(keys.deleted, revision_after));
    }
    if let Some(by) = keys.bump {
        let latest = revision_before.max(revision_after);
        let raised = latest.checked_add(by).filter(|raised| leaves_revisions(*raised));
        revision_after = raised.ok_or(PlanError::Bump { revision: latest, by })?;
        let key = RevisionKey { revision: FullRevision { main: revision_after, sub: 0 }, tombstone: false }.to_vec();
        meta.insert(b"scheduledCompactRev".to_vec(), Some(key.clone()));
        entries.insert(key, Some(Vec::new()));
    }
    if !entries.is_empty() {
        changes.push(Change { bucket: b"key".to_vec(), entries, ..Change::default() });
    }
    changes.push(Change { bucket: b"meta".to_vec(), entries: meta, ..Change::default() });
    // etcd makes this one too when it opens a database for its members.
    changes.push(Change { bucket: b"cluster".to_vec(), missing: Missing::Create, ..Change::default() });
    Ok(DatabaseChanges { revision_before, revision_after, carried, changes })
}

/// The entries that delete keys in one transaction, as `etcdctl txn` writes it.
fn tombstones(keys: &[Vec<u8>], main: Revision) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
    let keys: BTreeSet<&Vec<u8>> = keys.iter().collect();
    let tombstone = |(sub, key): (i64, &Vec<u8>)| {
        let at = RevisionKey { revision: FullRevision { main, sub }, tombstone: true };
        (at.to_vec(), Some(KeyValue { key: key.clone(), ..KeyValue::default() }.encode_to_vec()))
    };
    (0..).zip(keys).map(tombstone).collect()
}

/// The main revision of a mark of compaction; [`Revision::NONE`] when there is none.
fn mark<S: Source + ?Sized>(database: &mut Database<'_, S>, name: &[u8]) -> Result<Revision, PlanError> {
    let value = database.get(b"meta", name)?;
    Ok(value.and_then(|value| RevisionKey::parse(&value)).map_or(Revision::NONE, |key| key.revision.main))
}

fn emptied(bucket: &[u8], entries: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> Change {
    let entries = entries.into_iter().map(|(key, value)| (key, Some(value))).collect();
    Change { bucket: bucket.to_vec(), missing: Missing::Create, kept: Kept::Nothing, entries }
}
