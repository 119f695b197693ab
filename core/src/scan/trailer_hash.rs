//! Computes the SHA-256 after the database, and judges a file's length by it.

use crate::bolt::page_id::PageId;
use crate::offset::Offset;
use sha2::{Digest, Sha256};

use crate::aligned_buf::AlignedBuf;
use crate::error::Error;
use crate::finding::Finding;
use crate::finding_code::Code;
use crate::limits::{BLOCK, HEAD_LEN, MAX_TAIL};
use crate::number_words::{counted, grouped};
use crate::progress::Watch;
use crate::scan::longest_length::Extent;
use crate::source::Source;
use crate::trailer::{Sha256Hex, TRAILER, Trailer};

/// Whether etcd takes the last 32 bytes of a file of this length for a trailer.
#[must_use]
pub fn is_present(len: u64) -> bool {
    len % 512 == TRAILER as u64 && len > TRAILER as u64
}

/// Hashes a file as its bytes pass, except its last 32 bytes. Also computes the hash for the case that the file should
/// have ended after the database.
#[derive(Debug, Clone)]
pub struct TrailerHasher {
    sha: Sha256,
    hashed: u64,
    held: Vec<u8>,
    /// A longer file is hashed only up to this length, and has no trailer.
    most: u64,
    logical: Option<u64>,
    at_logical: Option<[u8; TRAILER]>,
    behind_logical: Vec<u8>,
}

impl TrailerHasher {
    /// Creates a hasher for a file as long as `extent` says.
    #[must_use]
    pub fn new(extent: &Extent) -> Self {
        let (sha, held, behind_logical) = (Sha256::new(), Vec::with_capacity(2 * TRAILER), Vec::new());
        let (most, logical) = (extent.most(), extent.database());
        Self { sha, hashed: 0, held, most, logical, at_logical: None, behind_logical }
    }

    /// Adds the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.collect_behind_logical(bytes);
        if let Some(cut) = bytes.len().checked_sub(TRAILER) {
            let held = std::mem::take(&mut self.held);
            self.update(&held);
            self.update(bytes.get(..cut).unwrap_or_default());
            self.held = held;
            self.held.clear();
            self.held.extend_from_slice(bytes.get(cut..).unwrap_or_default());
        } else {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(bytes);
            let cut = held.len().saturating_sub(TRAILER);
            self.update(held.get(..cut).unwrap_or_default());
            held.drain(..cut);
            self.held = held;
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        let to_logical = self.logical.and_then(|logical| logical.checked_sub(self.hashed));
        let cut = to_logical.and_then(|left| usize::try_from(left).ok()).filter(|left| *left <= bytes.len());
        match cut {
            Some(cut) if self.at_logical.is_none() => {
                let (before, after) = bytes.split_at_checked(cut).unwrap_or((bytes, &[]));
                self.sha.update(before);
                self.at_logical = Some(self.sha.clone().finalize().into());
                self.sha.update(after);
            }
            _ => self.sha.update(bytes),
        }
        self.hashed = self.hashed.saturating_add(bytes.len() as u64);
    }

    fn collect_behind_logical(&mut self, bytes: &[u8]) {
        let here = self.hashed.saturating_add(self.held.len() as u64);
        let wanted = TRAILER.saturating_sub(self.behind_logical.len());
        let Some(logical) = self.logical.filter(|_| wanted > 0) else { return };
        let next = logical.saturating_add(self.behind_logical.len() as u64);
        let Some(at) = next.checked_sub(here).and_then(|at| usize::try_from(at).ok()) else { return };
        if let Some(rest) = bytes.get(at..) {
            self.behind_logical.extend_from_slice(rest.get(..wanted.min(rest.len())).unwrap_or_default());
        }
    }

    /// Returns the trailer of a file of `len` bytes. All bytes must have been fed, or, if the file is longer than its
    /// extent, at least those of the database and 32 more.
    #[must_use]
    pub fn finish(mut self, len: u64) -> Trailer {
        if len > self.most {
            // The bytes held back may be part of the database.
            let held = std::mem::take(&mut self.held);
            self.update(&held);
        }
        let held = std::mem::take(&mut self.held);
        self.update(&[]);
        let surplus = self.logical.is_some_and(|logical| logical.saturating_add(TRAILER as u64) < len);
        let fits = surplus && self.at_logical.is_some_and(|digest| digest.as_slice() == self.behind_logical);
        let present = is_present(len) && len <= self.most;
        Trailer {
            present,
            expected: present.then(|| Sha256Hex::of(&held)),
            actual: present.then(|| Sha256Hex::of(&self.sha.finalize())),
            fits_without_surplus: fits,
        }
    }
}

/// Reads the first bytes of a source, which include both meta pages.
pub(crate) fn head<S: Source + ?Sized>(source: &S) -> Result<Vec<u8>, Error> {
    let len = usize::try_from(source.len()).unwrap_or(usize::MAX).min(HEAD_LEN);
    read(source, 0, len)
}

fn read<S: Source + ?Sized>(source: &S, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; len];
    source.read_at(offset, &mut bytes).map_err(|cause| Error::Read {
        offset: Offset::new(offset),
        len: len as u64,
        cause,
    })?;
    Ok(bytes)
}

/// Computes the SHA-256 of everything before the trailer, in blocks of 1 MiB from front to back. If a file is longer
/// than a snapshot can be, nothing after the place of the trailer is read.
///
/// # Errors
/// A read fails, or `watch` requests a stop.
pub fn check_trailer<S: Source + ?Sized>(source: &S, watch: &dyn Watch) -> Result<Trailer, Error> {
    check_within(source, &Extent::of(&head(source)?), watch)
}

fn check_within<S: Source + ?Sized>(source: &S, extent: &Extent, watch: &dyn Watch) -> Result<Trailer, Error> {
    let mut hashing = TrailerHasher::new(extent);
    let end = if source.len() > extent.most() { extent.snapshot().unwrap_or(0) } else { source.len() };
    let mut block = AlignedBuf::new(BLOCK);
    let mut at = 0u64;
    while at < end {
        let left = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        let bytes = block.get_mut(..left.min(BLOCK)).unwrap_or_default();
        source.read_at(at, bytes).map_err(|cause| Error::Read {
            offset: Offset::new(at),
            len: bytes.len() as u64,
            cause,
        })?;
        hashing.feed(bytes);
        at = at.saturating_add(bytes.len() as u64);
        watch.advance(bytes.len() as u64);
        if watch.cancelled() {
            return Err(Error::Cancelled);
        }
    }
    Ok(hashing.finish(source.len()))
}

/// Reads the trailer without hashing: `actual` stays `None`.
///
/// # Errors
/// A read fails.
pub fn peek_trailer<S: Source + ?Sized>(source: &S) -> Result<Trailer, Error> {
    if is_present(source.len()) { peek_within(source, &Extent::of(&head(source)?)) } else { Ok(Trailer::default()) }
}

fn peek_within<S: Source + ?Sized>(source: &S, extent: &Extent) -> Result<Trailer, Error> {
    if !is_present(source.len()) || source.len() > extent.most() {
        return Ok(Trailer::default());
    }
    let bytes = read(source, source.len().saturating_sub(TRAILER as u64), TRAILER)?;
    Ok(Trailer { present: true, expected: Some(Sha256Hex::of(&bytes)), ..Trailer::default() })
}

/// Reads the trailer without hashing, unless the file is longer than a snapshot: only the hash shows whether what follows
/// can be cut off.
///
/// # Errors
/// As [`check_trailer`].
pub fn quick_trailer<S: Source + ?Sized>(source: &S, watch: &dyn Watch) -> Result<Trailer, Error> {
    let len = source.len();
    let extent = Extent::of(&head(source)?);
    let whole = extent.database().map(|database| database.saturating_add(TRAILER as u64));
    // As in `judge`: a copied database file may be longer, by whole sectors.
    let is_lengthened = whole.is_some_and(|whole| len > whole) && !is_present(len) && !len.is_multiple_of(512);
    if is_lengthened { check_within(source, &extent, watch) } else { peek_within(source, &extent) }
}

/// Judges a file by its length and trailer, given the database's logical size.
pub(crate) fn judge(len: u64, logical: u64, page_size: u32, trailer: &Trailer) -> Vec<Finding> {
    let whole = logical.saturating_add(TRAILER as u64);
    let differs = trailer.actual.is_some() && trailer.actual != trailer.expected;
    let mismatch = || {
        let text = "the file's SHA-256 does not match its contents";
        Finding::new(Code::Sha256Mismatch, text).offset(Offset::new(len.saturating_sub(TRAILER as u64)))
    };
    let missing = || {
        Finding::new(Code::TrailerMissing, format!("no SHA-256 follows the {} bytes of the database", grouped(logical)))
    };
    let lengthened = |text: String| Finding::new(Code::FileLengthened, text).offset(Offset::new(whole));
    let surplus = len.saturating_sub(whole);
    if len < logical {
        let lost = logical.saturating_sub(len);
        let text = format!(
            "the database has {} bytes, but the file has {}: the last {} bytes are missing",
            grouped(logical),
            grouped(len),
            grouped(lost)
        );
        let page = len.checked_div(u64::from(page_size)).unwrap_or(0);
        return vec![Finding::new(Code::FileTruncated, text).page(PageId::new(page)).offset(Offset::new(len))];
    }
    if len > logical && len < whole {
        let text = format!(
            "the file ends within its SHA-256, {} too early",
            counted(whole.saturating_sub(len), "byte", "bytes")
        );
        return vec![Finding::new(Code::FileTruncated, text).offset(Offset::new(len))];
    }
    if len == logical {
        return vec![missing()];
    }
    if len == whole {
        return if differs { vec![mismatch()] } else { Vec::new() };
    }
    if surplus > MAX_TAIL {
        let fits = if trailer.fits_without_surplus { "; if cut to that length, its SHA-256 matches" } else { "" };
        let mib = MAX_TAIL >> 20;
        let text = format!(
            "The file continues for more than {mib} MiB after the {} bytes of a snapshot{fits}.",
            grouped(whole)
        );
        return vec![lengthened(text)];
    }
    if trailer.fits_without_surplus {
        let text = format!(
            "the file has {} too many: cut to {} bytes, its SHA-256 matches",
            counted(surplus, "byte", "bytes"),
            grouped(whole)
        );
        return vec![lengthened(text)];
    }
    match (trailer.present, differs) {
        // A database file grows ahead of its high-water mark, so a copy may be longer, but only by whole sectors.
        (false, _) if len.is_multiple_of(512) => vec![missing()],
        (false, _) => vec![lengthened(format!("{} the place of the SHA-256, and no SHA-256 matches", extra(surplus)))],
        (true, true) => {
            vec![mismatch(), lengthened(format!("{} the place of the SHA-256", extra(surplus)))]
        }
        (true, false) => Vec::new(),
    }
}

fn extra(surplus: u64) -> String {
    format!("{} {}", counted(surplus, "extra byte", "extra bytes"), if surplus == 1 { "follows" } else { "follow" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::READ_AHEAD;
    use crate::progress::Unwatched;

    const SNAPSHOT: &[u8] = include_bytes!("../../../tests/cases/3.7-history/snapshot.db");

    fn hashed(bytes: &[u8], piece: usize) -> Trailer {
        let mut hashing = TrailerHasher::new(&Extent::of(&bytes[..HEAD_LEN.min(bytes.len())]));
        bytes.chunks(piece).for_each(|piece| hashing.feed(piece));
        hashing.finish(bytes.len() as u64)
    }

    #[test]
    fn pieces_of_any_size_give_the_same() {
        let file = [SNAPSHOT, &[0; 5000]].concat();
        let whole = hashed(&file, file.len());
        assert!(whole.fits_without_surplus);
        for size in [31, 32, 33, 100, 4096] {
            assert_eq!(hashed(&file, size), whole, "pieces of {size}");
        }
    }

    /// A file with only its first bytes readable.
    struct Endless {
        most: u64,
        len: u64,
    }

    impl Source for Endless {
        fn len(&self) -> u64 {
            self.len
        }
        fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), crate::ReadError> {
            assert!(offset + out.len() as u64 <= self.most, "read at {offset}");
            let start = usize::try_from(offset).unwrap().min(SNAPSHOT.len());
            let known = out.len().min(SNAPSHOT.len() - start);
            out.fill(0);
            out[..known].copy_from_slice(&SNAPSHOT[start..start + known]);
            Ok(())
        }
    }

    #[test]
    fn a_file_that_never_ends_is_read_no_further_than_a_snapshot() {
        let most = SNAPSHOT.len() as u64;
        for len in [1 << 40, (1 << 40) + 32] {
            let source = Endless { most, len };
            let trailer = check_trailer(&source, &Unwatched).unwrap();
            assert!(trailer.fits_without_surplus && !trailer.present, "{trailer:?}");
            assert_eq!(peek_trailer(&source).unwrap(), Trailer::default());
            // Pages are read together with some following bytes.
            let source = Endless { most: most + READ_AHEAD as u64, len };
            let report = crate::verify(&source, &Unwatched).unwrap();
            let said = report.findings.list().iter().map(|finding| finding.code.as_str()).collect::<Vec<_>>();
            assert_eq!(said, ["file-lengthened"]);
        }
        // Up to the limit the whole file counts.
        let source = Endless { most: u64::MAX, len: most + MAX_TAIL };
        assert!(check_trailer(&source, &Unwatched).unwrap().fits_without_surplus);
    }

    #[test]
    fn a_trailer_is_checked() {
        let mut file = SNAPSHOT.to_vec();
        let trailer = check_trailer(&file, &Unwatched).unwrap();
        assert!(trailer.present && trailer.expected == trailer.actual);
        file[9000] ^= 8;
        let trailer = check_trailer(&file, &Unwatched).unwrap();
        assert_ne!(trailer.expected, trailer.actual);
    }
}
