//! Scans: the walk down the tree, the sweep along the file, and the evaluation of both.

pub mod branch_descent;
pub mod claimed_length;
pub mod conclude;
pub mod contradiction_locator;
pub mod damage_by_bucket;
pub mod digest;
pub mod digest_strip;
pub mod file_kind;
pub mod file_summary;
pub mod key_bucket;
pub mod known_pages;
pub mod leaf_prefetch;
pub mod leaf_visitor;
pub mod live_key_count;
pub mod lost_ranges;
pub mod lost_revisions;
pub mod older_meta;
pub mod scanner;
pub mod schema_buckets;
pub mod subtree;
pub mod sweep;
pub mod sweep_cache;
pub mod trailer_hash;
pub mod unreachable;
pub mod walk;
