//! What a damaged snapshot still holds, as a new file.

use std::num::NonZeroUsize;
use std::path::Path;

use etcdsnap_core::bolt::write::file_builder::BuiltFile;
use etcdsnap_core::rewrite::{AuthPolicy, Limits, Salvage, SalvageReport};
use etcdsnap_core::{Report, Severity, Verdict, check_trailer};

use super::{Aside, NewFile, RewriteError, first};
use crate::error::{Error, Fault};
use crate::input::FileSource;
use crate::progress::{Progress, Stage};
use crate::snapshot::Snapshot;
use crate::threads;

/// A damaged snapshot that is open.
#[derive(Debug)]
pub struct DamagedSnapshot {
    snapshot: Snapshot,
    broke_off: Option<Error>,
}

impl DamagedSnapshot {
    /// Opens `path`; `-` is the standard input. Neither a meta page nor, of a compressed file, its end need be there.
    ///
    /// # Errors
    /// As [`Snapshot::open`].
    pub fn open(path: &Path, threads: Option<NonZeroUsize>, progress: &dyn Progress) -> Result<Self, Error> {
        let (snapshot, broke_off) = Snapshot::open_damaged(path, threads, progress)?;
        Ok(Self { snapshot, broke_off })
    }
}

/// What is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SalvageOptions {
    /// From where.
    pub limits: Limits,
    /// Whether users and roles that cannot be read whole are left out, all of them.
    pub reset_auth: bool,
}

/// What was found, and what came of it.
#[derive(Debug, Clone)]
pub struct Salvaged {
    /// What was found.
    pub found: SalvageReport,
    /// Whether the SHA-256 of the old file is the one behind it; none when it has none.
    pub sha256_fits: Option<bool>,
    /// Where the compressed file cannot be unpacked further, and why: nothing behind that was looked at.
    pub broke_off: Option<String>,
    /// Whether there are no users and roles in the new file because they could not be read.
    pub auth_was_reset: bool,
    /// The judgement of the new file; none of a dry run.
    pub new: Option<Report>,
}

impl Salvaged {
    /// Whether nothing is missing and nothing in doubt.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.found.is_whole() && self.sha256_fits != Some(false) && self.broke_off.is_none() && !self.auth_was_reset
    }
}

/// Writes what can be read of a snapshot to `target`; without one it only looks.
///
/// # Errors
/// When the old file cannot be read, holds nothing that can be had, or its users and roles cannot be read whole; or when the new one cannot be written. Nothing is left of that then.
pub fn salvage(
    damaged: &DamagedSnapshot,
    options: SalvageOptions,
    target: Option<NewFile>,
    progress: &dyn Progress,
) -> Result<Salvaged, RewriteError> {
    let snapshot = &damaged.snapshot;
    let path = || snapshot.path().to_owned();
    progress.begin(Stage::Read, None);
    let aside = Aside::new(progress);
    let (hashed, looked) = threads::run_both(
        || check_trailer(snapshot.source(), &aside).map_err(Fault::Scan),
        || {
            let looked = Salvage::open(snapshot.source(), options.limits, progress);
            aside.stop_if(!matches!(looked, Ok(Some(_))));
            looked.map_err(|cause| snapshot.failed(cause))
        },
    );
    let salvage = looked?.ok_or_else(|| RewriteError::Nothing { path: path() })?;
    let hashed = hashed.unwrap_or_else(|payload| Err(Fault::panic(payload.as_ref())));
    let trailer = snapshot.source().unless_changed(hashed.map_err(|fault| fault.at(snapshot.path())))?;
    let sha256_fits = trailer.present.then(|| trailer.actual == trailer.expected);
    if salvage.has_nothing() {
        return Err(RewriteError::Nothing { path: path() });
    }
    let reset = salvage.auth_is_damaged();
    if reset && !options.reset_auth {
        return Err(RewriteError::Auth { path: path() });
    }
    let broke_off = damaged.broke_off.as_ref().map(ToString::to_string);
    let found = salvage.report().clone();
    let mut done = Salvaged { found, sha256_fits, broke_off, auth_was_reset: reset, new: None };
    let Some(target) = target else {
        snapshot.assert_unchanged()?;
        return Ok(done);
    };
    let mut policy = if reset { AuthPolicy::Reset } else { AuthPolicy::AsRead };
    let (built, report) = loop {
        progress.begin(Stage::Copy, None);
        let (built, report) = written(snapshot, &salvage, policy, &target, progress)?;
        match (report.verdict, policy) {
            (Verdict::Damaged, AuthPolicy::AsRead) if is_about_auth(&report) => {
                if !options.reset_auth {
                    return Err(RewriteError::Auth { path: path() });
                }
                // Each of them can be read, and together they make no sense.
                (policy, done.auth_was_reset) = (AuthPolicy::Reset, true);
                target.clear()?;
            }
            (Verdict::Damaged, _) => {
                return Err(RewriteError::Contradiction { path: path(), finding: first(&report).map(Box::new) });
            }
            _ => break (built, report),
        }
    };
    snapshot.assert_unchanged()?;
    target.seal(&built, &report)?;
    target.publish()?;
    done.new = Some(report);
    Ok(done)
}

fn written(
    snapshot: &Snapshot,
    salvage: &Salvage<'_, FileSource>,
    policy: AuthPolicy,
    target: &NewFile,
    progress: &dyn Progress,
) -> Result<(BuiltFile, Report), RewriteError> {
    let sink = target.sink(salvage.page_size())?;
    let (built, sink) =
        salvage.write(policy, sink, progress).map_err(|error| RewriteError::of_core(snapshot.path(), error))?;
    sink.finish()?;
    let report = target.judge(&built, snapshot.chosen_threads(), progress)?;
    Ok((built, report))
}

/// Whether all damage of a file is that of users and roles.
fn is_about_auth(report: &Report) -> bool {
    let mut damage = report.findings.counts().keys().filter(|code| code.severity() == Severity::Damage);
    damage.all(|code| code.is_about_auth())
}
