//! Scans: the walk down the tree, the sweep along the file, and what is made of them.

pub mod ahead;
pub mod descent;
pub mod digest;
pub mod digest_strip;
pub mod extent;
pub mod finish;
pub mod fold;
pub mod key;
pub mod live;
pub mod locate;
pub mod losses;
pub mod lost_ranges;
pub mod lost_revisions;
pub mod memory;
pub mod older_meta;
pub mod open;
pub mod peek;
pub mod small;
pub mod sniff;
pub mod subtree;
pub mod survey;
pub mod sweep;
pub mod trailer;
pub mod unreachable;
pub mod walk;
