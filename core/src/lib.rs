//! Everything etcdsnap knows about an etcd v3 snapshot: the bolt file, etcd's schema in it, hashes, checks.
//!
//! This crate does no I/O, starts no thread, reads no clock, prints nothing, has no `unsafe` and does not panic on input. It reads through
//! [`Source`], follows the caller's [`Watch`], and answers with a [`Report`]: what is wrong is data, not an error.
//!
//! ```
//! use etcdsnap_core::{Unwatched, Verdict, verify};
//!
//! let file = b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>".to_vec();
//! let report = verify(&file, &Unwatched)?;
//! assert_eq!(report.verdict, Verdict::Damaged);
//! assert_eq!(report.findings.list()[0].code.as_str(), "not-a-snapshot");
//! # Ok::<(), etcdsnap_core::Error>(())
//! ```
//!
//! A scan runs in passes whose pieces threads take ([`pass`]), or over a stream that is read once ([`Sweep`]); the report is the same.

#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::print_stderr,
        clippy::print_stdout,
        clippy::unreachable,
        clippy::unwrap_used,
        clippy::disallowed_methods,
        clippy::disallowed_types
    )
)]

mod block;
pub mod bolt;
pub mod code;
pub mod crc;
pub mod credentials;
pub mod data_dir;
mod error;
pub mod etcd;
mod fields;
mod finding;
pub mod fingerprint;
pub mod key_tally;
pub mod kubernetes;
pub mod limits;
mod lost;
mod lost_history;
pub mod message;
pub mod needed_key;
pub mod number_words;
mod offset;
pub mod pass;
mod report;
pub mod restore;
pub mod rewrite;
mod scan;
mod secret_keys;
mod severity;
pub mod source;
mod status;
pub mod store;
mod trailer;
mod varint;
mod watch;
pub mod words;

pub use block::Block;
pub use bolt::meta::MetaChoice;
pub use bolt::page_id::PageId;
pub use code::Code;
pub use error::Error;
pub use etcdsnap_proto as proto;
pub use finding::{Finding, Findings, excerpt};
pub use lost_history::{LostHistory, LostPrefix, RevisionRange};
pub use offset::Offset;
pub use report::{Decrypted, Report};
pub use scan::extent::{Extent, PageWatch};
pub use scan::finish::{Conclusion, status, verify};
pub use scan::memory::SweepRoom;
pub use scan::open::{Opened, Scan};
pub use scan::peek::{Peek, peek, refuse};
pub use scan::sniff::{FileKind, sniff};
pub use scan::sweep::{Sweep, Swept};
pub use scan::trailer::{Hashing, check_trailer, peek_trailer};
pub use severity::{Severity, Verdict};
pub use source::{Consumed, ReadError, Source};
pub use status::{BucketStatus, Status};
pub use trailer::{Sha256Hex, Trailer};
pub use watch::{Unwatched, Watch};
