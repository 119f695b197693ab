//! The output of a rewrite: first the pages are written, then the meta pages before them, then the SHA-256 after them; then it gets its name.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use etcdsnap_core::bolt::write::file_builder::BuiltFile;
use etcdsnap_core::{Report, Sha256Hex, Verdict};
use rustix::fs::{AtFlags, statat};

use super::RewriteError;
use super::block_sink::BlockSink;
use crate::error::Error;
use crate::fsx::compressed_name;
use crate::fsx::directory::Directory;
use crate::fsx::early_flush;
use crate::fsx::file_identity::FileIdentity;
use crate::fsx::output_error::OutputError;
use crate::fsx::output_target::file_target;
use crate::fsx::part_file::{self, PartFile};
use crate::fsx::part_file_error::PartFileError;
use crate::input::FileSource;
use crate::parallel_verify;
use crate::progress::Progress;
use crate::sha256_stream::TRAILER_LEN;
use crate::verify_options::{Sha256, VerifyOptions};

/// What follows the database in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Its SHA-256, as in a snapshot.
    Sha256,
    /// Nothing, as in a member's own database.
    Nothing,
}

/// An output file, checked and open: from now on only a disk error or a full disk can make writing fail.
pub struct NewFile {
    part: PartFile,
    /// The final name in the directory of `part`.
    name: OsString,
    path: PathBuf,
    input: Option<FileIdentity>,
    ending: Ending,
}

impl NewFile {
    /// Checks and opens `path`; an existing file is replaced when the new one is complete. `input` is the snapshot to rewrite. Call this before the input is
    /// opened, which may take long.
    ///
    /// # Errors
    /// [`RewriteError::Target`] if no file can be created there, it is the snapshot itself, under any name, or its name is that of a compressed file; [`RewriteError::File`].
    pub fn open(path: &Path, input: &Path) -> Result<Self, RewriteError> {
        let _kept = part_file::protect_from_removal(input);
        let Some((directory, name)) = file_target(path, &[input])? else {
            let reason = "cannot take a new snapshot: its first page is written last";
            return Err(OutputError::Kind { path: path.to_owned(), reason }.into());
        };
        compressed_name::refuse(path)?;
        let part = PartFile::new(&directory)?;
        let input = FileIdentity::of_input(input);
        Ok(Self { part, name, path: path.to_owned(), input, ending: Ending::Sha256 })
    }

    /// Opens an output with the final name `name` in `directory`, which was checked before; `path` is for messages.
    ///
    /// # Errors
    /// [`PartFileError`] if no file can be created there.
    pub(crate) fn within(
        directory: &Directory,
        name: OsString,
        path: PathBuf,
        ending: Ending,
    ) -> Result<Self, PartFileError> {
        Ok(Self { part: PartFile::new(directory)?, name, path, input: None, ending })
    }

    /// Returns the file, for the caller to rename.
    pub(crate) fn into_part(self) -> PartFile {
        self.part
    }

    /// Duplicates its handle.
    pub(super) fn handle(&self) -> Result<File, PartFileError> {
        self.part.handle()
    }

    /// Returns what follows the database.
    pub(super) fn ending(&self) -> Ending {
        self.ending
    }

    /// Warns of unfinished files beside it, which killed runs seem to have left.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        self.part.leftover_warning()
    }

    /// Lets `work` write the pages, which come after the space for the meta pages. Meanwhile they are flushed to the disk, so that the sync at the end has little left to do.
    pub(super) fn with_sink<T>(
        &self,
        page_size: u32,
        work: impl FnOnce(BlockSink<'_, PartFileError>) -> Result<T, RewriteError>,
    ) -> Result<T, RewriteError> {
        let file = self.part.handle()?;
        let failed = |cause| self.part.failed(cause);
        early_flush::with_early_flush(
            || Ok(file.sync_data().map_err(failed)?),
            |mut unflushed| {
                let mut at = u64::from(page_size).saturating_mul(2);
                work(BlockSink::new(|block| {
                    file.write_all_at(block, at).map_err(failed)?;
                    at = at.saturating_add(block.len() as u64);
                    // Of a flush that failed, the flushing thread returns the error, which takes precedence.
                    if unflushed.add(block.len() as u64) { Ok(()) } else { Err(failed(io::ErrorKind::Other.into())) }
                }))
            },
        )
    }

    /// Writes the meta pages, and verifies the whole file by reading it back; the report contains its SHA-256.
    pub(super) fn judge(
        &self,
        built: &BuiltFile,
        threads: Option<NonZeroUsize>,
        progress: &dyn Progress,
    ) -> Result<Report, RewriteError> {
        let file = self.part.handle()?;
        let failed = |cause| self.part.failed(cause);
        file.write_all_at(&built.meta_pages, 0).map_err(failed)?;
        if self.ending == Ending::Sha256 {
            // The SHA-256 is known only after reading; until then zeros take its place.
            file.write_all_at(&[0; TRAILER_LEN], built.len).map_err(failed)?;
        }
        let source = FileSource::new(self.part.handle()?, &self.path).map_err(failed)?;
        let options = VerifyOptions { threads, progress, ..VerifyOptions::default() };
        let judged = match self.ending {
            Ending::Sha256 => parallel_verify::run_before_trailer(&source, &options),
            Ending::Nothing => parallel_verify::run(&source, &VerifyOptions { sha256: Sha256::Skip, ..options }),
        };
        Ok(source.unless_changed(judged.map_err(|fault| fault.at(&self.path)))?)
    }

    /// Appends the SHA-256 to the verified file, and syncs it. Refuses a damaged one.
    pub(super) fn seal(&self, built: &BuiltFile, report: &Report) -> Result<(), RewriteError> {
        if report.verdict == Verdict::Damaged {
            let finding = super::first(report).map(|finding| finding.message).unwrap_or_default();
            return Err(Error::Defect(format!("the new file is not sound and was removed: {finding}")).into());
        }
        if self.ending == Ending::Sha256 {
            let sha256 = report.trailer.actual.as_ref().and_then(Sha256Hex::to_bytes);
            let sha256 = sha256.ok_or_else(|| Error::Defect("the new file was not hashed and was removed".into()))?;
            self.part.handle()?.write_all_at(&sha256, built.len).map_err(|cause| self.part.failed(cause))?;
        }
        Ok(self.part.sync()?)
    }

    /// Discards what was written.
    pub(super) fn clear(&self) -> Result<(), PartFileError> {
        self.part.handle()?.set_len(0).map_err(|cause| self.part.failed(cause))
    }

    /// Renames the file to its final name.
    pub(super) fn publish(self) -> Result<(), RewriteError> {
        // The name may have been made to lead to the snapshot meanwhile.
        let name = Path::new(&self.name);
        let named = statat(self.part.directory(), name, AtFlags::empty()).ok();
        if self.input.is_some() && named.as_ref().map(FileIdentity::of_stat) == self.input {
            return Err(OutputError::Input { input: self.path.clone(), path: self.path }.into());
        }
        Ok(self.part.publish(name, &self.path)?)
    }
}
