//! The file that a rewrite makes: pages first, then the meta pages before them, then the SHA-256 behind them, then its name.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use etcdsnap_core::bolt::write::file_builder::{Built, PageSink};
use etcdsnap_core::{Report, Sha256Hex, Verdict};
use rustix::fs::{AtFlags, statat};

use super::RewriteError;
use crate::error::Error;
use crate::fsx::directory::Directory;
use crate::fsx::file_identity::FileIdentity;
use crate::fsx::output_error::OutputError;
use crate::fsx::output_target::file_target;
use crate::fsx::part_file::{self, PartFile};
use crate::fsx::part_file_error::PartFileError;
use crate::input::FileSource;
use crate::parallel_verify;
use crate::progress::Progress;
use crate::sha256_stream::TRAILER;
use crate::verify_options::{Sha256, VerifyOptions};

/// Bytes that are written at once.
const BLOCK: usize = 1 << 20;

/// What stands behind the database in a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Its SHA-256, as in a snapshot.
    Sha256,
    /// Nothing, as in a member's own database.
    Nothing,
}

/// A file that is to be made, judged and open: nothing but a full disk or a failing one can keep it from being written.
pub struct NewFile {
    part: PartFile,
    /// Its name in the directory of `part`.
    name: OsString,
    path: PathBuf,
    input: Option<FileIdentity>,
    ending: Ending,
}

impl NewFile {
    /// Judges and opens `path`, which may exist: it is replaced when the new file is complete. `input` is the snapshot that it is made of. Call this before that is
    /// opened, which may take long.
    ///
    /// # Errors
    /// [`RewriteError::Target`] when no file can be made there or it is the snapshot itself, under whichever name; [`RewriteError::File`].
    pub fn open(path: &Path, input: &Path) -> Result<Self, RewriteError> {
        let _kept = part_file::kept(input);
        let Some((directory, name)) = file_target(path, &[input])? else {
            let reason = "cannot take a new snapshot: its first page is written last";
            return Err(OutputError::Kind { path: path.to_owned(), reason }.into());
        };
        let part = PartFile::new(&directory)?;
        let input = FileIdentity::of_input(input);
        Ok(Self { part, name, path: path.to_owned(), input, ending: Ending::Sha256 })
    }

    /// Opens one that is to be called `name` in `directory`, which was judged; `path` is for messages.
    ///
    /// # Errors
    /// [`PartFileError`] when no file can be made there.
    pub(crate) fn within(
        directory: &Directory,
        name: OsString,
        path: PathBuf,
        ending: Ending,
    ) -> Result<Self, PartFileError> {
        Ok(Self { part: PartFile::new(directory)?, name, path, input: None, ending })
    }

    /// The file, to be given another name.
    pub(crate) fn into_part(self) -> PartFile {
        self.part
    }

    /// One more handle to it.
    pub(super) fn handle(&self) -> Result<File, PartFileError> {
        self.part.handle()
    }

    /// What stands behind the database.
    pub(super) fn ending(&self) -> Ending {
        self.ending
    }

    /// What a person should know of unfinished files beside it, which killed runs seem to have left.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        self.part.leftover_warning()
    }

    /// Takes its pages.
    pub(super) fn sink(&self, page_size: u32) -> Result<FileSink<'_>, PartFileError> {
        let at = u64::from(page_size).saturating_mul(2);
        Ok(FileSink { part: &self.part, file: self.part.handle()?, at, waiting: Vec::with_capacity(BLOCK) })
    }

    /// Writes the meta pages, and judges the whole file by reading it back; its SHA-256 is in the judgement.
    pub(super) fn judge(
        &self,
        built: &Built,
        threads: Option<NonZeroUsize>,
        progress: &dyn Progress,
    ) -> Result<Report, RewriteError> {
        let file = self.part.handle()?;
        let failed = |cause| self.part.failed(cause);
        file.write_all_at(&built.metas, 0).map_err(failed)?;
        if self.ending == Ending::Sha256 {
            // It comes when all is read; until then zeros hold its place.
            file.write_all_at(&[0; TRAILER], built.len).map_err(failed)?;
        }
        let source = FileSource::new(self.part.handle()?, &self.path).map_err(failed)?;
        let options = VerifyOptions { threads, progress, ..VerifyOptions::default() };
        let judged = match self.ending {
            Ending::Sha256 => parallel_verify::run_unsealed(&source, &options),
            Ending::Nothing => parallel_verify::run(&source, &VerifyOptions { sha256: Sha256::Skip, ..options }),
        };
        Ok(source.unless_changed(judged.map_err(|fault| fault.at(&self.path)))?)
    }

    /// Gives the file that was judged its SHA-256, and waits until it is on the disk. One that is damaged is refused.
    pub(super) fn seal(&self, built: &Built, report: &Report) -> Result<(), RewriteError> {
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

    /// Forgets what was written.
    pub(super) fn clear(&self) -> Result<(), PartFileError> {
        self.part.handle()?.set_len(0).map_err(|cause| self.part.failed(cause))
    }

    /// Gives it its name.
    pub(super) fn publish(self) -> Result<(), RewriteError> {
        // The name may have come to lead to the snapshot while it was read.
        let name = Path::new(&self.name);
        let named = statat(self.part.directory(), name, AtFlags::empty()).ok();
        if self.input.is_some() && named.as_ref().map(FileIdentity::of_stat) == self.input {
            return Err(OutputError::Input { input: self.path.clone(), path: self.path }.into());
        }
        Ok(self.part.publish(name, &self.path)?)
    }
}

/// Writes pages behind the place of the meta pages, in large blocks.
pub(super) struct FileSink<'f> {
    part: &'f PartFile,
    file: File,
    /// Where the next block goes.
    at: u64,
    waiting: Vec<u8>,
}

impl FileSink<'_> {
    /// Writes what waits.
    pub fn finish(mut self) -> Result<(), PartFileError> {
        self.write()
    }

    fn write(&mut self) -> Result<(), PartFileError> {
        let written: io::Result<()> = self.file.write_all_at(&self.waiting, self.at);
        written.map_err(|cause| self.part.failed(cause))?;
        self.at = self.at.saturating_add(self.waiting.len() as u64);
        self.waiting.clear();
        Ok(())
    }
}

impl PageSink for FileSink<'_> {
    type Error = PartFileError;

    fn append(&mut self, pages: &[u8]) -> Result<(), PartFileError> {
        if self.waiting.len().saturating_add(pages.len()) > BLOCK {
            self.write()?;
        }
        self.waiting.extend_from_slice(pages);
        Ok(())
    }
}
