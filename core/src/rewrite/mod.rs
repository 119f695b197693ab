//! Writes a new database from an old one. The caller chooses the entries; this module makes a complete etcd store of them.
//!
//! ```text
//! Store (entries in order) ── Plan, EntryFilter ──▶ bolt::write::FileBuilder ──▶ pages, then the two meta pages
//! Salvage (intact leaves of a damaged file) ───▶
//! ```
//! The pages go to the caller's sink, and the old file is only read. The new file has no SHA-256 yet: the caller computes and appends it.

mod bucket_changes;
pub mod cut;
mod damaged_buckets;
pub mod entry_filter;
mod intact_tree;
mod key_chains;
pub mod key_choice;
mod key_intervals;
mod key_leaves;
pub mod lapsed_leases;
mod leaf_reader;
mod leaf_slice;
mod left_out;
mod lost_metas;
pub mod new_file;
pub mod redact;
pub mod salvage;
pub mod salvage_report;
mod small_buckets;
mod stray_chains;
mod stray_leaves;
mod stray_merge;
mod stray_pages;

pub use cut::{Cut, CutReport, CutSide, Share};
pub use entry_filter::{EntryFilter, FilterError};
pub use key_choice::KeyChoice;
pub use lapsed_leases::LapsedLeases;
pub use new_file::{Alterations, EntryTotals, Plan, RewriteError, Written, write, write_altered};
pub use redact::{KindRedaction, RedactReport, Redaction};
pub use salvage::{AuthPolicy, Limits, Salvage};
pub use salvage_report::{BucketOrigin, Origin, SalvageReport};
