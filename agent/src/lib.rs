//! etcdsnap as a library: save, verify and restore snapshots from Rust.
//!
//! ```no_run
//! # fn main() -> Result<(), etcdsnap::Error> {
//! let report = etcdsnap::verify("backup.db", etcdsnap::VerifyOptions::default())?;
//! println!("{}", report.verdict.as_str());
//! # Ok(())
//! # }
//! ```
//!
//! Problems of a file are findings in the [`Report`]; an [`Error`] means that there is no verdict.
//! Inputs are opened read-only. A gzip, zip or zstd file is unpacked; `-` is standard input.

mod byte_text;
pub mod client;
mod data_dir;
mod decryption;
mod error;
mod export;
mod free_space;
mod fsx;
pub mod grouped_number;
mod input;
mod json_text;
mod parallel_verify;
mod printable;
mod progress;
mod restore;
mod rewrite;
pub mod save;
mod sha256_stream;
pub mod small_file;
mod snapshot;
mod stream_verify;
mod terminal_writer;
mod threads;
mod verify_options;

use std::path::Path;

pub use byte_text::{put_bytes, put_path};
pub use data_dir::{
    DirectoryReport, LogFacts, SnapshotFacts, Standing, TornFacts, is_data_dir, is_locked, verify_directory,
};
pub use decryption::{Decryption, DecryptionError, UndecryptedCounts};
pub use error::Error;
pub use etcdsnap_core::key_syntax::{is_secret, printable};
pub use etcdsnap_core::{
    self as core, BucketStatus, Code, Finding, Findings, Report, Severity, Status, Trailer, Verdict,
};
pub use export::{Export, ExportError, ExportFormat, ExportTarget, export, export_to};
pub use fsx::new_directory::NewDirectory;
pub use fsx::output_error::OutputError;
pub use fsx::output_target::check_output_streams;
pub use fsx::part_file_error::PartFileError;
pub use fsx::work_directory::WorkDirectory;
pub use input::{FileSource, Format};
pub use json_text::{to_json, write_json};
pub use printable::{printable_path, shell_word, typed_path};
pub use progress::{NoProgress, Progress, Stage};
pub use restore::{
    AutoBump, BumpBasis, LeasedKey, NewLease, RestoreConfig, RestoreError, RestoreVerify, Restored, Run, StateChanges,
    auto_bump, restore, restore_all_members,
};
pub use rewrite::{
    CutDone, DamagedSnapshot, DefragmentedMember, NewFile, RedactDone, Rewrite, RewriteError, Rewritten,
    SalvageOptions, Salvaged, cut, defragment_member, redact, rewrite, salvage,
};
pub use save::save;
pub use snapshot::{
    Answer, Cluster, ClusterCheck, ClusterIdentity, EncryptionGroup, EncryptionUsage, Found, FoundObject, HeavyKey,
    KindUsage, KubernetesPrefixes, ObjectAnswer, ObjectFinding, ObjectKind, ObjectName, ObjectState, Side, Snapshot,
    StoredObject, UsageReport, compare, find, find_object, is_kube_system, state_as_of, uid, verify_values,
};
pub use terminal_writer::{Escapes, TerminalWriter};
pub use verify_options::{Sha256, VerifyOptions};

use input::{Body, Input};

/// Summarizes a snapshot and checks its structure; does not compute its SHA-256.
///
/// # Errors
/// As [`verify`].
pub fn status(path: impl AsRef<Path>) -> Result<Report, Error> {
    verify(path, VerifyOptions { sha256: Sha256::Skip, ..VerifyOptions::default() })
}

/// Verifies a whole snapshot file: every page, every entry and the SHA-256 after them.
///
/// The verdict is in the [`Report`], also if the file is damaged or not a snapshot.
///
/// # Errors
/// - [`Error::Open`], [`Error::Directory`], [`Error::Terminal`]: `path` cannot be read.
/// - [`Error::Scan`]: a read failed half-way (with the offset), or memory ran out.
/// - [`Error::Changed`]: the file was written to while it was read, so no report would be true.
/// - [`Error::Unpack`], [`Error::Unsupported`], [`Error::Window`], [`Error::NoPages`]: a compressed file is corrupt, truncated, of an unsupported
///   kind, or contains endless data.
/// - [`Error::Spool`]: a temporary copy was needed but could not be made.
/// - [`Error::Cancelled`]: the [`Progress`] asked to stop.
pub fn verify(path: impl AsRef<Path>, options: VerifyOptions<'_>) -> Result<Report, Error> {
    verify_input(&Input::open(path.as_ref(), options.progress)?, &options)
}

/// Like [`verify`], for an open input.
pub(crate) fn verify_input(input: &Input, options: &VerifyOptions<'_>) -> Result<Report, Error> {
    if let Some(report) = input.foreign_report() {
        return Ok(report);
    }
    match &input.body {
        Body::Plain(file) => {
            file.unless_changed(parallel_verify::run(file, options).map_err(|fault| fault.at(&input.path)))
        }
        Body::Packed(packed) => packed.source().unless_changed(stream_verify::run(packed, options)),
    }
}
