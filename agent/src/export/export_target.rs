//! Where an export goes.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, statat};

use super::{ExportError, ExportFormat};
use crate::fsx::file_identity::FileIdentity;
use crate::fsx::output_error::OutputError;
use crate::fsx::output_target::OutputTarget;
use crate::fsx::part_file::{self, PartFile};
use crate::terminal_writer::{Escapes, TerminalWriter};

/// Where an export goes, judged and open: nothing but a full disk or a failing one can keep it from being written.
pub struct ExportTarget {
    kind: Kind,
    snapshot: Option<FileIdentity>,
}

enum Kind {
    Stdout,
    /// A device or a FIFO.
    Stream(File),
    File {
        part: PartFile,
        /// Its name in the directory of `part`.
        name: OsString,
        path: PathBuf,
    },
}

impl ExportTarget {
    /// Judges and opens `path`: `-` is the standard output, a device or a FIFO is written directly, any other name is that of a file, which may exist.
    /// `snapshot` is the file to be exported, and `others` are read besides. Call this before the snapshot is opened, which may take long.
    ///
    /// # Errors
    /// [`ExportError::Target`] when nothing can be written there or it is one of those files, under whichever name; [`ExportError::File`].
    pub fn open(path: &Path, snapshot: &Path, others: &[&Path]) -> Result<Self, ExportError> {
        let _kept = part_file::kept(snapshot);
        let kind = match OutputTarget::judge(path, &[&[snapshot], others].concat())? {
            OutputTarget::Stdout => Kind::Stdout,
            OutputTarget::Stream(file) => Kind::Stream(file),
            OutputTarget::File { directory, name, path } => Kind::File { part: PartFile::new(&directory)?, name, path },
        };
        Ok(Self { kind, snapshot: FileIdentity::of_input(snapshot) })
    }

    /// The file that appears when the export is complete; none for what is written directly, whose reader may go away.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.kind {
            Kind::File { path, .. } => Some(path),
            Kind::Stdout | Kind::Stream(_) => None,
        }
    }

    /// What a person should know of unfinished files beside it, which killed runs seem to have left.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        match &self.kind {
            Kind::File { part, .. } => part.leftover_warning(),
            Kind::Stdout | Kind::Stream(_) => None,
        }
    }

    /// Whether a person will see what is written.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        match &self.kind {
            Kind::Stdout => io::stdout().is_terminal(),
            Kind::Stream(file) => file.is_terminal(),
            Kind::File { .. } => false,
        }
    }

    /// CSV has no escapes of its own, so on a terminal it gets those of all other text; elsewhere it is written as it is.
    pub(super) fn writer(&self, format: ExportFormat) -> Result<Box<dyn Write + Send>, ExportError> {
        let out: Box<dyn Write + Send> = match &self.kind {
            Kind::Stdout => Box::new(io::stdout()),
            Kind::Stream(file) => Box::new(file.try_clone()?),
            Kind::File { part, .. } => Box::new(part.handle()?),
        };
        Ok(match format {
            ExportFormat::Csv | ExportFormat::RawCsv if self.is_terminal() => {
                Box::new(TerminalWriter::new(out, Escapes::Text))
            }
            _ => out,
        })
    }

    /// Brings what was written to its end; a file to the disk, and then to its name.
    pub(super) fn finish(self) -> Result<(), ExportError> {
        match self.kind {
            Kind::Stdout => io::stdout().flush()?,
            Kind::Stream(_) => {}
            Kind::File { part, name, path } => {
                part.sync()?;
                // The name may have come to lead to the snapshot while it was read.
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
