//! Reads and checks etcd v3 snapshots: the bbolt file, etcd's schema in it, and hashes.
//!
//! This crate does no I/O, starts no thread, reads no clock, prints nothing, has no `unsafe` and does not panic on
//! input. It reads through a [`Source`], reports progress to the caller's [`ScanProgress`], and returns a [`Report`]: problems
//! of the file are data, not errors.
//!
//! ```
//! use etcdsnap_core::{IgnoreProgress, Verdict, verify};
//!
//! let file = b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>".to_vec();
//! let report = verify(&file, &IgnoreProgress)?;
//! assert_eq!(report.verdict, Verdict::Damaged);
//! assert_eq!(report.findings.list()[0].code.as_str(), "not-a-snapshot");
//! # Ok::<(), etcdsnap_core::Error>(())
//! ```
//!
//! A scan reads a file by random access, in passes whose pieces any thread may take ([`pass`]), or a stream from front
//! to back ([`Sweep`]). Both give the same report.

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

mod aligned_buf;
pub mod bolt;
pub mod crc;
pub mod credentials;
pub mod data_dir;
mod error;
pub mod etcd;
mod finding;
pub mod finding_code;
pub mod fingerprint;
mod int_readers;
pub mod key_syntax;
pub mod kubernetes;
pub mod limits;
mod lost_history;
mod lost_parts;
pub mod needed_key;
pub mod needed_key_counts;
pub mod number_words;
mod offset;
pub mod pass;
mod progress;
pub mod protobuf_raw;
mod report;
pub mod restore;
pub mod rewrite;
mod scan;
mod secret_keys;
pub mod sentence;
mod severity;
pub mod source;
mod status;
pub mod store;
mod trailer;
mod varint;

pub use aligned_buf::AlignedBuf;
pub use bolt::meta::MetaChoice;
pub use bolt::page_id::PageId;
pub use error::Error;
pub use etcd::revision::Revision;
pub use etcdsnap_proto as proto;
pub use finding::{Finding, Findings, excerpt};
pub use finding_code::Code;
pub use lost_history::{LostHistory, LostPrefix, RevisionRange};
pub use number_words::grouped;
pub use offset::Offset;
pub use progress::{IgnoreProgress, ScanProgress};
pub use report::{Decrypted, Report};
pub use scan::claimed_length::{ClaimedLength, PageStartCheck};
pub use scan::conclude::{Conclusion, status, verify};
pub use scan::file_kind::{FileKind, sniff};
pub use scan::file_summary::{FileSummary, refusal_report, summarize};
pub use scan::scanner::{Opened, Scan};
pub use scan::sweep::{FinishedSweep, Sweep};
pub use scan::sweep_cache::SweepLimits;
pub use scan::trailer_hash::{TrailerHasher, check_trailer, peek_trailer, quick_trailer};
pub use severity::{Severity, Verdict};
pub use source::{Consumed, ReadError, Source};
pub use status::{BucketStatus, Status};
pub use trailer::{Sha256Hex, Trailer};
