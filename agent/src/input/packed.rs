//! A compressed file, unpacked from front to back as often as asked.

use std::fmt;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use etcdsnap_core::{Source, Watch};
use zip::result::ZipError;

use super::gzip::Members;
use super::zip::{Refusal, only_file};
use crate::error::{Error, Fault};
use crate::input::FileSource;

/// Bytes handed on at once; the sweep works best with 256 KiB to 1 MiB.
const BLOCK: usize = 1 << 20;

/// Bytes read from the compressed file at once.
const READ_AT_ONCE: usize = 256 << 10;

/// Log of the largest zstd window taken, 128 MiB: what `zstd` itself takes without being told, so that a few hostile bytes cannot
/// claim gigabytes.
const ZSTD_WINDOW_LOG: u32 = 27;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One gzip member or several.
    Gzip,
    /// A zip archive of one file.
    Zip,
    /// One zstd frame or several.
    Zstd,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zip => "zip",
            Self::Zstd => "zstd",
        })
    }
}

/// Takes a block of unpacked bytes; it may keep the block and leave another in its place.
pub(crate) type Sink<'s> = dyn FnMut(&mut Vec<u8>) -> Result<(), Error> + 's;

/// A compressed file.
#[derive(Debug)]
pub(crate) struct Packed {
    source: FileSource,
    format: Format,
}

impl Packed {
    /// What `source` holds is compressed as `format`.
    pub fn new(source: FileSource, format: Format) -> Self {
        Self { source, format }
    }

    /// The compressed file.
    pub fn source(&self) -> &FileSource {
        &self.source
    }

    /// As the caller named it.
    pub fn path(&self) -> &Path {
        self.source.path()
    }

    /// Its compressed length in bytes.
    pub fn packed_len(&self) -> u64 {
        self.source.len()
    }

    /// Unpacks it whole into `sink`, in blocks of 1 MiB. Memory is a few blocks, whatever the file claims. `watch` advances by
    /// compressed bytes.
    ///
    /// # Errors
    /// [`Error::Unpack`] with the offset in the unpacked data, [`Error::Archive`], [`Error::Window`], [`Error::Scan`] when the file
    /// cannot be read, [`Error::Cancelled`], and those of `sink`.
    pub fn unpack(&self, watch: &dyn Watch, sink: &mut Sink<'_>) -> Result<(), Error> {
        let packed = BufReader::with_capacity(READ_AT_ONCE, Reader { source: &self.source, at: 0, watch });
        match self.format {
            Format::Gzip => self.pump(Members::new(packed), watch, sink),
            Format::Zstd => {
                let mut decoder =
                    zstd::stream::read::Decoder::with_buffer(packed).map_err(|cause| self.broken(0, cause))?;
                decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(|cause| self.broken(0, cause))?;
                self.pump(decoder, watch, sink)
            }
            Format::Zip => {
                let (mut archive, number) = only_file(packed).map_err(|refusal| self.refused(refusal))?;
                let file = archive.by_index(number).map_err(|error| self.refused(Refusal::Broken(error)))?;
                self.pump(file, watch, sink)
            }
        }
    }

    fn pump(&self, mut unpacked: impl Read, watch: &dyn Watch, sink: &mut Sink<'_>) -> Result<(), Error> {
        let mut block = Vec::new();
        let mut at = 0_u64;
        loop {
            if watch.cancelled() {
                return Err(Error::Cancelled);
            }
            block.resize(BLOCK, 0);
            let mut filled = 0;
            while let Some(room) = block.get_mut(filled..).filter(|room| !room.is_empty()) {
                match unpacked.read(room) {
                    Ok(0) => break,
                    Ok(count) => filled = filled.saturating_add(count),
                    Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                    Err(cause) => return Err(self.broken(at.saturating_add(filled as u64), cause)),
                }
            }
            if filled == 0 {
                return Ok(());
            }
            block.truncate(filled);
            at = at.saturating_add(filled as u64);
            sink(&mut block)?;
        }
    }

    /// What a failed read of unpacked bytes means: the medium, a hostile window, or broken data.
    fn broken(&self, at: u64, cause: io::Error) -> Error {
        let path = self.path().to_owned();
        match cause.get_ref().and_then(|inner| inner.downcast_ref::<MediumFault>()) {
            Some(MediumFault(cause)) => Fault::Scan(cause.clone()).at(&path),
            None if self.format == Format::Zstd && cause.to_string().contains("too much memory") => {
                Error::Window { path }
            }
            None => {
                let cause = match cause.kind() {
                    io::ErrorKind::UnexpectedEof => "it ends too early".to_owned(),
                    _ => cause.to_string(),
                };
                Error::Unpack { path, format: self.format, at, cause }
            }
        }
    }

    fn refused(&self, refusal: Refusal) -> Error {
        match refusal {
            Refusal::Broken(ZipError::Io(cause)) => self.broken(0, cause),
            Refusal::Broken(ZipError::UnsupportedArchive(reason)) => self.unfit(reason.to_string()),
            Refusal::Broken(error) => self.broken(0, io::Error::other(error.to_string())),
            Refusal::Unfit(reason) => self.unfit(reason),
        }
    }

    fn unfit(&self, reason: String) -> Error {
        Error::Archive { path: self.path().to_owned(), reason }
    }
}

/// The compressed file as a stream with a place of its own, so that several can be read side by side.
struct Reader<'a> {
    source: &'a FileSource,
    at: u64,
    watch: &'a dyn Watch,
}

impl Read for Reader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.source.len().saturating_sub(self.at);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(out.len());
        let Some(out) = out.get_mut(..count) else { return Ok(0) };
        self.source.read_at(self.at, out).map_err(|cause| {
            let error = etcdsnap_core::Error::Read { offset: self.at, len: count as u64, cause };
            io::Error::other(MediumFault(error))
        })?;
        self.at = self.at.saturating_add(count as u64);
        self.watch.advance(count as u64);
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

/// A failure of the medium on its way through a decompressor, which must not be taken for broken data.
#[derive(Debug)]
struct MediumFault(etcdsnap_core::Error);

impl fmt::Display for MediumFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for MediumFault {}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::progress::NoProgress;

    const FORMATS: [Format; 3] = [Format::Gzip, Format::Zip, Format::Zstd];

    /// Something that compresses to a good many blocks and is not all alike.
    fn plain() -> Vec<u8> {
        (0..400_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
    }

    fn packed(format: Format, plain: &[u8]) -> Vec<u8> {
        match format {
            Format::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
            Format::Zstd => zstd::stream::encode_all(plain, 1).unwrap(),
            Format::Zip => archive(&[("backup/", b""), ("backup/snapshot.db", plain), ("__MACOSX/x", b"x")]),
        }
    }

    fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, bytes) in members {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn unpacked(format: Format, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let source = FileSource::new(file, Path::new("file")).unwrap();
        let mut whole = Vec::new();
        Packed::new(source, format).unpack(&NoProgress, &mut |block| {
            assert!(!block.is_empty() && block.len() <= BLOCK);
            whole.append(block);
            Ok(())
        })?;
        Ok(whole)
    }

    #[test]
    fn every_format_gives_back_what_went_in() {
        for format in FORMATS {
            assert!(unpacked(format, &packed(format, &plain())).unwrap() == plain(), "{format}");
        }
    }

    #[test]
    fn concatenated_members_and_frames_are_one_stream() {
        let twice = [plain(), plain()].concat();
        for format in [Format::Gzip, Format::Zstd] {
            let one = packed(format, &plain());
            assert!(unpacked(format, &[one.clone(), one].concat()).unwrap() == twice, "{format}");
        }
    }

    #[test]
    fn a_cut_file_is_an_error_that_says_how_far_it_went() {
        for format in FORMATS {
            let whole = packed(format, &plain());
            for keep in [whole.len() / 2, whole.len() - 1] {
                let error = unpacked(format, &whole[..keep]).unwrap_err();
                let Error::Unpack { at, .. } = &error else { panic!("{format}: {error}") };
                // The directory of a zip archive stands at its end, so nothing can be unpacked without it.
                assert!(format == Format::Zip || *at > 0, "{format}: {error}");
                assert!(error.is_damage());
            }
        }
    }

    #[test]
    fn a_changed_byte_is_an_error() {
        for format in FORMATS {
            // A zstd frame has no checksum unless it was asked for, so there the change may only show in what comes out.
            let mut bytes = packed(format, &plain());
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0xff;
            match unpacked(format, &bytes) {
                Err(Error::Unpack { .. }) => {}
                Ok(other) if format == Format::Zstd => assert!(other != plain()),
                other => panic!("{format}: {:?}", other.map(|bytes| bytes.len())),
            }
        }
    }

    #[test]
    fn zeros_behind_gzip_are_passed_over_and_nothing_else() {
        let whole = packed(Format::Gzip, b"snapshot");
        let padded = [whole.clone(), vec![0; 600_000]].concat();
        assert_eq!(unpacked(Format::Gzip, &padded).unwrap(), b"snapshot");
        let tailed = [whole, b"\0\0more".to_vec()].concat();
        assert!(unpacked(Format::Gzip, &tailed).unwrap_err().to_string().contains("no gzip data follows"));
    }

    #[test]
    fn an_archive_of_several_files_is_refused_by_name() {
        let error = unpacked(Format::Zip, &archive(&[("a.db", b"a"), ("b.db", b"b")])).unwrap_err();
        assert!(error.to_string().contains("several files (a.db, b.db)"), "{error}");
        assert!(!error.is_damage());
        assert!(unpacked(Format::Zip, &archive(&[])).unwrap_err().to_string().contains("holds no file"));
    }

    #[test]
    fn a_zstd_window_beyond_the_bound_is_refused_before_memory_is_taken() {
        // Frame header: no content size, window descriptor 0xA8 = exponent 21 → 2 GiB; then a last raw block of no bytes.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
        let error = unpacked(Format::Zstd, &frame).unwrap_err();
        assert!(matches!(error, Error::Window { .. }), "{error}");
    }
}
