//! The bbolt file format: meta pages, tree pages, buckets, freelist. Nothing here knows about etcd.
//!
//! Source of the format: bbolt's `internal/common` (`meta.go`, `page.go`, `bucket.go`); all integers are little-endian.

mod added_pages;
pub mod bucket;
pub mod database;
pub mod edit;
pub mod freelist;
pub mod leaf;
pub mod meta;
mod node;
pub mod own_overflow;
pub mod page;
pub(crate) mod page_budget;
pub mod page_id;
pub mod page_set;
pub mod reader;
pub mod sizes;
pub mod write;
