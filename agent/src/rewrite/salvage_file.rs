//! Writes the readable contents of a damaged snapshot to a new file.

use std::num::NonZeroUsize;
use std::path::Path;

use etcdsnap_core::bolt::write::file_builder::BuiltFile;
use etcdsnap_core::rewrite::{AuthPolicy, Limits, Salvage, SalvageReport};
use etcdsnap_core::{Report, Severity, Verdict, check_trailer};

use super::{Aside, NewFile, RewriteError, first};
use crate::error::{Error, PathlessError};
use crate::input::FileSource;
use crate::progress::{Progress, Stage};
use crate::snapshot::Snapshot;
use crate::threads;

/// An open snapshot, which may be damaged.
#[derive(Debug)]
pub struct DamagedSnapshot {
    snapshot: Snapshot,
    broke_off: Option<Error>,
}

impl DamagedSnapshot {
    /// Opens `path`; `-` is standard input. The meta pages may be lost, and a compressed file may be incomplete.
    ///
    /// # Errors
    /// The same errors as [`Snapshot::open`].
    pub fn open(path: &Path, threads: Option<NonZeroUsize>, progress: &dyn Progress) -> Result<Self, Error> {
        let (snapshot, broke_off) = Snapshot::open_damaged(path, threads, progress)?;
        Ok(Self { snapshot, broke_off })
    }
}

/// Which entries the new file gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SalvageOptions {
    /// The parts of the old file from which entries are taken.
    pub limits: Limits,
    /// Whether all users and roles are left out if they cannot be read completely. Otherwise the salvage fails.
    pub reset_auth: bool,
}

/// The result of a salvage.
#[derive(Debug, Clone)]
pub struct Salvaged {
    /// The report on the entries that were found.
    pub found: SalvageReport,
    /// Whether the SHA-256 at the end of the old file matches its contents; `None` if it has none.
    pub sha256_fits: Option<bool>,
    /// Where the compressed file cannot be unpacked further, and why. Nothing after that was read.
    pub broke_off: Option<String>,
    /// Whether users and roles were left out of the new file because they could not be read.
    pub auth_was_reset: bool,
    /// The report on the new file; `None` for a dry run.
    pub new: Option<Report>,
}

impl Salvaged {
    /// Whether nothing is missing and nothing is in doubt.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.found.is_whole() && self.sha256_fits != Some(false) && self.broke_off.is_none() && !self.auth_was_reset
    }
}

/// Writes what can be read of a snapshot to `target`. Without a target, only reports what can be read.
///
/// # Errors
/// When the old file cannot be read, no key in it can be read, or users and roles cannot be read completely; or when the new file cannot be written. Then no new file is left.
pub fn salvage(
    damaged: &DamagedSnapshot,
    options: SalvageOptions,
    target: Option<NewFile>,
    progress: &dyn Progress,
) -> Result<Salvaged, RewriteError> {
    let snapshot = &damaged.snapshot;
    progress.begin(Stage::Read, None);
    // The old file is hashed while its pages are examined and the new file is written. Each of the two keeps one core busy.
    let aside = Aside::new(progress);
    let (hashed, recovered) = threads::run_both(
        || check_trailer(snapshot.source(), &aside).map_err(PathlessError::Scan),
        || {
            let recovered = recover(snapshot, options, target.as_ref(), progress);
            aside.stop_if(recovered.is_err());
            recovered
        },
    );
    // A file that was written to meanwhile may lack anything: that is said first.
    if !matches!(recovered, Err(RewriteError::Read(Error::Cancelled))) {
        snapshot.assert_unchanged()?;
    }
    let Recovered { found, auth_was_reset, written } = recovered?;
    let hashed = hashed.unwrap_or_else(|payload| Err(PathlessError::panic(payload.as_ref())));
    let trailer = snapshot.source().unless_changed(hashed.map_err(|failure| failure.at(snapshot.path())))?;
    let sha256_fits = trailer.present.then(|| trailer.actual == trailer.expected);
    let broke_off = damaged.broke_off.as_ref().map(ToString::to_string);
    let mut done = Salvaged { found, sha256_fits, broke_off, auth_was_reset, new: None };
    snapshot.assert_unchanged()?;
    if let (Some(target), Some((built, report))) = (target, written) {
        target.seal(&built, &report)?;
        target.publish()?;
        done.new = Some(report);
    }
    Ok(done)
}

/// The report, and the new file, which still lacks its SHA-256 and its name.
struct Recovered {
    found: SalvageReport,
    auth_was_reset: bool,
    /// The new file and the report about it; `None` without a target.
    written: Option<(BuiltFile, Report)>,
}

/// Examines the old file, and writes the new one to `target`.
fn recover(
    snapshot: &Snapshot,
    options: SalvageOptions,
    target: Option<&NewFile>,
    progress: &dyn Progress,
) -> Result<Recovered, RewriteError> {
    let path = || snapshot.path().to_owned();
    let opened = Salvage::open(snapshot.source(), options.limits, progress);
    let salvage = opened.map_err(|cause| snapshot.failed(cause))?;
    let salvage =
        salvage.filter(|salvage| !salvage.has_nothing()).ok_or_else(|| RewriteError::Nothing { path: path() })?;
    let mut auth_was_reset = salvage.auth_is_damaged();
    if auth_was_reset && !options.reset_auth {
        return Err(RewriteError::Auth { path: path() });
    }
    let found = salvage.report().clone();
    let Some(target) = target else { return Ok(Recovered { found, auth_was_reset, written: None }) };
    let mut policy = if auth_was_reset { AuthPolicy::Reset } else { AuthPolicy::AsRead };
    loop {
        progress.begin(Stage::Copy, None);
        let (built, report) = written(snapshot, &salvage, policy, target, progress)?;
        match (report.verdict, policy) {
            (Verdict::Damaged, AuthPolicy::AsRead) if is_about_auth(&report) => {
                if !options.reset_auth {
                    return Err(RewriteError::Auth { path: path() });
                }
                // Each entry can be read, but together they contradict each other.
                (policy, auth_was_reset) = (AuthPolicy::Reset, true);
                target.clear()?;
            }
            (Verdict::Damaged, _) => {
                return Err(RewriteError::Contradiction { path: path(), finding: first(&report).map(Box::new) });
            }
            _ => return Ok(Recovered { found, auth_was_reset, written: Some((built, report)) }),
        }
    }
}

fn written(
    snapshot: &Snapshot,
    salvage: &Salvage<'_, FileSource>,
    policy: AuthPolicy,
    target: &NewFile,
    progress: &dyn Progress,
) -> Result<(BuiltFile, Report), RewriteError> {
    let built = target.with_sink(salvage.page_size(), |sink| {
        let written = salvage.write(policy, sink, progress);
        let (built, sink) = written.map_err(|error| RewriteError::of_core(snapshot.path(), error))?;
        sink.finish()?;
        Ok(built)
    })?;
    let report = target.judge(&built, snapshot.chosen_threads(), progress)?;
    Ok((built, report))
}

/// Whether all damage in a report is damage of users and roles.
fn is_about_auth(report: &Report) -> bool {
    let mut damage = report.findings.counts().keys().filter(|code| code.severity() == Severity::Damage);
    damage.all(|code| code.is_about_auth())
}
