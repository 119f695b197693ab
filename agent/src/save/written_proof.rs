//! Verifies a written snapshot before its file gets its name.
//!
//! The bytes were checked when they arrived, and the same bytes were written, so most is known without reading the file. It is read only in these cases:
//! - pages that did not fit into memory, and unusual ones, are read from the file;
//! - its length must be that of the received data, or another program has written to it or truncated it;
//! - a compressed file is unpacked again, and must match the received data, because the compressor could have a bug.
//!
//! Reading a plain file back would only show the page cache, which the writes were copied to. The syncs report whether it is on the disk.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use etcdsnap_core::{
    Consumed, Error as ScanError, FinishedSweep, ReadError, Report, Sha256Hex, Source, Trailer, peek_trailer,
};

use super::StoppableProgress;
use super::save_error::SaveError;
use crate::error::{Error, PathlessError};
use crate::fsx::part_file_error::PartFileError;
use crate::input::{Body, FileSource, Input, Packed};
use crate::progress::{Progress, Stage};
use crate::sha256_stream::{StreamDigest, StreamHasher};
use crate::verify_options::{Sha256, VerifyOptions};

/// A written file that is being synced.
pub(super) struct Written {
    pub file: Result<File, PartFileError>,
    pub path: PathBuf,
    pub is_packed: bool,
    /// Whether it must match the SHA-256 that the server sent.
    pub must_match_sha256: bool,
    /// Length and SHA-256 of the received data.
    pub copied: StreamDigest,
    pub stoppable: StoppableProgress,
}

impl Written {
    /// Verifies it. `swept` are its pages, if they were checked when they arrived.
    ///
    /// # Errors
    /// When it cannot be read, differs from the received data, or the caller asked to stop.
    pub fn verify(self, swept: Option<FinishedSweep>) -> Result<Report, SaveError> {
        let input = Input::of_file(self.file?, &self.path)?;
        if let Some(report) = input.foreign_report() {
            return Ok(report);
        }
        let whole = ReceivedSnapshot {
            path: &self.path,
            copied: &self.copied,
            must_match_sha256: self.must_match_sha256,
            stoppable: &self.stoppable,
        };
        match (&input.body, swept) {
            (Body::Plain(file), Some(swept)) if !self.is_packed => {
                return Ok(file.unless_changed(whole.verify_plain(file, swept))?);
            }
            (Body::Packed(file), Some(swept))
                if self.is_packed && self.copied.len <= file.claimed_length().read_limit() =>
            {
                if self.must_match_sha256 {
                    file.source().unless_changed(whole.check_compressed(file))??;
                }
                if let Some(report) = whole.verify_compressed(swept)? {
                    return Ok(report);
                }
            }
            _ => {}
        }
        // Its pages were not checked on arrival, or some pages of a compressed file are needed again.
        let sha256 = if self.is_packed && self.must_match_sha256 { Sha256::Check } else { Sha256::Skip };
        let options = VerifyOptions { sha256, progress: &self.stoppable, ..VerifyOptions::default() };
        Ok(crate::verify_input(&input, &options)?)
    }
}

/// A received and written snapshot.
struct ReceivedSnapshot<'w> {
    path: &'w Path,
    copied: &'w StreamDigest,
    must_match_sha256: bool,
    stoppable: &'w StoppableProgress,
}

impl ReceivedSnapshot<'_> {
    /// Makes the verdict from the pages checked on arrival, and reads missing ones from the file. The SHA-256 was compared before.
    fn verify_plain(&self, file: &FileSource, swept: FinishedSweep) -> Result<Report, Error> {
        if file.len() != self.copied.len {
            return Err(Error::Changed { path: self.path.to_owned() });
        }
        self.stoppable.begin(Stage::Read, Some(file.len()));
        let trailer = peek_trailer(file).map_err(|error| self.failed(error))?;
        swept.with_trailer(trailer).verify(file, self.stoppable).map_err(|error| self.failed(error))
    }

    /// Makes the verdict without the file; `None` if it needs a page that was not kept.
    fn verify_compressed(&self, swept: FinishedSweep) -> Result<Option<Report>, Error> {
        let source = Consumed(swept.len());
        let actual = self.must_match_sha256.then(|| Sha256Hex::of(&self.copied.sha256));
        let expected = self.copied.trailer.map(|trailer| Sha256Hex::of(&trailer));
        let trailer = Trailer { present: expected.is_some(), expected, actual, ..Trailer::default() };
        match swept.with_trailer(trailer).verify(&source, self.stoppable) {
            Err(ScanError::Read { cause: ReadError::Consumed, .. }) => Ok(None),
            outcome => outcome.map(Some).map_err(|error| self.failed(error)),
        }
    }

    /// Unpacks the written file, and checks that it matches the received data.
    fn check_compressed(&self, file: &Packed) -> Result<Result<(), SaveError>, Error> {
        self.stoppable.begin(Stage::Unpack, Some(file.packed_len()));
        let mut hasher = StreamHasher::default();
        file.unpack(self.stoppable, &mut |block| {
            hasher.push(block);
            Ok(())
        })?;
        let is_same = hasher.finish() == *self.copied;
        let other = || {
            let cause = io::Error::other("the written file does not unpack to the data that the server sent");
            SaveError::Write { path: self.path.to_owned(), cause }
        };
        Ok(if is_same { Ok(()) } else { Err(other()) })
    }

    fn failed(&self, error: ScanError) -> Error {
        PathlessError::Scan(error).at(self.path)
    }
}
