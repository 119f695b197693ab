//! etcdsnap as a library: save, judge and restore snapshots from Rust.
//!
//! ```no_run
//! # fn main() -> Result<(), etcdsnap::Error> {
//! let report = etcdsnap::verify("backup.db", etcdsnap::VerifyOptions::default())?;
//! println!("{}", report.verdict.as_str());
//! # Ok(())
//! # }
//! ```
//!
//! What is wrong with a file is a finding in the [`Report`]; an [`Error`] says that no judgement could be reached.
//! Inputs are opened read-only. A gzip, zip or zstd file is judged by what it holds; `-` is the standard input.

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
pub use decryption::{Decryption, DecryptionError, Unopened};
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

/// What a snapshot holds, in numbers, with its structure checked and its SHA-256 not computed.
///
/// # Errors
/// As [`verify`].
pub fn status(path: impl AsRef<Path>) -> Result<Report, Error> {
    verify(path, VerifyOptions { sha256: Sha256::Skip, ..VerifyOptions::default() })
}

/// Checks a snapshot file whole: every page, every entry and the SHA-256 behind them.
///
/// The judgement is in the [`Report`], also when the file is damaged or no snapshot at all.
///
/// # Errors
/// - [`Error::Open`], [`Error::Directory`], [`Error::Terminal`]: `path` is nothing that can be read.
/// - [`Error::Scan`]: a read failed half-way (with the offset), or memory ran out.
/// - [`Error::Changed`]: the file was written to while it was read, so no answer about it would be true.
/// - [`Error::Unpack`], [`Error::Unsupported`], [`Error::Window`], [`Error::NoPages`]: a compressed file is corrupt, cut short, of a kind
///   that cannot be read here, or holds endless data.
/// - [`Error::Spool`]: a temporary copy was needed and could not be made.
/// - [`Error::Cancelled`]: the [`Progress`] asked to stop.
pub fn verify(path: impl AsRef<Path>, options: VerifyOptions<'_>) -> Result<Report, Error> {
    verify_input(&Input::open(path.as_ref(), options.progress)?, &options)
}

/// The same of an input that is open.
pub(crate) fn verify_input(input: &Input, options: &VerifyOptions<'_>) -> Result<Report, Error> {
    if let Some(report) = input.foreign() {
        return Ok(report);
    }
    match &input.body {
        Body::Plain(file) => {
            file.unless_changed(parallel_verify::run(file, options).map_err(|fault| fault.at(&input.path)))
        }
        Body::Packed(packed) => packed.source().unless_changed(stream_verify::run(packed, options)),
    }
}
