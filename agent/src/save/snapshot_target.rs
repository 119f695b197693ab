//! The target of a snapshot: checked before anything is downloaded, and named without replacing another snapshot.

use etcdsnap_core::Revision;
use std::cell::OnceCell;
use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;

use super::SaveJob;
use super::inputs;
use super::name_template::{Placeholder, PlaceholderValues, Template, has_placeholders};
use super::origin::{FileIn, Origin};
use super::relation::{NewSnapshot, ProofDepth, Relation};
use super::same_history::PastEntries;
use super::save_error::SaveError;
use crate::fsx::directory::Directory;
use crate::fsx::output_directory::check_directory;
use crate::fsx::output_error::OutputError;
use crate::fsx::output_target::check_file_name;
use crate::fsx::part_file::PartFile;

/// By how many seconds the time in a name is moved on at most if earlier names are taken.
const MAX_SECONDS_LATER: u64 = 60;

impl Template {
    /// Opens the target directory. If its path later leads elsewhere, that has no effect.
    ///
    /// # Errors
    /// [`SaveError::NoDirectory`] if it does not exist, with a possible cause; otherwise an error of the system.
    pub(super) fn open_directory(&self) -> Result<Directory, SaveError> {
        let path = self.directory();
        let is_missing = |cause: &io::Error| cause.kind() == io::ErrorKind::NotFound;
        // A removed working directory still exists for this process, but no file can be created in it.
        if path.is_relative() && env::current_dir().is_err_and(|cause| is_missing(&cause)) {
            let advice = "The directory in which this program was started has been removed: change to another, or give a path that begins with /.";
            return Err(SaveError::NoDirectory { path: path.to_owned(), advice: advice.into() });
        }
        Directory::open(path).map_err(|cause| {
            if !is_missing(&cause) {
                return OutputError::Write { path: path.to_owned(), cause }.into();
            }
            let advice = if has_placeholders(path.as_os_str().as_bytes()) {
                "Placeholders such as {cluster} work only in the file name, the last part of the path."
            } else {
                "Is it mounted? If nothing is to be mounted there, create the directory first."
            };
            SaveError::NoDirectory { path: path.to_owned(), advice: advice.into() }
        })
    }
}

impl SaveJob<'_> {
    /// Checks that a snapshot can be saved there: a name without placeholders is checked completely, of other names only the directory, because they are not known yet.
    pub(super) fn check_place(&self, directory: &Directory) -> Result<(), SaveError> {
        if let Some(name) = self.template.fixed() {
            self.check_target(directory, &name)?;
        }
        Ok(check_directory(directory)?)
    }

    /// Checks that the snapshot can get that name, and would not replace a file that this save reads.
    pub(super) fn check_target(&self, directory: &Directory, name: &OsStr) -> Result<(), SaveError> {
        self.template.check_length(name)?;
        let path = self.template.path_of(name);
        let is_link = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|facts| FileType::from_raw_mode(facts.st_mode) == FileType::Symlink);
        if is_link && matches!(statat(directory, name, AtFlags::empty()), Err(Errno::NOENT)) {
            let reason = "it is a dangling link. If it should lead to a directory, check that it is mounted; otherwise remove the link";
            return Err(SaveError::Name { path, reason: reason.into() });
        }
        Ok(check_file_name(directory, Path::new(name), &path, &inputs(self.config).collect::<Vec<_>>())?)
    }

    /// Gives the file its name in `directory`; returns the name and the time in it. If the name has no placeholders, an existing file is replaced.
    pub(super) fn publish(
        &self,
        directory: &Directory,
        mut part: PartFile,
        facts: PlaceholderValues,
        origin: Option<Origin>,
        members: &[u64],
        revision: Revision,
    ) -> Result<(OsString, SystemTime), SaveError> {
        let attach = |part: &PartFile, name: &OsStr| -> Result<(), SaveError> {
            if let Some(origin) = origin {
                origin.write_mark(&part.handle()?, name);
            }
            Ok(())
        };
        let mut later = 0;
        loop {
            let time = facts.time.checked_add(Duration::from_secs(later)).unwrap_or(facts.time);
            let name = self.template.fill(&PlaceholderValues { time, ..facts.clone() });
            let file = self.template.path_of(&name);
            // The file with that name may have changed since the first check.
            self.check_target(directory, &name)?;
            attach(&part, &name)?;
            let is_fixed = self.template.fixed().is_some();
            if !is_fixed && part.publish_new(Path::new(&name), &file)? {
                return Ok((name, time));
            }
            if is_fixed || !self.template.has(Placeholder::Time) {
                if !is_fixed {
                    self.check_replaceable(&part, FileIn { directory, name: &name }, &facts, members, revision)?;
                }
                part.publish(Path::new(&name), &file)?;
                return Ok((name, time));
            }
            later = u64::saturating_add(later, 1);
            if later > MAX_SECONDS_LATER {
                let reason = format!("the names of the next {MAX_SECONDS_LATER} seconds are taken, too");
                return Err(SaveError::Taken { path: file, reason });
            }
        }
    }

    /// Checks that the existing file is proven to be an older snapshot of the same cluster.
    fn check_replaceable(
        &self,
        part: &PartFile,
        old: FileIn<'_>,
        facts: &PlaceholderValues,
        members: &[u64],
        revision: Revision,
    ) -> Result<(), SaveError> {
        let (file, shown) = (part.handle()?, part.display_path());
        let revision = facts.revision.max(revision).max(Revision::FIRST);
        let removed = OnceCell::new();
        let newest = NewSnapshot::new((&file, old.name, &shown), facts.cluster, members, revision, &removed);
        let snapshot = newest.snapshot();
        let store = snapshot.as_ref().and_then(|snapshot| snapshot.store().ok());
        let past_entries = store.as_ref().and_then(PastEntries::of);
        let newest = NewSnapshot { past_entries: past_entries.as_ref(), ..newest };
        let reason = match newest.relation(old, None, self.template.has(Placeholder::Cluster), ProofDepth::Full) {
            Relation::Older => return Ok(()),
            Relation::OtherCluster => "it belongs to another cluster".into(),
            Relation::Stays(reason) => reason.reason(revision),
        };
        Err(SaveError::Taken { path: self.template.path_of(old.name), reason })
    }
}
