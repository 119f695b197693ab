//! What is proven of a snapshot before its file gets its name.
//!
//! The bytes were looked at when they came, and the same bytes were written, so what they say is known without reading the file. It is read where that proves more:
//! - pages for which there was no memory, and those that are odd, are read where they lie;
//! - its length must be that of what came, or somebody else has written to it, or cut it;
//! - what is compressed is unpacked again, and must be what came: between the two works a compressor.
//!
//! Reading a plain file back would show what is in the page cache, which the writes were copied to. Whether it is on the disk, the syncs say.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use etcdsnap_core::{Consumed, Error as ScanError, ReadError, Report, Sha256Hex, Source, Swept, Trailer, peek_trailer};

use super::Watched;
use super::save_error::SaveError;
use crate::error::{Error, Fault};
use crate::fsx::part_file_error::PartFileError;
use crate::input::{Body, FileSource, Input, Packed};
use crate::progress::{Progress, Stage};
use crate::sha256_stream::{Copied, Hasher};
use crate::verify_options::{Sha256, VerifyOptions};

/// What was written, on its way to the disk.
pub(super) struct Written {
    pub file: Result<File, PartFileError>,
    pub path: PathBuf,
    pub is_packed: bool,
    /// Whether it must be what the server sent.
    pub is_proven: bool,
    /// What the server sent.
    pub copied: Copied,
    pub watched: Watched,
}

impl Written {
    /// Judges it. `swept` are its pages, if they were looked at when they came.
    ///
    /// # Errors
    /// When it cannot be read, is not what came, or the caller asked to stop.
    pub fn judge(self, swept: Option<Swept>) -> Result<Report, SaveError> {
        let input = Input::of_file(self.file?, &self.path)?;
        if let Some(report) = input.foreign() {
            return Ok(report);
        }
        let whole = Whole { path: &self.path, copied: &self.copied, is_proven: self.is_proven, watched: &self.watched };
        match (&input.body, swept) {
            (Body::Plain(file), Some(swept)) if !self.is_packed => {
                return Ok(file.unless_changed(whole.judge_plain(file, swept))?);
            }
            (Body::Packed(file), Some(swept)) if self.is_packed && self.copied.len <= file.extent().most() => {
                if self.is_proven {
                    file.source().unless_changed(whole.check_packed(file))??;
                }
                if let Some(report) = whole.judge_packed(swept)? {
                    return Ok(report);
                }
            }
            _ => {}
        }
        // Its pages were not looked at when they came, or some of a compressed file are needed once more.
        let sha256 = if self.is_packed && self.is_proven { Sha256::Check } else { Sha256::Skip };
        let options = VerifyOptions { sha256, progress: &self.watched, ..VerifyOptions::default() };
        Ok(crate::verify_input(&input, &options)?)
    }
}

/// A snapshot that came, and was written.
struct Whole<'w> {
    path: &'w Path,
    copied: &'w Copied,
    is_proven: bool,
    watched: &'w Watched,
}

impl Whole<'_> {
    /// Judges what was looked at on its way, and reads what that lacks. The SHA-256 was compared before.
    fn judge_plain(&self, file: &FileSource, swept: Swept) -> Result<Report, Error> {
        if file.len() != self.copied.len {
            return Err(Error::Changed { path: self.path.to_owned() });
        }
        self.watched.begin(Stage::Read, Some(file.len()));
        let trailer = peek_trailer(file).map_err(|error| self.failed(error))?;
        swept.with_trailer(trailer).verify(file, self.watched).map_err(|error| self.failed(error))
    }

    /// The same without the file; none when something that is needed went by.
    fn judge_packed(&self, swept: Swept) -> Result<Option<Report>, Error> {
        let source = Consumed(swept.len());
        let actual = self.is_proven.then(|| Sha256Hex::of(&self.copied.sha256));
        let expected = self.copied.trailer.map(|trailer| Sha256Hex::of(&trailer));
        let trailer = Trailer { present: expected.is_some(), expected, actual, ..Trailer::default() };
        match swept.with_trailer(trailer).verify(&source, self.watched) {
            Err(ScanError::Read { cause: ReadError::Consumed, .. }) => Ok(None),
            outcome => outcome.map(Some).map_err(|error| self.failed(error)),
        }
    }

    /// Unpacks what was written: whether it is what came.
    fn check_packed(&self, file: &Packed) -> Result<Result<(), SaveError>, Error> {
        self.watched.begin(Stage::Unpack, Some(file.packed_len()));
        let mut hasher = Hasher::default();
        file.unpack(self.watched, &mut |block| {
            hasher.push(block);
            Ok(())
        })?;
        let is_same = hasher.finish() == *self.copied;
        let other = || {
            let cause = io::Error::other("what was written there does not unpack to what the server sent");
            SaveError::Write { path: self.path.to_owned(), cause }
        };
        Ok(if is_same { Ok(()) } else { Err(other()) })
    }

    fn failed(&self, error: ScanError) -> Error {
        Fault::Scan(error).at(self.path)
    }
}
