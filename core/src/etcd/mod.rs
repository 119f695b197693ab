//! etcd's data in the bbolt file: revisions, keys and their history, and the small buckets around them.

pub mod access;
pub mod bucket_rules;
pub mod completeness;
pub mod gap;
pub mod history_check;
pub mod json_value;
pub mod keyvalue;
pub mod revision;
pub mod revision_key;
pub mod revision_record;
pub(crate) mod small_value;
pub mod version;
