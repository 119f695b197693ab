//! Computes and checks the SHA-256 of a snapshot, and checks the length of the file.

use crate::bolt::page_id::PageId;
use crate::offset::Offset;
use sha2::{Digest, Sha256};

use crate::aligned_buf::AlignedBuf;
use crate::error::Error;
use crate::finding::Finding;
use crate::finding_code::Code;
use crate::limits::{HEAD_LEN, MAX_EXTRA_BYTES, READ_BLOCK};
use crate::number_words::{counted, grouped};
use crate::progress::ScanProgress;
use crate::scan::claimed_length::ClaimedLength;
use crate::source::Source;
use crate::trailer::{Sha256Hex, TRAILER_LEN, Trailer};

/// Whether etcd treats the last 32 bytes of a file of this length as its SHA-256.
#[must_use]
pub fn is_present(len: u64) -> bool {
    len % 512 == TRAILER_LEN as u64 && len > TRAILER_LEN as u64
}

/// Hashes all bytes of a file except the last 32, in order. Also computes the hash of the database alone, in case extra
/// bytes follow its SHA-256.
#[derive(Debug, Clone)]
pub struct TrailerHasher {
    sha: Sha256,
    hashed: u64,
    held_back: Vec<u8>,
    /// Longest file that is hashed as a whole, in bytes. Of a longer one only the database is hashed; it has no
    /// trailer.
    read_limit: u64,
    logical_size: Option<u64>,
    hash_at_database_end: Option<[u8; TRAILER_LEN]>,
    bytes_after_database: Vec<u8>,
}

impl TrailerHasher {
    /// Creates a hasher for a file that claims this length.
    #[must_use]
    pub fn new(claimed: &ClaimedLength) -> Self {
        let (sha, held_back, bytes_after_database) = (Sha256::new(), Vec::with_capacity(2 * TRAILER_LEN), Vec::new());
        let (read_limit, logical_size) = (claimed.read_limit(), claimed.database());
        Self { sha, hashed: 0, held_back, read_limit, logical_size, hash_at_database_end: None, bytes_after_database }
    }

    /// Adds the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.collect_bytes_after_database(bytes);
        if let Some(cut) = bytes.len().checked_sub(TRAILER_LEN) {
            let held_back = std::mem::take(&mut self.held_back);
            self.update(&held_back);
            self.update(bytes.get(..cut).unwrap_or_default());
            self.held_back = held_back;
            self.held_back.clear();
            self.held_back.extend_from_slice(bytes.get(cut..).unwrap_or_default());
        } else {
            let mut held_back = std::mem::take(&mut self.held_back);
            held_back.extend_from_slice(bytes);
            let cut = held_back.len().saturating_sub(TRAILER_LEN);
            self.update(held_back.get(..cut).unwrap_or_default());
            held_back.drain(..cut);
            self.held_back = held_back;
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        let to_logical = self.logical_size.and_then(|logical| logical.checked_sub(self.hashed));
        let cut = to_logical.and_then(|left| usize::try_from(left).ok()).filter(|left| *left <= bytes.len());
        match cut {
            Some(cut) if self.hash_at_database_end.is_none() => {
                let (before, after) = bytes.split_at_checked(cut).unwrap_or((bytes, &[]));
                self.sha.update(before);
                self.hash_at_database_end = Some(self.sha.clone().finalize().into());
                self.sha.update(after);
            }
            _ => self.sha.update(bytes),
        }
        self.hashed = self.hashed.saturating_add(bytes.len() as u64);
    }

    fn collect_bytes_after_database(&mut self, bytes: &[u8]) {
        let here = self.hashed.saturating_add(self.held_back.len() as u64);
        let wanted = TRAILER_LEN.saturating_sub(self.bytes_after_database.len());
        let Some(logical) = self.logical_size.filter(|_| wanted > 0) else { return };
        let next = logical.saturating_add(self.bytes_after_database.len() as u64);
        let Some(at) = next.checked_sub(here).and_then(|at| usize::try_from(at).ok()) else { return };
        if let Some(rest) = bytes.get(at..) {
            self.bytes_after_database.extend_from_slice(rest.get(..wanted.min(rest.len())).unwrap_or_default());
        }
    }

    /// Returns the trailer of a file of `len` bytes. All bytes must have been fed; of a file longer than the limit, at
    /// least the database and 32 more bytes.
    #[must_use]
    pub fn finish(mut self, len: u64) -> Trailer {
        if len > self.read_limit {
            // The last 32 bytes fed may be part of the database.
            let held_back = std::mem::take(&mut self.held_back);
            self.update(&held_back);
        }
        let held_back = std::mem::take(&mut self.held_back);
        self.update(&[]);
        let surplus = self.logical_size.is_some_and(|logical| logical.saturating_add(TRAILER_LEN as u64) < len);
        let fits =
            surplus && self.hash_at_database_end.is_some_and(|digest| digest.as_slice() == self.bytes_after_database);
        let present = is_present(len) && len <= self.read_limit;
        Trailer {
            present,
            expected: present.then(|| Sha256Hex::of(&held_back)),
            actual: present.then(|| Sha256Hex::of(&self.sha.finalize())),
            matches_if_cut: fits,
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

/// Computes the SHA-256 of all bytes before the trailer, in blocks of 1 MiB from front to back. If the file is longer
/// than a snapshot can be, nothing after the database and 32 more bytes is read.
///
/// # Errors
/// A read fails, or `progress` requests a stop.
pub fn check_trailer<S: Source + ?Sized>(source: &S, progress: &dyn ScanProgress) -> Result<Trailer, Error> {
    hash_within(source, &ClaimedLength::of(&head(source)?), progress)
}

fn hash_within<S: Source + ?Sized>(
    source: &S,
    claimed: &ClaimedLength,
    progress: &dyn ScanProgress,
) -> Result<Trailer, Error> {
    let mut hasher = TrailerHasher::new(claimed);
    let end = if source.len() > claimed.read_limit() { claimed.snapshot().unwrap_or(0) } else { source.len() };
    let mut block = AlignedBuf::new(READ_BLOCK);
    let mut at = 0u64;
    while at < end {
        let left = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        let bytes = block.get_mut(..left.min(READ_BLOCK)).unwrap_or_default();
        source.read_at(at, bytes).map_err(|cause| Error::Read {
            offset: Offset::new(at),
            len: bytes.len() as u64,
            cause,
        })?;
        hasher.feed(bytes);
        at = at.saturating_add(bytes.len() as u64);
        progress.advance(bytes.len() as u64);
        if progress.cancelled() {
            return Err(Error::Cancelled);
        }
    }
    Ok(hasher.finish(source.len()))
}

/// Reads the trailer without hashing the file: `actual` stays `None`.
///
/// # Errors
/// A read fails.
pub fn peek_trailer<S: Source + ?Sized>(source: &S) -> Result<Trailer, Error> {
    if is_present(source.len()) {
        read_within(source, &ClaimedLength::of(&head(source)?))
    } else {
        Ok(Trailer::default())
    }
}

fn read_within<S: Source + ?Sized>(source: &S, claimed: &ClaimedLength) -> Result<Trailer, Error> {
    if !is_present(source.len()) || source.len() > claimed.read_limit() {
        return Ok(Trailer::default());
    }
    let bytes = read(source, source.len().saturating_sub(TRAILER_LEN as u64), TRAILER_LEN)?;
    Ok(Trailer { present: true, expected: Some(Sha256Hex::of(&bytes)), ..Trailer::default() })
}

/// Reads the trailer without hashing, unless extra bytes follow: only the hash shows whether they can be cut off.
///
/// # Errors
/// The same errors as [`check_trailer`].
pub fn quick_trailer<S: Source + ?Sized>(source: &S, progress: &dyn ScanProgress) -> Result<Trailer, Error> {
    let len = source.len();
    let claimed = ClaimedLength::of(&head(source)?);
    let whole = claimed.database().map(|database| database.saturating_add(TRAILER_LEN as u64));
    // As in `judge_length`: a copied database file may be longer, by whole sectors.
    let is_lengthened = whole.is_some_and(|whole| len > whole) && !is_present(len) && !len.is_multiple_of(512);
    if is_lengthened { hash_within(source, &claimed, progress) } else { read_within(source, &claimed) }
}

/// Returns the findings about a file's length and trailer. `len` is the length of the file, `logical` that of the
/// database, both in bytes.
pub(crate) fn judge_length(len: u64, logical: u64, page_size: u32, trailer: &Trailer) -> Vec<Finding> {
    let whole = logical.saturating_add(TRAILER_LEN as u64);
    let differs = trailer.actual.is_some() && trailer.actual != trailer.expected;
    let mismatch = || {
        let text = "the file's SHA-256 does not match its contents";
        Finding::new(Code::Sha256Mismatch, text).offset(Offset::new(len.saturating_sub(TRAILER_LEN as u64)))
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
    if surplus > MAX_EXTRA_BYTES {
        let fits = if trailer.matches_if_cut { "; if cut to that length, its SHA-256 matches" } else { "" };
        let mib = MAX_EXTRA_BYTES >> 20;
        let text = format!(
            "The file continues for more than {mib} MiB after the {} bytes of a snapshot{fits}.",
            grouped(whole)
        );
        return vec![lengthened(text)];
    }
    if trailer.matches_if_cut {
        let text = format!(
            "the file has {} too many: cut to {} bytes, its SHA-256 matches",
            counted(surplus, "byte", "bytes"),
            grouped(whole)
        );
        return vec![lengthened(text)];
    }
    match (trailer.present, differs) {
        // etcd grows its database file ahead of use, so a copy may be longer, but only by whole sectors.
        (false, _) if len.is_multiple_of(512) => vec![missing()],
        (false, _) => {
            vec![lengthened(format!("{} the place of the SHA-256, and no SHA-256 matches", extra_bytes_text(surplus)))]
        }
        (true, true) => {
            vec![mismatch(), lengthened(format!("{} the place of the SHA-256", extra_bytes_text(surplus)))]
        }
        (true, false) => Vec::new(),
    }
}

fn extra_bytes_text(surplus: u64) -> String {
    format!("{} {}", counted(surplus, "extra byte", "extra bytes"), if surplus == 1 { "follows" } else { "follow" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::READ_AHEAD;
    use crate::progress::IgnoreProgress;

    const SNAPSHOT: &[u8] = include_bytes!("../../../tests/cases/3.7-history/snapshot.db");

    fn hashed(bytes: &[u8], piece: usize) -> Trailer {
        let mut hasher = TrailerHasher::new(&ClaimedLength::of(&bytes[..HEAD_LEN.min(bytes.len())]));
        bytes.chunks(piece).for_each(|piece| hasher.feed(piece));
        hasher.finish(bytes.len() as u64)
    }

    #[test]
    fn the_result_does_not_depend_on_piece_sizes() {
        let file = [SNAPSHOT, &[0; 5000]].concat();
        let whole = hashed(&file, file.len());
        assert!(whole.matches_if_cut);
        for size in [31, 32, 33, 100, 4096] {
            assert_eq!(hashed(&file, size), whole, "pieces of {size}");
        }
    }

    /// A file of which only the first bytes may be read.
    struct Endless {
        readable: u64,
        len: u64,
    }

    impl Source for Endless {
        fn len(&self) -> u64 {
            self.len
        }
        fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), crate::ReadError> {
            assert!(offset + out.len() as u64 <= self.readable, "read at {offset}");
            let start = usize::try_from(offset).unwrap().min(SNAPSHOT.len());
            let known = out.len().min(SNAPSHOT.len() - start);
            out.fill(0);
            out[..known].copy_from_slice(&SNAPSHOT[start..start + known]);
            Ok(())
        }
    }

    #[test]
    fn an_endless_file_is_read_only_as_far_as_a_snapshot() {
        let most = SNAPSHOT.len() as u64;
        for len in [1 << 40, (1 << 40) + 32] {
            let source = Endless { readable: most, len };
            let trailer = check_trailer(&source, &IgnoreProgress).unwrap();
            assert!(trailer.matches_if_cut && !trailer.present, "{trailer:?}");
            assert_eq!(peek_trailer(&source).unwrap(), Trailer::default());
            // Pages are read together with some following bytes.
            let source = Endless { readable: most + READ_AHEAD as u64, len };
            let report = crate::verify(&source, &IgnoreProgress).unwrap();
            let codes = report.findings.list().iter().map(|finding| finding.code.as_str()).collect::<Vec<_>>();
            assert_eq!(codes, ["file-lengthened"]);
        }
        // Up to the limit the whole file counts.
        let source = Endless { readable: u64::MAX, len: most + MAX_EXTRA_BYTES };
        assert!(check_trailer(&source, &IgnoreProgress).unwrap().matches_if_cut);
    }

    #[test]
    fn a_changed_byte_changes_the_hash() {
        let mut file = SNAPSHOT.to_vec();
        let trailer = check_trailer(&file, &IgnoreProgress).unwrap();
        assert!(trailer.present && trailer.expected == trailer.actual);
        file[9000] ^= 8;
        let trailer = check_trailer(&file, &IgnoreProgress).unwrap();
        assert_ne!(trailer.expected, trailer.actual);
    }
}
