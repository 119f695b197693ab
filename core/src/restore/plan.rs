//! Plans the edits of the database in a restore: new members, raft's index and term, and optionally deleted keys and a
//! higher revision.

use std::collections::{BTreeMap, BTreeSet};

use etcdsnap_proto::mvccpb::KeyValue;
use prost::Message;
use serde_json::json;

use crate::bolt::database::{BoltDatabase, DatabaseError};
use crate::bolt::edit::{BucketEdit, EditWrites, IfMissing, OldEntries};
use crate::etcd::completeness::leaves_revisions;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::restore::TERM;
use crate::restore::inherited_state::{InheritedState, inherited};
use crate::restore::membership::Cluster;
use crate::source::Source;

/// The changes of keys and revisions that a restore was asked to make.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyChanges<'k> {
    /// The main revision to restore; `None` for the latest. The plan only relies on it; leaving out the later revisions
    /// is up to the code that writes the database.
    pub as_of: Option<Revision>,
    /// Keys that exist at that revision, to be deleted at the next one.
    pub deleted: &'k [Vec<u8>],
    /// Amount to add to the latest revision of the snapshot; all revisions up to the sum are marked as compacted.
    pub bump: Option<u64>,
}

/// Planned edits of the database, with the revisions before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseChanges {
    /// Latest revision of the snapshot; 0 if it has none.
    pub revision_before: Revision,
    /// Latest revision of the restored store.
    pub revision_after: Revision,
    /// State that the new cluster inherits from the old one.
    pub inherited: InheritedState,
    /// One edit per changed bucket.
    pub changes: Vec<BucketEdit>,
}

/// Planned writes into a database that otherwise stays unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestorePlan {
    /// Latest revision of the snapshot; 0 if it has none.
    pub revision_before: Revision,
    /// Latest revision of the restored store.
    pub revision_after: Revision,
    /// State that the new cluster inherits from the old one.
    pub inherited: InheritedState,
    /// The writes.
    pub edit: EditWrites,
}

/// Why a database cannot be restored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The database is damaged, or not an etcd database.
    #[error(transparent)]
    Edit(#[from] DatabaseError),
    /// The last key of bucket `key` is not a revision.
    #[error("the last key of bucket `key` is not a revision")]
    NoRevision,
    /// No revision is left for deleting keys.
    #[error("--delete: the latest revision is so close to 2^63 that no revision is left for another write")]
    Exhausted,
    /// The raised revision would exceed the largest revision, or leave too few revisions for writes.
    #[error(
        "--bump-revision: revision {revision} plus {by} is too close to 2^63: too few revisions are left for later writes"
    )]
    Bump {
        /// Latest revision of the snapshot.
        revision: Revision,
        /// Requested amount to add.
        by: u64,
    },
}

/// Plans the writes that turn a snapshot's database, in place, into the database of a member of `cluster`; it is the
/// same for all members.
///
/// # Errors
/// [`PlanError`].
pub fn plan<S: Source + ?Sized>(source: &S, cluster: &Cluster, keys: KeyChanges<'_>) -> Result<RestorePlan, PlanError> {
    let mut database = BoltDatabase::open(source)?;
    let DatabaseChanges { revision_before, revision_after, inherited, changes } =
        changes(&mut database, cluster, keys)?;
    Ok(RestorePlan { revision_before, revision_after, inherited, edit: database.edit(&changes)? })
}

/// Plans the edits, for a caller that rewrites the whole database.
///
/// # Errors
/// [`PlanError`].
pub fn changes<S: Source + ?Sized>(
    database: &mut BoltDatabase<'_, S>,
    cluster: &Cluster,
    keys: KeyChanges<'_>,
) -> Result<DatabaseChanges, PlanError> {
    let revision_before = match database.last_key(b"key")? {
        Some(key) => RevisionKey::parse(&key).ok_or(PlanError::NoRevision)?.revision.main,
        None => Revision::ZERO,
    };
    let inherited = inherited(database);
    let had_conf_state = database.get(b"meta", b"confState")?.is_some();
    let mut meta = BTreeMap::new();
    meta.insert(b"consistent_index".to_vec(), Some(cluster.commit().to_be_bytes().to_vec()));
    meta.insert(b"term".to_vec(), Some(TERM.to_be_bytes().to_vec()));
    if had_conf_state {
        // Members in etcd's own order.
        let text = format!("{{\"voters\":{},\"auto_leave\":false}}", json!(cluster.ids()));
        meta.insert(b"confState".to_vec(), Some(text.into_bytes()));
    }
    let mut changes = vec![
        replaced_bucket(b"members", cluster.members.iter().map(|member| (member.hex().into_bytes(), member.json()))),
        replaced_bucket(b"members_removed", []),
    ];
    let mut entries = BTreeMap::new();
    let mut revision_after = keys.as_of.unwrap_or(revision_before);
    if !keys.deleted.is_empty() {
        let latest = match keys.as_of {
            Some(revision) => revision,
            // A compaction may have left no entry of the latest revisions.
            None => revision_before.max(stored_compaction(database, b"scheduledCompactRev")?).max(Revision::FIRST),
        };
        revision_after = latest.checked_add(1).filter(|next| leaves_revisions(*next)).ok_or(PlanError::Exhausted)?;
        entries.extend(deleting_entries(keys.deleted, revision_after));
    }
    if let Some(by) = keys.bump {
        let latest = revision_before.max(revision_after);
        let raised = latest.checked_add(by).filter(|raised| leaves_revisions(*raised));
        revision_after = raised.ok_or(PlanError::Bump { revision: latest, by })?;
        let key = RevisionKey::first_put(revision_after).to_vec();
        meta.insert(b"scheduledCompactRev".to_vec(), Some(key.clone()));
        entries.insert(key, Some(Vec::new()));
    }
    if !entries.is_empty() {
        changes.push(BucketEdit { bucket: b"key".to_vec(), entries, ..BucketEdit::default() });
    }
    changes.push(BucketEdit { bucket: b"meta".to_vec(), entries: meta, ..BucketEdit::default() });
    // etcd also creates this bucket when it opens a database for its members.
    changes.push(BucketEdit { bucket: b"cluster".to_vec(), if_missing: IfMissing::Create, ..BucketEdit::default() });
    Ok(DatabaseChanges { revision_before, revision_after, inherited, changes })
}

/// Builds the entries that delete keys in one transaction, as `etcdctl txn` writes them.
fn deleting_entries(keys: &[Vec<u8>], main: Revision) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
    let keys: BTreeSet<&Vec<u8>> = keys.iter().collect();
    let tombstone = |(sub, key): (i64, &Vec<u8>)| {
        let at = RevisionKey { revision: FullRevision { main, sub }, tombstone: true };
        (at.to_vec(), Some(KeyValue { key: key.clone(), ..KeyValue::default() }.encode_to_vec()))
    };
    (0..).zip(keys).map(tombstone).collect()
}

/// Reads the main revision of a stored compaction revision; [`Revision::NONE`] if it is missing.
fn stored_compaction<S: Source + ?Sized>(
    database: &mut BoltDatabase<'_, S>,
    name: &[u8],
) -> Result<Revision, PlanError> {
    let value = database.get(b"meta", name)?;
    Ok(value.and_then(|value| RevisionKey::parse(&value)).map_or(Revision::NONE, |key| key.revision.main))
}

/// Creates the edit that replaces all entries of a bucket.
fn replaced_bucket(bucket: &[u8], entries: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> BucketEdit {
    let entries = entries.into_iter().map(|(key, value)| (key, Some(value))).collect();
    BucketEdit { bucket: bucket.to_vec(), if_missing: IfMissing::Create, old_entries: OldEntries::Remove, entries }
}
