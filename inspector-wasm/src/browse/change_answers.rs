//! The answers about comparisons: plain values with the shapes in `browse.ts`.

use etcdsnap_core::Revision;
use etcdsnap_core::kubernetes::noisy_changes::NoisyChanges;
use etcdsnap_core::store::Key;
use serde::Serialize;

use super::answers::{SearchProblem, narrow};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Differences {
    pub added: u32,
    pub removed: u32,
    pub changed: u32,
    pub unchanged: u32,
    pub lost: u64,
    pub revision: Revision,
    pub noise: ChangeNoise,
    pub cluster: Option<ClusterCheck>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangeNoise {
    pub added: u32,
    pub removed: u32,
    pub changed: u32,
    pub leases: u64,
    pub events: u64,
    pub managed_fields: u64,
    pub alike: u64,
    pub left: u32,
}

impl From<&NoisyChanges> for ChangeNoise {
    fn from(noise: &NoisyChanges) -> Self {
        let (counts, reasons) = (noise.counts(), noise.reasons());
        Self {
            added: narrow(counts.added),
            removed: narrow(counts.removed),
            changed: narrow(counts.changed),
            leases: reasons.leases,
            events: reasons.events,
            managed_fields: reasons.managed_fields,
            alike: reasons.alike,
            left: narrow(noise.uncompared()),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClusterCheck {
    pub relation: &'static str,
    pub here: String,
    pub there: String,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangeList {
    pub total: u32,
    pub added: u32,
    pub removed: u32,
    pub changed: u32,
    pub groups: u32,
    pub problem: Option<SearchProblem>,
}

/// A line of the list of changes.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum ChangeListRow {
    Group(ChangeGroupRow),
    Change(ChangeRow),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangeGroupRow {
    pub name: String,
    pub namespace: String,
    pub objects: bool,
    pub open: bool,
    pub added: u32,
    pub removed: u32,
    pub changed: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangeRow {
    pub kind: &'static str,
    pub key: String,
    pub secret: bool,
    pub before: Option<Side>,
    pub after: Option<Side>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Side {
    pub revision: Revision,
    pub create_revision: Revision,
    pub version: i64,
    pub lease: i64,
    pub value_bytes: u32,
}

impl From<Key<'_>> for Side {
    fn from(key: Key<'_>) -> Self {
        Self {
            revision: key.revision.main,
            create_revision: key.create_revision,
            version: key.version,
            lease: key.lease,
            value_bytes: key.value_len,
        }
    }
}
