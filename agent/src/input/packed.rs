//! A compressed file, unpacked from front to back, as often as needed.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use etcdsnap_core::limits::{HEAD_LEN, MAX_WITHOUT_META};
use etcdsnap_core::{ClaimedLength, IgnoreProgress, PageStartCheck, ScanProgress, Source};
use etcdsnap_unpack::{Format, UnpackError, Unpacked};

use crate::error::{Error, PathlessError};
use crate::input::FileSource;

/// Bytes in a block; the scan works best with 256 KiB to 1 MiB.
const BLOCK_LEN: usize = 1 << 20;

/// Receives a block of unpacked bytes; it may keep the block and leave another in its place.
pub(crate) type UnpackSink<'s> = dyn FnMut(&mut Vec<u8>) -> Result<(), Error> + 's;

/// A compressed file whose first bytes were unpacked.
#[derive(Debug)]
pub(crate) struct Packed {
    source: FileSource,
    format: Format,
    head: Vec<u8>,
    claimed_length: ClaimedLength,
}

impl Packed {
    /// Opens a file that is compressed as `format`, and unpacks the first 128 KiB.
    ///
    /// # Errors
    /// As [`Packed::unpack`].
    pub fn open(source: FileSource, format: Format) -> Result<Self, Error> {
        let (packed, broke_off) = Self::open_with_error(source, format)?;
        broke_off.map_or(Ok(packed), Err)
    }

    /// Like [`Packed::open`], for a file whose compressed data may break off within those bytes.
    ///
    /// # Errors
    /// As [`Packed::unpack`], except [`Error::Unpack`] after the first byte.
    pub fn open_damaged(source: FileSource, format: Format) -> Result<Self, Error> {
        let (packed, broke_off) = Self::open_with_error(source, format)?;
        match broke_off {
            Some(error) if packed.head.is_empty() || !matches!(error, Error::Unpack { .. }) => Err(error),
            _ => Ok(packed),
        }
    }

    fn open_with_error(source: FileSource, format: Format) -> Result<(Self, Option<Error>), Error> {
        let mut packed = Self { source, format, head: Vec::new(), claimed_length: ClaimedLength::of(&[]) };
        let mut head = vec![0; HEAD_LEN];
        let filled = packed.begin(&IgnoreProgress)?.fill(&mut head);
        let (count, broke_off) = match filled {
            Ok(count) => (count, None),
            Err((count, error)) => (count, Some(packed.failed(count as u64, error))),
        };
        head.truncate(count);
        packed.claimed_length = ClaimedLength::of(&head);
        packed.head = head;
        Ok((packed, broke_off))
    }

    /// Returns the first unpacked bytes.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Returns the possible length of the unpacked data.
    pub fn claimed_length(&self) -> &ClaimedLength {
        &self.claimed_length
    }

    /// Returns the compressed file.
    pub fn source(&self) -> &FileSource {
        &self.source
    }

    /// Returns the path as the caller gave it.
    pub fn path(&self) -> &Path {
        self.source.path()
    }

    /// Returns its compressed length in bytes.
    pub fn packed_len(&self) -> u64 {
        self.source.len()
    }

    /// Unpacks a whole snapshot into `sink`, in blocks of 1 MiB. Memory is limited to a few blocks, whatever the file claims. `progress` counts
    /// compressed bytes.
    ///
    /// # Errors
    /// [`Error::Unpack`] with the offset in the unpacked data, [`Error::Unsupported`], [`Error::Window`], [`Error::Scan`] if the file
    /// cannot be read, [`Error::TooLong`], [`Error::NoPages`], [`Error::Cancelled`], and those of `sink`.
    pub fn unpack(&self, progress: &dyn ScanProgress, sink: &mut UnpackSink<'_>) -> Result<(), Error> {
        let most = self.claimed_length.read_limit();
        if self.unpack_up_to(most, progress, sink)? {
            Ok(())
        } else {
            Err(Error::too_long(self.path(), &self.claimed_length))
        }
    }

    /// Like [`Packed::unpack`], for verifying: of data longer than any snapshot, unpacks just enough to show that.
    ///
    /// # Errors
    /// As [`Packed::unpack`], except [`Error::TooLong`].
    pub fn unpack_to_judge(&self, progress: &dyn ScanProgress, sink: &mut UnpackSink<'_>) -> Result<(), Error> {
        self.unpack_up_to(self.claimed_length.read_limit().saturating_add(1), progress, sink).map(drop)
    }

    /// Unpacks a damaged file up to the damage; returns the error of the decompressor there, if there is one.
    ///
    /// # Errors
    /// As [`Packed::unpack`], except [`Error::Unpack`] and [`Error::TooLong`].
    pub fn unpack_damaged(
        &self,
        progress: &dyn ScanProgress,
        sink: &mut UnpackSink<'_>,
    ) -> Result<Option<Error>, Error> {
        match self.unpack_up_to(self.claimed_length.read_limit().max(MAX_WITHOUT_META), progress, sink) {
            Err(error @ Error::Unpack { .. }) => Ok(Some(error)),
            other => other.map(|_| None),
        }
    }

    fn begin<'w>(&'w self, progress: &'w dyn ScanProgress) -> Result<Unpacked<'w>, Error> {
        let reader = Reader { source: &self.source, at: 0, progress };
        Unpacked::new(self.format, reader).map_err(|error| self.failed(0, error))
    }

    /// Unpacks up to `most` bytes; returns whether that was all.
    fn unpack_up_to(&self, most: u64, progress: &dyn ScanProgress, sink: &mut UnpackSink<'_>) -> Result<bool, Error> {
        let mut unpacked = self.begin(progress)?;
        let mut pages = PageStartCheck::new(&self.claimed_length);
        let mut block = Vec::new();
        let mut at = 0_u64;
        loop {
            if progress.cancelled() {
                return Err(Error::Cancelled);
            }
            block.resize(BLOCK_LEN, 0);
            let (filled, broke_off) = match unpacked.fill(&mut block) {
                Ok(filled) => (filled, None),
                Err((filled, error)) => (filled, Some(self.failed(at.saturating_add(filled as u64), error))),
            };
            let left = usize::try_from(most.saturating_sub(at)).unwrap_or(usize::MAX);
            let taken = filled.min(left);
            block.truncate(taken);
            if taken > 0 {
                if !pages.push(&block) {
                    return Err(Error::NoPages { path: self.path().to_owned(), at: pages.last_page_start() });
                }
                at = at.saturating_add(taken as u64);
                sink(&mut block)?;
            }
            if let Some(error) = broke_off {
                return Err(error);
            }
            if filled < BLOCK_LEN || taken < filled {
                return Ok(taken == filled);
            }
        }
    }

    /// Converts an error after `at` unpacked bytes.
    fn failed(&self, at: u64, error: UnpackError) -> Error {
        let (path, format) = (self.path().to_owned(), self.format);
        match error {
            UnpackError::Unsupported(reason) => Error::Unsupported { path, format, reason },
            UnpackError::Window(_) => Error::Window { path },
            UnpackError::Memory(bytes) => {
                let cause = etcdsnap_core::Error::Memory { what: "the window of the compressed file", bytes };
                PathlessError::Scan(cause).at(&path)
            }
            UnpackError::Input(cause) => match cause.get_ref().and_then(|inner| inner.downcast_ref::<DiskError>()) {
                Some(DiskError(cause)) => PathlessError::Scan(cause.clone()).at(&path),
                None => Error::Unpack { path, format, at, cause: cause.to_string() },
            },
            other => Error::Unpack { path, format, at, cause: other.to_string() },
        }
    }
}

/// A reader of the compressed file with its own position, so that several can be used side by side.
struct Reader<'a> {
    source: &'a FileSource,
    at: u64,
    progress: &'a dyn ScanProgress,
}

impl Read for Reader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.source.len().saturating_sub(self.at);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(out.len());
        let Some(out) = out.get_mut(..count) else { return Ok(0) };
        self.source.read_at(self.at, out).map_err(|cause| {
            let error =
                etcdsnap_core::Error::Read { offset: etcdsnap_core::Offset::new(self.at), len: count as u64, cause };
            io::Error::other(DiskError(error))
        })?;
        self.at = self.at.saturating_add(count as u64);
        self.progress.advance(count as u64);
        Ok(count)
    }
}

impl Seek for Reader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.source.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

/// A read error of the disk, passed through a decompressor so that it is not mistaken for broken data.
#[derive(Debug)]
struct DiskError(etcdsnap_core::Error);

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for DiskError {}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use etcdsnap_core::FileKind;
    use etcdsnap_core::limits::MAX_EXTRA_BYTES;

    use super::*;
    use crate::progress::NoProgress;

    const SNAPSHOT: &[u8] = include_bytes!("../../../tests/cases/3.7-history/snapshot.db");

    fn zstd(pieces: &[&[u8]]) -> FileSource {
        let mut file = tempfile::tempfile().unwrap();
        let mut encoder = zstd::Encoder::new(&mut file, 1).unwrap();
        pieces.iter().try_for_each(|piece| encoder.write_all(piece)).unwrap();
        encoder.finish().unwrap();
        FileSource::new(file, Path::new("file")).unwrap()
    }

    #[test]
    fn a_whole_snapshot_is_unpacked() {
        let tail = vec![0; usize::try_from(MAX_EXTRA_BYTES).unwrap()];
        for pieces in [&[SNAPSHOT][..], &[SNAPSHOT, &tail]] {
            let packed = Packed::open(zstd(pieces), Format::Zstd).unwrap();
            assert_eq!((packed.head(), packed.claimed_length().kind()), (&SNAPSHOT[..HEAD_LEN], FileKind::Bolt));
            let mut whole = Vec::new();
            let sink = &mut |block: &mut Vec<u8>| {
                whole.append(block);
                Ok(())
            };
            packed.unpack(&NoProgress, sink).unwrap();
            assert!(whole == pieces.concat());
        }
    }

    #[test]
    fn data_longer_than_a_snapshot_is_not_unpacked_to_its_end() {
        let tail = vec![0; usize::try_from(MAX_EXTRA_BYTES).unwrap() + 1];
        let packed = Packed::open(zstd(&[SNAPSHOT, &tail, &tail]), Format::Zstd).unwrap();
        let most = SNAPSHOT.len() as u64 + MAX_EXTRA_BYTES;
        let mut handed = 0;
        let mut sink = |block: &mut Vec<u8>| {
            handed += block.len() as u64;
            Ok(())
        };
        assert!(matches!(packed.unpack(&NoProgress, &mut sink), Err(Error::TooLong { .. })));
        packed.unpack_to_judge(&NoProgress, &mut sink).unwrap();
        assert_eq!(handed, most + most + 1);
    }

    #[test]
    fn only_the_head_of_other_files_is_unpacked() {
        let packed = Packed::open(zstd(&[&vec![0; 2 << 20]]), Format::Zstd).unwrap();
        assert_eq!((packed.head().len(), packed.claimed_length().kind()), (HEAD_LEN, FileKind::Zeros));
        let packed = Packed::open(zstd(&[b"some text"]), Format::Zstd).unwrap();
        assert_eq!((packed.head(), packed.claimed_length().kind()), (&b"some text"[..], FileKind::Text));
    }

    #[test]
    fn a_failed_read_is_not_damage() {
        let source = zstd(&[SNAPSHOT, &(0..200_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>()]);
        source.file().set_len(60_000).unwrap();
        let outcome = Packed::open(source, Format::Zstd).and_then(|packed| packed.unpack(&NoProgress, &mut |_| Ok(())));
        let error = outcome.unwrap_err();
        assert!(matches!(error, Error::Scan { .. } | Error::Changed { .. }) && !error.is_damage(), "{error}");
    }
}
