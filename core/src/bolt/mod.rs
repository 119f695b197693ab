//! The bolt file format: metas, pages, buckets, freelist. Nothing here knows of etcd.
//!
//! Source of the format: bbolt's `internal/common` (`meta.go`, `page.go`, `bucket.go`); all integers are little-endian.

mod added;
pub mod bucket;
pub mod database;
pub mod edit;
pub mod freelist;
pub mod leaf;
pub mod meta;
pub mod own_overflow;
pub mod page;
pub mod page_id;
pub mod reader;
pub(crate) mod room;
pub mod set;
pub mod sizes;
mod tree;
pub mod write;
