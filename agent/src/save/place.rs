//! Where a snapshot goes: whether it can, before anything is fetched, and how it gets its name without taking one from another snapshot.

use std::cell::OnceCell;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Job;
use super::error::SaveError;
use super::inputs;
use super::name::{Facts, Place};
use super::origin::Origin;
use super::relation::{Depth, Newest, Relation};
use super::same_history::{self, Past};
use crate::fsx::output_target::{OutputError, judge_directory, judge_file};
use crate::fsx::part_file::PartFile;

/// By how many seconds a name may be later than its snapshot, when those before are taken.
const MOST_LATER: u64 = 60;

impl Job<'_> {
    /// Fails when nothing could be saved there. A name without places is known before anything is fetched; of the others the directory is.
    pub(super) fn judge_place(&self) -> Result<(), SaveError> {
        let directory = self.template.directory();
        // A working directory that was removed is still there for this process, and takes no file.
        let is_missing = |cause: io::Error| cause.kind() == io::ErrorKind::NotFound;
        if directory.is_relative() && env::current_dir().is_err_and(is_missing) {
            let advice = "The directory in which this program was started has been removed: change to another, or give a path that begins with /.";
            return Err(SaveError::NoDirectory { path: directory.to_owned(), advice: advice.into() });
        }
        match self.template.fixed() {
            Some(file) => self.judge_target(&file),
            None => judge_directory(directory).map_err(|error| self.explained(error)),
        }
    }

    /// Fails when the snapshot could not get that name, or would replace a file that this save reads.
    pub(super) fn judge_target(&self, file: &Path) -> Result<(), SaveError> {
        self.template.check_length(file)?;
        let is_link = fs::symlink_metadata(file).is_ok_and(|facts| facts.is_symlink());
        let leads_nowhere = || fs::metadata(file).is_err_and(|cause| cause.kind() == io::ErrorKind::NotFound);
        if is_link && leads_nowhere() {
            let reason = "it is a link that leads nowhere. If it is to lead to a directory: is that mounted? If not, remove the link";
            return Err(SaveError::Name { path: file.to_owned(), reason: reason.into() });
        }
        judge_file(file, &inputs(self.config).collect::<Vec<_>>()).map_err(|error| self.explained(error))
    }

    /// Says of a directory that is not there what may be the matter with it.
    fn explained(&self, error: OutputError) -> SaveError {
        let directory = self.template.directory();
        let is_missing = |cause: &io::Error| cause.kind() == io::ErrorKind::NotFound;
        let is_gone = fs::metadata(directory).is_err_and(|cause| is_missing(&cause));
        if !matches!(&error, OutputError::Write { cause, .. } if is_missing(cause)) || !is_gone {
            return error.into();
        }
        let has_places = ["{cluster}", "{member}", "{revision}", "{time}"]
            .iter()
            .any(|place| directory.to_string_lossy().contains(place));
        let advice = if has_places {
            "Places such as {cluster} work in the last part of the path alone, the name of the file."
        } else {
            "Is it mounted? If nothing is to be mounted there, make the directory first."
        };
        SaveError::NoDirectory { path: directory.to_owned(), advice: advice.into() }
    }

    /// Gives the file its name, and says which, and what time that tells. A name without places replaces what has it.
    pub(super) fn publish(
        &self,
        mut part: PartFile,
        facts: Facts,
        origin: Option<Origin>,
        members: &[u64],
        revision: i64,
    ) -> Result<(PathBuf, SystemTime), SaveError> {
        let attach = |part: &PartFile, file: &Path| -> Result<(), SaveError> {
            if let Some(origin) = origin {
                origin.attach(&part.handle()?, file);
            }
            Ok(())
        };
        let mut later = 0;
        loop {
            let time = facts.time.checked_add(Duration::from_secs(later)).unwrap_or(facts.time);
            let file = self.template.fill(&Facts { time, ..facts.clone() });
            // What has the name may have changed meanwhile.
            self.judge_target(&file)?;
            attach(&part, &file)?;
            let is_fixed = self.template.fixed().is_some();
            if !is_fixed && part.publish_new(&file)? {
                return Ok((file, time));
            }
            if is_fixed || !self.template.has(Place::Time) {
                if !is_fixed {
                    self.check_replaceable(&part, &file, &facts, members, revision)?;
                }
                part.publish(&file)?;
                return Ok((file, time));
            }
            later = u64::saturating_add(later, 1);
            if later > MOST_LATER {
                let reason = format!("so are the names of the next {MOST_LATER} seconds");
                return Err(SaveError::Taken { path: file, reason });
            }
        }
    }

    /// Fails unless the file that has the name is proven to be an older snapshot of the same cluster.
    fn check_replaceable(
        &self,
        part: &PartFile,
        file: &Path,
        facts: &Facts,
        members: &[u64],
        revision: i64,
    ) -> Result<(), SaveError> {
        let snapshot = same_history::open(part.path());
        let store = snapshot.as_ref().and_then(|snapshot| snapshot.store().ok());
        let past = store.as_ref().and_then(Past::of);
        let revision = facts.revision.max(revision).max(1);
        let removed = OnceCell::new();
        let newest =
            Newest { past: past.as_ref(), ..Newest::new(part.path(), facts.cluster, members, revision, &removed) };
        let reason = match newest.relation(file, None, self.template.has(Place::Cluster), Depth::Full) {
            Relation::Older => return Ok(()),
            Relation::OtherCluster => "it is of another cluster".into(),
            Relation::Stays(reason) => reason.reason(revision),
        };
        Err(SaveError::Taken { path: file.to_owned(), reason })
    }
}
