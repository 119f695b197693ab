//! Finds secrets in a page: hashes of passwords, and values of secret keys.

use std::ops::Range;

use serde::Serialize;

use crate::bolt::bucket::BUCKET_HEADER;
use crate::bolt::leaf::BUCKET;
use crate::bolt::page::{Header, PageKind, table_end};
use crate::bolt::sizes::{ELEMENT, HEADER};
use crate::etcd::keyvalue::KeyValue;
use crate::int_readers::{u32_le, u64_le};
use crate::key_syntax::is_secret;
use crate::limits::{PAGE_VIEW_DEPTH, REDACT_WORK_FACTOR};

/// A byte range of a page to be shown only on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MaskedRange {
    /// Offset from the start of the page.
    pub at: u32,
    /// Length in bytes.
    pub len: u32,
}

/// Length of the start of a bcrypt hash, `$2a$10$`; 22 characters of salt and 31 of hash follow. etcd stores passwords
/// so. Free pages and unreadable pages contain hashes, too, so they are recognized by their form alone.
const HASH_HEAD: usize = 7;
const HASH: usize = HASH_HEAD + 22 + 31;

/// Returns the byte ranges to hide, in no particular order, and whether the page was searched completely. It is not if
/// elements overlap too much or buckets are nested too deep.
pub(super) fn hidden(bytes: &[u8]) -> (Vec<Range<usize>>, bool) {
    let mut search = SecretSearch { bytes, left: bytes.len().saturating_mul(REDACT_WORK_FACTOR), found: hashes(bytes) };
    let leaf = Header::parse(bytes).filter(|header| header.kind() == Some(PageKind::Leaf));
    let whole = leaf.is_none_or(|header| search.secrets(0, header, 0));
    (search.found, whole)
}

/// Returns the ranges of password hashes, including one that the end of the bytes cuts off.
fn hashes(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let len = hash_len(rest);
        if len > 0 {
            out.push(at..at.saturating_add(len));
        }
        at = at.saturating_add(len.max(1));
    }
    out
}

/// Returns the length of the hash at the start of `bytes`; 0 if there is none.
fn hash_len(bytes: &[u8]) -> usize {
    let [b'$', b'2', minor, b'$', ten, one, b'$', rest @ ..] = bytes else { return 0 };
    if !(minor.is_ascii_lowercase() && ten.is_ascii_digit() && one.is_ascii_digit()) {
        return 0;
    }
    let body = rest.get(..HASH.saturating_sub(HASH_HEAD)).unwrap_or(rest);
    let is_body = body.iter().all(|sign| sign.is_ascii_alphanumeric() || matches!(sign, b'.' | b'/'));
    if is_body { HASH_HEAD.saturating_add(body.len()) } else { 0 }
}

/// Searches for values of secret keys.
struct SecretSearch<'b> {
    bytes: &'b [u8],
    /// Bytes of elements and entries that may still be searched.
    left: usize,
    found: Vec<Range<usize>>,
}

impl SecretSearch<'_> {
    /// Searches the leaf whose header is at `base`: the page itself, or an inline bucket. Returns false if it was not
    /// searched completely.
    fn secrets(&mut self, base: usize, header: Header, depth: usize) -> bool {
        let bytes = self.bytes;
        let first = base.saturating_add(HEADER);
        let end = base.saturating_add(table_end(usize::from(header.count))).min(bytes.len());
        let mut whole = true;
        for at in (first..end).step_by(ELEMENT) {
            let [flags, position, key, value] =
                [0, 4, 8, 12].map(|part| u32_le(bytes, at.saturating_add(part)).unwrap_or_default());
            let start = at.saturating_add(position as usize).saturating_add(key as usize);
            let stop = start.saturating_add(value as usize).min(bytes.len());
            let entry = bytes.get(start..stop).unwrap_or_default();
            let Some(left) = self.left.checked_sub(ELEMENT.saturating_add(entry.len())) else { return false };
            self.left = left;
            if flags & BUCKET == 0 {
                self.found.extend(secret(entry).map(|part| start.saturating_add(part.start)..stop));
                continue;
            }
            let inner = start.saturating_add(BUCKET_HEADER);
            let lies_here = u64_le(bytes, start) == Some(0) && inner < stop;
            let header =
                bytes.get(inner..).and_then(Header::parse).filter(|header| header.kind() == Some(PageKind::Leaf));
            if let Some(header) = header.filter(|_| lies_here) {
                whole &= depth < PAGE_VIEW_DEPTH && self.secrets(inner, header, depth.saturating_add(1));
            }
        }
        whole
    }
}

/// Returns the secret part of an entry: everything after its key, including the value. The entry may be cut off, or be
/// invalid after the key.
fn secret(entry: &[u8]) -> Option<Range<usize>> {
    if let Some(behind) = behind_key(entry).filter(|(key, _)| is_secret(key)).map(|(_, behind)| behind) {
        return Some(behind..entry.len());
    }
    // etcd writes the key first; an entry with the key elsewhere is hidden completely.
    KeyValue::parse(entry).filter(|pair| is_secret(pair.key)).map(|_| 0..entry.len())
}

/// Decodes the key at the start of a message; returns the key and its end.
fn behind_key(entry: &[u8]) -> Option<(&[u8], usize)> {
    let (0x0a, rest) = entry.split_first().map(|(tag, rest)| (*tag, rest))? else { return None };
    let mut len = 0_usize;
    // No page is longer than 21 bits count.
    for (number, byte) in (0_u32..3).zip(rest) {
        len |= usize::from(byte & 0x7f) << number.saturating_mul(7);
        if byte & 0x80 == 0 {
            let from = number.saturating_add(2) as usize;
            let to = from.saturating_add(len).min(entry.len());
            return Some((entry.get(from..to)?, to));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &[u8] = b"$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

    /// Builds an entry as etcd writes it: key, revisions, value.
    fn entry(key: &[u8], value: &[u8]) -> Vec<u8> {
        let len = |bytes: &[u8]| u8::try_from(bytes.len()).expect("short");
        [&[0x0a, len(key)], key, &[0x10, 2, 0x18, 2, 0x20, 1, 0x2a, len(value)], value].concat()
    }

    /// Builds a leaf page with one entry per value.
    fn leaf(values: &[Vec<u8>]) -> Vec<u8> {
        let mut page = [&[0; 8][..], &[2, 0], &(values.len() as u16).to_le_bytes(), &[0; 4]].concat();
        let mut place = values.len() * ELEMENT;
        for (number, value) in values.iter().enumerate() {
            let position = (place - number * ELEMENT) as u32;
            let sizes = [0, position, 17, value.len() as u32];
            page.extend(sizes.iter().flat_map(|size| size.to_le_bytes()));
            place += 17 + value.len();
        }
        values.iter().for_each(|value| page.extend([&[0; 17][..], value].concat()));
        page
    }

    #[test]
    fn hashes_are_found_anywhere_whole_and_cut() {
        let page = [b"root\x12<", PASSWORD, b"\x1a\x04", b"$2a$10$short!", b"$2", PASSWORD].concat();
        assert_eq!(hashes(&page), [6..66, 83..143]);
        assert_eq!(hashes(&page[..100]), [6..66, 83..100]);
        assert_eq!(hashes(b"$2a$1"), []);
    }

    #[test]
    fn values_of_secrets_are_hidden_and_others_are_not() {
        let value = b"password: hunter2";
        let page = leaf(&[entry(b"/registry/pods/a", value), entry(b"/registry/secrets/a", value)]);
        let (parts, whole) = hidden(&page);
        let [part] = parts.try_into().expect("one secret");
        assert!(whole);
        let shown: Vec<u8> = page.iter().enumerate().filter(|(at, _)| !part.contains(at)).map(|(_, b)| *b).collect();
        let times = |bytes: &[u8], word: &[u8]| bytes.windows(word.len()).filter(|part| *part == word).count();
        assert_eq!((times(&page, value), times(&shown, value)), (2, 1));
        assert_eq!(times(&shown, b"/registry/secrets/a"), 1);
        // Tokens and keys that are not Secrets, and Secrets below a long prefix.
        for key in ["/openshift.io/oauth/accesstokens/a", "/bootstrap/a", "/a/b/c/secrets/default/a"] {
            let page = leaf(&[entry(b"/registry/pods/a", value), entry(key.as_bytes(), value)]);
            let [part] = hidden(&page).0.try_into().expect("one secret");
            assert!(page[part].ends_with(value), "{key}");
        }
    }

    #[test]
    fn a_secret_that_is_cut_or_turned_round_is_hidden() {
        let long = [b"/registry/secrets/".as_slice(), &[b'a'; 200]].concat();
        let cut = [&[0x0a, 0xda, 0x01], long.as_slice(), &[0x2a, 0xff, 0x7f], b"hunter2"].concat();
        assert_eq!(secret(&cut), Some(221..cut.len()));
        let turned = [&[0x2a, 7], b"hunter2".as_slice(), &[0x0a, 19], b"/registry/secrets/a"].concat();
        assert_eq!(secret(&turned), Some(0..turned.len()));
        assert_eq!(secret(b"\x0a\x80\x80\x80\x80"), None);
        assert_eq!(secret(b""), None);
    }

    /// Builds nested tables whose elements each name everything after their table, which is the next table.
    fn nested_tables(tables: usize, elements: usize) -> Vec<u8> {
        let table = BUCKET_HEADER + HEADER + elements * ELEMENT;
        let total = tables * table;
        let mut page = Vec::new();
        for number in 0..tables {
            page.extend([&[0; 24][..], &[2, 0], &(elements as u16).to_le_bytes(), &[0; 4]].concat());
            let behind = (number + 1) * table;
            for _ in 0..elements {
                let sizes = [1, (behind - page.len()) as u32, 0, (total - behind) as u32];
                page.extend(sizes.iter().flat_map(|size| size.to_le_bytes()));
            }
        }
        // The outermost table is the page itself.
        page.split_off(BUCKET_HEADER)
    }

    #[test]
    fn tables_in_tables_are_not_all_looked_into() {
        let page = nested_tables(5, 800);
        assert_eq!(hidden(&page), (Vec::new(), false));
        let small = nested_tables(2, 2);
        assert_eq!(hidden(&small), (Vec::new(), true));
        let deep = nested_tables(PAGE_VIEW_DEPTH + 2, 1);
        assert_eq!(hidden(&deep), (Vec::new(), false));
    }
}
