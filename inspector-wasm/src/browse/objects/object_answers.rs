//! The answers to the page about objects, with the shapes in `objects.ts`.

use etcdsnap_core::Revision;
use serde::{Deserialize, Serialize};

use crate::browse::search::Show;

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectKind {
    pub id: String,
    pub plural: String,
    pub group: String,
    pub kind: String,
    pub namespaced: bool,
    pub live: u32,
    pub deleted: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectNamespace {
    pub name: String,
    pub live: u32,
    pub deleted: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectKinds {
    pub kinds: Vec<ObjectKind>,
    pub namespaces: Vec<ObjectNamespace>,
    pub left_out: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectList {
    pub total: u32,
    pub titles: Vec<String>,
    pub sortable: bool,
    pub now: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectRow {
    pub id: u32,
    pub key: String,
    #[serde(rename = "type")]
    pub of: String,
    pub namespace: String,
    pub name: String,
    pub cells: Vec<String>,
    pub deleted: bool,
    pub revision: Revision,
    pub seconds: Option<i64>,
    pub problem: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectText {
    pub yaml: Option<String>,
    pub api_version: String,
    pub kind: String,
    pub folded: bool,
    pub secret: bool,
    pub hidden: bool,
    pub remarks: Vec<String>,
    pub problem: Option<String>,
    pub opened: Option<String>,
    pub uid: String,
    pub owners: Vec<ObjectOwner>,
    pub release: Option<HelmRelease>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectOwner {
    pub kind: String,
    pub name: String,
    pub key: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HelmRelease {
    pub name: String,
    pub revision: u64,
    pub status: String,
    pub updated: String,
    pub chart: String,
    pub app_version: String,
    pub values: String,
    pub manifest: Option<String>,
    pub notes: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectChanges {
    pub fields: Vec<ObjectField>,
    pub more: u64,
    pub folded: bool,
    pub remarks: Vec<String>,
    pub problem: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectField {
    pub path: String,
    pub old: Option<String>,
    pub new: Option<String>,
    pub hidden: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EncryptionState {
    pub keys: Vec<EncryptionKey>,
    pub opened: Vec<EncryptionCount>,
    pub unopened: Vec<EncryptionCount>,
    pub others: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EncryptionKey {
    pub provider: &'static str,
    pub name: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EncryptionCount {
    pub provider: &'static str,
    pub name: String,
    pub values: u64,
    pub why: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ManifestAnswer {
    pub written: u64,
    pub text: String,
    pub lines: Vec<String>,
    pub commands: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RelatedObjects {
    pub dependents: Vec<ObjectOwner>,
    pub events: Vec<RelatedEvent>,
    pub more: bool,
    pub lost: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RelatedEvent {
    pub key: String,
    #[serde(rename = "type")]
    pub of: String,
    pub reason: String,
    pub message: String,
    pub last: Option<i64>,
    pub count: i64,
}

/// Selects objects; same as `ObjectScope` in `calls.ts`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectScope {
    /// The id of the type; none for all types.
    pub kind: Option<String>,
    /// The namespace; none for all, including cluster-scoped objects.
    pub namespace: Option<String>,
    /// Part of `namespace/name`; case is ignored.
    pub text: String,
    pub show: Show,
}

/// Columns and order of a list; same as `ObjectOrder` in `calls.ts`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectOrder {
    /// Whether the list has the columns of `-o wide`.
    pub wide: bool,
    /// The index of the column to sort by; none for the order of the keys.
    pub column: Option<u32>,
    pub down: bool,
}

/// Which parts of an object are shown; same as `ObjectShowing` in `calls.ts`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectShowing {
    pub secrets: bool,
    pub managed_fields: bool,
}

/// Which objects to write as manifests, and how; same as `ManifestAsk` in `calls.ts`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ManifestAsk {
    /// Ids of objects, which are written even if a controller would create them; none for the objects of `scope`.
    pub ids: Option<Vec<u32>>,
    pub scope: ObjectScope,
    pub secrets: bool,
    /// Whether to include objects that a controller creates.
    pub owned: bool,
    /// Whether a scope of all namespaces includes cluster-scoped objects.
    pub cluster_wide: bool,
    /// Whether to write a zip archive instead of one text.
    pub zip: bool,
    /// The file name of the snapshot, for the README of an archive.
    pub file: String,
}
