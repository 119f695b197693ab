//! The target of an export.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, statat};

use super::{ExportError, ExportFormat};
use crate::fsx::compressed_name;
use crate::fsx::file_identity::FileIdentity;
use crate::fsx::output_error::OutputError;
use crate::fsx::output_target::OutputTarget;
use crate::fsx::part_file::{self, PartFile};
use crate::terminal_writer::{Escapes, TerminalWriter};

/// The target of an export, checked and open: from now on only a disk error or a full disk can make writing fail.
pub struct ExportTarget {
    kind: TargetKind,
    snapshot: Option<FileIdentity>,
}

enum TargetKind {
    Stdout,
    /// A device or a FIFO.
    Stream(File),
    File {
        part: PartFile,
        /// The final name in the directory of `part`.
        name: OsString,
        path: PathBuf,
    },
}

impl ExportTarget {
    /// Checks and opens `path`: `-` is standard output, a device or a FIFO is written directly, any other name is that of a file, which may exist.
    /// `snapshot` is the file to be exported, and `others` are further files to be read. Call this before the snapshot is opened, which may take long.
    ///
    /// # Errors
    /// [`ExportError::Target`] if nothing can be written there, it is one of those files, under any name, or its name is that of a compressed file; [`ExportError::File`].
    pub fn open(path: &Path, snapshot: &Path, others: &[&Path]) -> Result<Self, ExportError> {
        let _kept = part_file::protect_from_removal(snapshot);
        let kind = match OutputTarget::open(path, &[&[snapshot], others].concat())? {
            OutputTarget::Stdout => TargetKind::Stdout,
            OutputTarget::Stream(file) => TargetKind::Stream(file),
            OutputTarget::File { directory, name, path } => {
                compressed_name::refuse(&path)?;
                TargetKind::File { part: PartFile::new(&directory)?, name, path }
            }
        };
        Ok(Self { kind, snapshot: FileIdentity::of_input(snapshot) })
    }

    /// Returns the file that appears when the export is complete; `None` for a target that is written directly.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.kind {
            TargetKind::File { path, .. } => Some(path),
            TargetKind::Stdout | TargetKind::Stream(_) => None,
        }
    }

    /// Warns of unfinished files beside it, which killed runs seem to have left.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        match &self.kind {
            TargetKind::File { part, .. } => part.leftover_warning(),
            TargetKind::Stdout | TargetKind::Stream(_) => None,
        }
    }

    /// Whether the target is a terminal.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        match &self.kind {
            TargetKind::Stdout => io::stdout().is_terminal(),
            TargetKind::Stream(file) => file.is_terminal(),
            TargetKind::File { .. } => false,
        }
    }

    /// Returns the writer. CSV has no escapes for control characters, so on a terminal it is escaped like all other text; elsewhere it is written unchanged.
    pub(super) fn writer(&self, format: ExportFormat) -> Result<Box<dyn Write + Send>, ExportError> {
        let out: Box<dyn Write + Send> = match &self.kind {
            TargetKind::Stdout => Box::new(io::stdout()),
            TargetKind::Stream(file) => Box::new(file.try_clone()?),
            TargetKind::File { part, .. } => Box::new(part.handle()?),
        };
        Ok(match format {
            ExportFormat::Csv | ExportFormat::RawCsv if self.is_terminal() => {
                Box::new(TerminalWriter::new(out, Escapes::Text))
            }
            _ => out,
        })
    }

    /// Completes the output; syncs a file, then gives it its name.
    pub(super) fn finish(self) -> Result<(), ExportError> {
        match self.kind {
            TargetKind::Stdout => io::stdout().flush()?,
            TargetKind::Stream(_) => {}
            TargetKind::File { part, name, path } => {
                part.sync()?;
                // Another program may have made the name a link to the snapshot meanwhile.
                let name = Path::new(&name);
                let named = statat(part.directory(), name, AtFlags::empty()).ok();
                if self.snapshot.is_some() && named.as_ref().map(FileIdentity::of_stat) == self.snapshot {
                    return Err(OutputError::Input { input: path.clone(), path }.into());
                }
                part.publish(name, &path)?;
            }
        }
        Ok(())
    }
}
