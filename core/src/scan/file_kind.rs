//! Recognizes file formats by their first bytes, because people pass all sorts of files.

use serde::Serialize;

use crate::bolt::meta::{MetaPages, looks_like_bolt};

/// A recognized file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FileKind {
    /// An empty file.
    Empty,
    /// A bbolt database with at least one valid meta page.
    Bolt,
    /// A file with bbolt's magic number, but no valid meta page.
    BrokenBolt,
    /// gzip.
    Gzip,
    /// zip.
    Zip,
    /// Zstandard.
    Zstd,
    /// xz.
    Xz,
    /// bzip2.
    Bzip2,
    /// A tar archive.
    Tar,
    /// XML, such as an error from an object store.
    Xml,
    /// HTML, such as a login or error page.
    Html,
    /// JSON, such as an error from an API.
    Json,
    /// Other text.
    Text,
    /// A write-ahead log of etcd.
    Wal,
    /// A `.snap` file of etcd's `member/snap`.
    SnapFile,
    /// Only zeros.
    Zeros,
    /// An unknown format.
    Unknown,
}

impl FileKind {
    /// Describes the format and what to do, as a clause.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Empty => "the file is empty: the save or copy never wrote a byte",
            Self::Bolt => "this is a bbolt database",
            Self::BrokenBolt => "this is a bbolt database, but both of its meta pages are invalid",
            Self::Gzip => "this is a gzip file: decompress it, because the snapshot may be inside",
            Self::Zip => "this is a zip file: extract it, because the snapshot may be inside",
            Self::Zstd => "this is a Zstandard file: decompress it, because the snapshot may be inside",
            Self::Xz => "this is an xz file: decompress it (xz -d), because the snapshot may be inside",
            Self::Bzip2 => "this is a bzip2 file: decompress it (bzip2 -d), because the snapshot may be inside",
            Self::Tar => "this is a tar archive: extract it (tar -xf), because the snapshot may be inside",
            Self::Xml => {
                "this is an XML document, perhaps an error that an object store sent instead of the file: read it, and download the file again"
            }
            Self::Html => {
                "this is an HTML page, perhaps a login or error page that was saved instead of the file: read it, and download the file again"
            }
            Self::Json => "this is a JSON document, perhaps an error from an API: read it, and download the file again",
            Self::Text => "this is text, not a database",
            Self::Wal => {
                "this is a write-ahead log of etcd (member/wal): use a file that `snapshot save` wrote, or the database member/snap/db"
            }
            Self::SnapFile => {
                "this is a .snap file of etcd, which holds only the membership: use the database, the file `db` beside it"
            }
            Self::Zeros => {
                "the file holds only zeros: it was preallocated and never written, or its disk lost the data"
            }
            Self::Unknown => "this is neither a snapshot nor a known archive or compressed file",
        }
    }
}

/// Recognizes the format of a file by its first bytes.
///
/// `head` should be [`HEAD_LEN`](crate::limits::HEAD_LEN) bytes or the whole file.
#[must_use]
pub fn sniff(head: &[u8]) -> FileKind {
    const SIGNATURES: &[(&[u8], FileKind)] = &[
        (&[0x1f, 0x8b], FileKind::Gzip),
        (b"PK\x03\x04", FileKind::Zip),
        (b"PK\x05\x06", FileKind::Zip),
        (&[0x28, 0xb5, 0x2f, 0xfd], FileKind::Zstd),
        (&[0xfd, b'7', b'z', b'X', b'Z', 0], FileKind::Xz),
        (b"BZh", FileKind::Bzip2),
    ];
    if head.is_empty() {
        return FileKind::Empty;
    }
    if MetaPages::find(head).is_some() {
        return FileKind::Bolt;
    }
    if let Some((_, kind)) = SIGNATURES.iter().find(|(signature, _)| head.starts_with(signature)) {
        return *kind;
    }
    if is_skippable(head) {
        return FileKind::Zstd;
    }
    if head.get(257..262) == Some(b"ustar") {
        return FileKind::Tar;
    }
    if looks_like_bolt(head) {
        return FileKind::BrokenBolt;
    }
    if is_wal(head) {
        return FileKind::Wal;
    }
    if head.iter().all(|byte| *byte == 0) {
        return FileKind::Zeros;
    }
    if let Some(kind) = text(head) {
        return kind;
    }
    if is_snap(head) { FileKind::SnapFile } else { FileKind::Unknown }
}

/// Whether a skippable frame of Zstandard begins here. Such frames may precede, separate and follow the others: pzstd
/// begins with one. The last four bits of its magic number are arbitrary; source: RFC 8878, section 3.1.2.
fn is_skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Whether this is a WAL: it begins with an 8-byte frame length and a `walpb.Record` of type 4 (crc); source: etcd's
/// `server/storage/wal`.
fn is_wal(head: &[u8]) -> bool {
    let Some(frame) = crate::int_readers::u64_le(head, 0) else { return false };
    let len = frame & 0x00ff_ffff_ffff_ffff;
    (2..=64).contains(&len) && head.get(8..10) == Some(&[0x08, 0x04])
}

/// Whether this is a `.snap` file: a `snappb.snapshot` with a CRC in field 1 and bytes to the end in field 2.
fn is_snap(head: &[u8]) -> bool {
    let Some(rest) = head.strip_prefix(&[0x08]) else { return false };
    let crc = rest.iter().take_while(|byte| **byte >= 0x80).count().saturating_add(1);
    crc <= 5 && rest.get(crc) == Some(&0x12)
}

fn text(head: &[u8]) -> Option<FileKind> {
    let start = head.get(..head.len().min(1024)).unwrap_or_default();
    let start = start.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(start);
    let readable = start.iter().all(|byte| *byte >= 0x20 || matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c));
    if !readable || !is_likely_text(start) {
        return None;
    }
    let text = String::from_utf8_lossy(start).trim_start().to_ascii_lowercase();
    let kind = if text.starts_with("<!doctype html") || text.starts_with("<html") || text.contains("<html") {
        FileKind::Html
    } else if text.starts_with("<?xml") || text.starts_with('<') {
        FileKind::Xml
    } else if text.starts_with('{') || text.starts_with('[') {
        FileKind::Json
    } else {
        FileKind::Text
    };
    Some(kind)
}

/// Whether these bytes are UTF-8, of which the last character may be cut off, or mostly ASCII, as in Latin-1. Other bytes above 0x7f, such as those of
/// an overwritten page, are no text.
fn is_likely_text(bytes: &[u8]) -> bool {
    let ascii = bytes.iter().filter(|byte| byte.is_ascii()).count();
    std::str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true) || ascii > bytes.len() / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_mistakes_are_recognized() {
        let cases: &[(&[u8], FileKind)] = &[
            (b"", FileKind::Empty),
            (b"\x1f\x8b\x08\x00", FileKind::Gzip),
            (b"\x28\xb5\x2f\xfd\x04", FileKind::Zstd),
            (b"\x50\x2a\x4d\x18\x04\x00\x00\x00", FileKind::Zstd),
            (b"\x5f\x2a\x4d\x18", FileKind::Zstd),
            (b"\x60\x2a\x4d\x18", FileKind::Unknown),
            (b"<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>", FileKind::Xml),
            (b"<?xml version=\"1.0\"?><!DOCTYPE html><html>", FileKind::Html),
            (b"\n<!DOCTYPE HTML><html>", FileKind::Html),
            (b"{\"error\":\"forbidden\"}", FileKind::Json),
            (b"hello", FileKind::Text),
            ("日本語のメモ".as_bytes(), FileKind::Text),
            (b"caf\xe9", FileKind::Text),
            (&[0; 4096], FileKind::Zeros),
            (&[0xff; 4096], FileKind::Unknown),
            (&[4, 0, 0, 0, 0, 0, 0, 0x84, 8, 4, 16, 0, 0, 0, 0, 0], FileKind::Wal),
            (&[0x9c, 3, 7, 1, 0xff], FileKind::Unknown),
        ];
        for (head, kind) in cases {
            assert_eq!(sniff(head), *kind, "{:?}", head.escape_ascii().to_string());
        }
    }
}
