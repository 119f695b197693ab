//! What etcd keeps in bolt: revisions, keys and their history, and the small buckets around them.

pub mod access;
pub mod completeness;
pub mod gap;
pub mod history;
pub mod json_value;
pub mod keyvalue;
pub mod record;
pub mod revision;
pub mod revision_key;
pub mod schema;
pub(crate) mod small_value;
pub mod version;
