//! A new file out of an old one: which entries it gets is the caller's, that it is a whole etcd store is this module's.
//!
//! ```text
//! Store (entries in order) ── which to keep ──▶ bolt::write::FileBuilder ──▶ pages, then the two meta pages
//! ```
//! Nothing is written here, and the old file is only read. The new one has no trailer yet: whoever writes it hashes it.

pub mod new_file;

pub use new_file::{Counts, Plan, RewriteError, write};
