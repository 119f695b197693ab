//! Reads the only file in a zip archive.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use rawzip::{CompressionMethod, Error, ErrorKind, MAX_CENTRAL_DIRECTORY_RECORD_SIZE, ZipArchive};

use crate::error::CarriedError;
use crate::{READ_BUFFER_LEN, broken, carried_error};

/// Number of file names that a message lists.
const MAX_NAMES: usize = 5;

/// Number of characters of a name that a message shows.
const MAX_NAME_CHARS: usize = 60;

/// The unpacked bytes of a file in an archive.
pub(crate) struct ZipMember<'r> {
    pub reader: Box<dyn Read + 'r>,
    /// Byte range of its data in the archive, if it is uncompressed.
    pub stored: Option<Range<u64>>,
}

/// Finds the only file in an archive, apart from directories and files that macOS adds. Reads the archive's directory,
/// of any length, in pieces.
pub(crate) fn only_file<'r, R: Read + Seek + 'r>(packed: R) -> io::Result<ZipMember<'r>> {
    let mut buffer = vec![0; MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
    let archive = ZipArchive::from_seekable(packed, &mut buffer).map_err(explain)?;
    let mut found = None;
    let mut names = Vec::new();
    let mut entries = archive.entries(&mut buffer);
    while let Some(entry) = entries.next_entry().map_err(explain)? {
        let name = String::from_utf8_lossy(entry.file_path().as_bytes()).into_owned();
        if entry.is_dir() || is_added_by_macos(&name) {
            continue;
        }
        found = Some((entry.wayfinder(), entry.compression_method(), entry.crc32(), entry.flags().is_encrypted()));
        names.push(shortened(&name));
        if names.len() > MAX_NAMES {
            break;
        }
    }
    let Some((wayfinder, method, crc, encrypted)) = found else { return Err(unsupported("it holds no file")) };
    if names.len() > 1 {
        let more = if names.len() > MAX_NAMES { ", …" } else { "" };
        names.truncate(MAX_NAMES);
        return Err(unsupported(format!("it holds several files ({}{more})", names.join(", "))));
    }
    if encrypted {
        return Err(unsupported("it is encrypted"));
    }
    let (start, end) = archive.get_entry(wayfinder).map_err(explain)?.compressed_data_range();
    let mut packed = archive.into_inner().into_inner();
    packed.seek(SeekFrom::Start(start))?;
    let rest = packed.take(end.saturating_sub(start));
    let packed = BufReader::with_capacity(READ_BUFFER_LEN, ExactLength { rest });
    match method {
        CompressionMethod::STORE => {
            Ok(ZipMember { reader: Box::new(CrcChecked::new(packed, crc)), stored: Some(start..end) })
        }
        CompressionMethod::DEFLATE => {
            Ok(ZipMember { reader: Box::new(CrcChecked::new(DeflateDecoder::new(packed), crc)), stored: None })
        }
        other => Err(unsupported(format!("the file in it is packed with {}", method_name(other)))),
    }
}

/// Returns whether macOS adds files with this name by itself: resource forks, and window settings of a folder.
fn is_added_by_macos(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    name.starts_with("__MACOSX/") || last.starts_with("._") || last == ".DS_Store"
}

/// Shortens and escapes a name for a message.
fn shortened(name: &str) -> String {
    let plain: String =
        name.chars().take(MAX_NAME_CHARS).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if plain.len() < name.len() && name.chars().count() > MAX_NAME_CHARS { format!("{plain}…") } else { plain }
}

/// Returns the method's name, or its number.
fn method_name(method: CompressionMethod) -> String {
    method.name().map_or_else(|| format!("method {}", method.as_u16()), str::to_ascii_lowercase)
}

fn unsupported(reason: impl Into<String>) -> io::Error {
    carried_error(CarriedError::Unsupported(reason.into()))
}

fn explain(error: Error) -> io::Error {
    match error.into_kind() {
        ErrorKind::IO(error) => error,
        ErrorKind::MissingEndOfCentralDirectory => broken("its end is missing, which holds its directory"),
        ErrorKind::Eof => broken("it ends too early"),
        other => broken(format!("its directory cannot be read ({other})")),
    }
}

/// A reader that fails if the data ends too early.
struct ExactLength<R> {
    rest: io::Take<R>,
}

impl<R: Read> Read for ExactLength<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.rest.read(out)?;
        if count == 0 && !out.is_empty() && self.rest.limit() > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(count)
    }
}

/// A reader that fails at its end if the CRC-32 (IEEE) of its bytes is not the expected one.
struct CrcChecked<R> {
    reader: R,
    crc: Crc,
    expected: u32,
}

impl<R> CrcChecked<R> {
    fn new(reader: R, expected: u32) -> Self {
        Self { reader, crc: Crc::new(), expected }
    }
}

impl<R: Read> Read for CrcChecked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(out)?;
        self.crc.update(out.get(..count).unwrap_or_default());
        if count == 0 && !out.is_empty() && self.crc.sum() != self.expected {
            return Err(broken("the checksum of the file in it is wrong"));
        }
        Ok(count)
    }
}
