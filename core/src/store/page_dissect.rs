//! Dissects a page into fields, each with its bytes and their meaning.

use crate::bolt::page_id::PageId;
use crate::offset::Offset;
use std::ops::Range;

use serde::Serialize;

use crate::bolt::bucket::BUCKET_HEADER;
use crate::bolt::leaf::BUCKET;
use crate::bolt::meta::{MAGIC, META_END, NO_FREELIST, VERSION};
use crate::bolt::page::{Header, PageKind, range, table_end};
use crate::bolt::page_budget::{Admission, PageBudget};
use crate::bolt::sizes::{ELEMENT, HEADER};
use crate::error::Error;
use crate::etcd::keyvalue::KeyValue;
use crate::etcd::revision_key::RevisionKey;
use crate::int_readers::{u32_le, u64_le};
use crate::key_syntax::{key_text, printable};
use crate::limits::{PAGE_VIEW_BYTES, PAGE_VIEW_DEPTH, PAGE_VIEW_FIELDS, PAGE_VIEW_TEXT};
use crate::source::Source;
use crate::store::masked_bytes::{self, MaskedRange};
use crate::store::opened_store::Store;

/// A dissected page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PageView {
    /// Page id.
    pub page: PageId,
    /// Offset in the file, in bytes.
    pub offset: Offset,
    /// Page type, in words.
    pub kind: String,
    /// Number of pages it claims, overflow pages included.
    pub span: u64,
    /// Number of elements, or of free page ids.
    pub count: u64,
    /// Its first fields, in table order.
    pub fields: Vec<PageField>,
    /// Whether fields were left out.
    pub more: bool,
    /// Byte ranges with secrets.
    pub hidden: Vec<MaskedRange>,
    /// Whether the page has a structure that shows its secrets. The middle of a longer entry has none.
    pub readable: bool,
}

/// A field of a page: some bytes and their meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PageField {
    /// Offset from the start of the page.
    pub at: u32,
    /// Length in bytes.
    pub len: u32,
    /// Name of the field.
    pub name: String,
    /// Decoded value.
    pub value: String,
    /// Nesting depth: the parts of an element are one deeper than the element.
    pub depth: u32,
    /// Page that the field points to.
    pub link: Option<PageId>,
    /// Whether `value` shows bytes of a secret.
    pub secret: bool,
    /// The key whose revision the field contains, unless it is very long.
    pub key: Option<String>,
}

impl<S: Source + ?Sized> Store<'_, S> {
    /// The number of pages of the database in the file, free ones included.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.geometry.present.get()
    }

    /// Reads a page with its overflow pages, at most 64 KiB; empty for a page outside the file.
    ///
    /// # Errors
    /// A read fails.
    pub fn page_bytes(&self, page: PageId) -> Result<Vec<u8>, Error> {
        if page >= self.geometry.present {
            return Ok(Vec::new());
        }
        let size = self.geometry.page_size as usize;
        let first = self.read(page, size)?;
        let overflow = Header::parse(&first).filter(|header| page >= PageId::FIRST && header.kind().is_some());
        let pages = overflow.map_or(1, |header| u64::from(header.overflow).saturating_add(1));
        let pages = pages.min(self.geometry.present.pages_since(page));
        let len = usize::try_from(pages).unwrap_or(usize::MAX).saturating_mul(size).min(PAGE_VIEW_BYTES.max(size));
        if len == size { Ok(first) } else { self.read(page, len) }
    }

    fn read(&self, page: PageId, len: usize) -> Result<Vec<u8>, Error> {
        let offset = self.geometry.offset(page);
        let mut bytes = vec![0; len];
        let failed = |cause| Error::Read { offset, len: len as u64, cause };
        self.source.read_at(offset.get(), &mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    /// Dissects a page of any type.
    ///
    /// # Errors
    /// A read fails.
    pub fn page_view(&self, page: PageId) -> Result<PageView, Error> {
        let bytes = self.page_bytes(page)?;
        let mut view = PageView {
            page,
            offset: self.geometry.offset(page),
            kind: format!("not a page of this file, which has {} pages", self.geometry.present),
            span: 1,
            count: 0,
            fields: Vec::new(),
            more: false,
            hidden: Vec::new(),
            readable: false,
        };
        let Some(header) = Header::parse(&bytes) else { return Ok(view) };
        let (hidden, all_hidden) = masked_bytes::hidden(&bytes);
        view.hidden =
            hidden.iter().map(|part| MaskedRange { at: narrow(part.start), len: narrow(part.len()) }).collect();
        view.readable = header.kind().is_some() && all_hidden;
        let mut parts = PageDissector { bytes: &bytes, hidden, fields: Vec::new(), more: false };
        view.kind = header.describe().trim_start_matches("a ").to_owned();
        view.span = u64::from(header.overflow).saturating_add(1);
        view.count = u64::from(header.count);
        parts.header(0, 0);
        match header.kind() {
            Some(PageKind::Meta) => parts.meta(),
            Some(PageKind::Freelist) => view.count = parts.freelist(header),
            Some(PageKind::Branch) => parts.branch(header),
            Some(PageKind::Leaf) => {
                let len = view.span.saturating_mul(u64::from(self.geometry.page_size));
                parts.leaf(0, usize::try_from(len).unwrap_or(usize::MAX), header, 0);
            }
            None => {}
        }
        (view.fields, view.more) = (parts.fields, parts.more);
        Ok(view)
    }
}

struct PageDissector<'b> {
    bytes: &'b [u8],
    hidden: Vec<Range<usize>>,
    fields: Vec<PageField>,
    more: bool,
}

impl PageDissector<'_> {
    /// Adds a field, if its bytes exist.
    fn put(&mut self, at: usize, len: usize, depth: u32, name: impl Into<String>, value: String, link: Option<PageId>) {
        let there = at.checked_add(len).is_some_and(|end| end <= self.bytes.len());
        if !there {
            return;
        }
        if self.fields.len() >= PAGE_VIEW_FIELDS {
            self.more = true;
            return;
        }
        let (at, len, name) = (narrow(at), narrow(len), name.into());
        self.fields.push(PageField { at, len, name, value, depth, link, secret: false, key: None });
    }

    /// Adds a value that may be a secret.
    fn put_value(&mut self, at: usize, len: usize, depth: u32, value: ValueText, link: Option<PageId>) {
        let before = self.fields.len();
        let end = at.saturating_add(len);
        let overlaps = self.hidden.iter().any(|part| part.start < end && at < part.end);
        let (secret, value, key) = match value {
            ValueText::Raw(value) => (overlaps, value, None),
            ValueText::Decoded(value) => (false, value, None),
            ValueText::KeyValue(value, key) => (false, value, key),
        };
        self.put(at, len, depth, "value", value, link);
        if let Some(field) = self.fields.get_mut(before) {
            (field.secret, field.key) = (secret, key);
        }
    }

    fn u32(&self, at: usize) -> u32 {
        u32_le(self.bytes, at).unwrap_or_default()
    }

    fn u64(&self, at: usize) -> u64 {
        u64_le(self.bytes, at).unwrap_or_default()
    }

    fn page_id(&self, at: usize) -> PageId {
        PageId::new(self.u64(at))
    }

    fn slice(&self, at: usize, len: usize) -> &[u8] {
        at.checked_add(len).and_then(|end| self.bytes.get(at..end)).unwrap_or_default()
    }

    fn header(&mut self, at: usize, depth: u32) {
        let Some(header) = self.bytes.get(at..).and_then(Header::parse) else { return };
        self.put(at, HEADER, depth, "header", header.describe().trim_start_matches("a ").to_owned(), None);
        let depth = depth.saturating_add(1);
        self.put(at, 8, depth, "page id", header.id.to_string(), None);
        self.put(at.saturating_add(8), 2, depth, "flags", format!("{:#06x}", header.flags), None);
        self.put(at.saturating_add(10), 2, depth, "count", header.count.to_string(), None);
        self.put(at.saturating_add(12), 4, depth, "overflow", header.overflow.to_string(), None);
    }

    fn meta(&mut self) {
        let note = |right: bool, text: String| if right { text } else { format!("{text}, which is not bbolt's") };
        let [magic, version, size, flags] = [16, 20, 24, 28].map(|at| self.u32(at));
        let [root, freelist] = [32, 48].map(|at| self.page_id(at));
        let [sequence, water, txid, checksum] = [40, 56, 64, 72].map(|at| self.u64(at));
        self.put(HEADER, META_END.saturating_sub(HEADER), 0, "meta", String::new(), None);
        self.put(16, 4, 1, "magic", note(magic == MAGIC, format!("{magic:#010x}")), None);
        self.put(20, 4, 1, "version", note(version == VERSION, version.to_string()), None);
        self.put(24, 4, 1, "page size", size.to_string(), None);
        self.put(28, 4, 1, "flags", flags.to_string(), None);
        self.put(32, 8, 1, "root page", root.to_string(), Some(root));
        self.put(40, 8, 1, "root sequence", sequence.to_string(), None);
        if freelist == NO_FREELIST {
            self.put(48, 8, 1, "freelist page", "none: the freelist is not in the file".into(), None);
        } else {
            self.put(48, 8, 1, "freelist page", freelist.to_string(), Some(freelist));
        }
        self.put(56, 8, 1, "high-water mark", format!("{water} pages"), None);
        self.put(64, 8, 1, "transaction", txid.to_string(), None);
        self.put(72, 8, 1, "checksum", format!("{checksum:#018x}"), None);
    }

    /// Adds the page ids; returns their number.
    fn freelist(&mut self, header: Header) -> u64 {
        let long = header.count == u16::MAX;
        let (count, mut at) = if long { (self.u64(HEADER), 24) } else { (u64::from(header.count), HEADER) };
        if long {
            self.put(HEADER, 8, 0, "count", count.to_string(), None);
        }
        for _ in 0..count {
            let id = self.page_id(at);
            if self.more || at.saturating_add(8) > self.bytes.len() {
                self.more = true;
                break;
            }
            self.put(at, 8, 0, "free page", id.to_string(), Some(id));
            at = at.saturating_add(8);
        }
        count
    }

    fn branch(&mut self, header: Header) {
        for at in (HEADER..table_end(usize::from(header.count))).step_by(ELEMENT) {
            if self.more {
                return;
            }
            let (position, len, page) =
                (self.u32(at), self.u32(at.saturating_add(4)), self.page_id(at.saturating_add(8)));
            let (start, len) = (at.saturating_add(position as usize), len as usize);
            let key = self.key(start, len);
            self.put(at, ELEMENT, 0, format!("element {}", number(at, HEADER)), format!("page {page}"), Some(page));
            self.put(at, 4, 1, "position", position.to_string(), None);
            self.put(at.saturating_add(4), 4, 1, "key size", len.to_string(), None);
            self.put(at.saturating_add(8), 8, 1, "page id", page.to_string(), Some(page));
            self.put(start, len, 1, "separator", key, None);
        }
    }

    /// Adds the leaf page of `len` bytes whose header is at `base`: the page itself, or an inline bucket. All elements
    /// are added; entries are dissected as far as [`PageBudget`] admits them.
    fn leaf(&mut self, base: usize, len: usize, header: Header, depth: u32) {
        let first = base.saturating_add(HEADER);
        let end = base.saturating_add(table_end(usize::from(header.count)));
        let pair = |parts: &Self, at: usize| {
            let [position, key, value] = [4, 8, 12].map(|part| parts.u32(at.saturating_add(part)));
            let pair = range(at, position, key)?;
            let pair = pair.start..pair.end.checked_add(value as usize)?;
            (pair.end <= base.saturating_add(len)).then_some(pair)
        };
        let table = || (first..end.min(self.bytes.len())).step_by(ELEMENT);
        let mut budget = PageBudget::new(len, table().map(|at| pair(self, at).map_or(0, |pair| pair.len())));
        for at in (first..end).step_by(ELEMENT) {
            if self.more {
                return;
            }
            let [flags, position, key_len, value_len] = [0, 4, 8, 12].map(|part| self.u32(at.saturating_add(part)));
            let key_at = at.saturating_add(position as usize);
            let value_at = key_at.saturating_add(key_len as usize);
            let (key_len, value_len) = (key_len as usize, value_len as usize);
            let following = Some(at.saturating_add(ELEMENT)).filter(|next| *next < end);
            let next = following.and_then(|next| pair(self, next)).map(|next| next.start);
            let admitted = match pair(self, at) {
                Some(pair) => budget.admit(at, pair, next) == Admission::Granted,
                // An entry that reaches beyond the page is shown as far as its bytes exist.
                None => budget.count_skipped(),
            };
            let bucket = flags & BUCKET != 0;
            let root = (bucket && admitted && value_len >= BUCKET_HEADER).then(|| self.page_id(value_at));
            let link = root.filter(|root| *root != PageId::ZERO);
            let key = if admitted { self.key(key_at, key_len) } else { SHARED.to_owned() };
            self.put(at, ELEMENT, depth, format!("element {}", number(at, first)), key.clone(), link);
            let deeper = depth.saturating_add(1);
            self.put(
                at,
                4,
                deeper,
                "flags",
                if bucket { format!("{flags} (a bucket)") } else { flags.to_string() },
                None,
            );
            self.put(at.saturating_add(4), 4, deeper, "position", position.to_string(), None);
            self.put(at.saturating_add(8), 4, deeper, "key size", key_len.to_string(), None);
            self.put(at.saturating_add(12), 4, deeper, "value size", value_len.to_string(), None);
            if !admitted {
                continue;
            }
            self.put(key_at, key_len, deeper, if bucket { "bucket name" } else { "key" }, key, None);
            let value = self.value(key_at, key_len, value_at, value_len, flags);
            self.put_value(value_at, value_len, deeper, value, link);
            if let Some(root) = root {
                self.bucket(value_at, value_len, root, deeper.saturating_add(1));
            }
        }
    }

    fn bucket(&mut self, at: usize, len: usize, root: PageId, depth: u32) {
        let sequence = self.u64(at.saturating_add(8));
        let text = if root == PageId::ZERO { "0: the bucket lies here".into() } else { root.to_string() };
        self.put(at, 8, depth, "root page", text, Some(root).filter(|root| *root != PageId::ZERO));
        self.put(at.saturating_add(8), 8, depth, "sequence", sequence.to_string(), None);
        let inner = at.saturating_add(BUCKET_HEADER);
        // Each nested bucket is two levels deeper than the one around it.
        if root != PageId::ZERO || len <= BUCKET_HEADER || (depth >> 1) as usize > PAGE_VIEW_DEPTH {
            return;
        }
        let header = self.bytes.get(inner..).and_then(Header::parse);
        self.header(inner, depth);
        if let Some(header) = header.filter(|header| header.kind() == Some(PageKind::Leaf)) {
            self.leaf(inner, len.saturating_sub(BUCKET_HEADER), header, depth);
        }
    }

    /// Formats a key, as a revision if it is one.
    fn key(&self, at: usize, len: usize) -> String {
        let bytes = self.slice(at, len);
        match RevisionKey::parse(bytes) {
            Some(key) if key.tombstone => format!("revision {}, a tombstone", key.revision),
            Some(key) => format!("revision {}", key.revision),
            None => excerpt(bytes, key_text),
        }
    }

    fn value(&self, key_at: usize, key_len: usize, at: usize, len: usize, flags: u32) -> ValueText {
        let bytes = self.slice(at, len);
        if flags & BUCKET != 0 {
            return ValueText::Decoded("a bucket".into());
        }
        let is_revision = RevisionKey::parse(self.slice(key_at, key_len)).is_some();
        let whole = |key: &[u8]| (key.len() <= PAGE_VIEW_TEXT).then(|| key_text(key));
        match KeyValue::parse(bytes).filter(|_| is_revision) {
            Some(pair) if pair.has_only_key() => {
                ValueText::KeyValue(format!("KeyValue: {}", excerpt(pair.key, key_text)), whole(pair.key))
            }
            Some(pair) => ValueText::KeyValue(
                format!(
                    "KeyValue: {}, created at {}, version {}, {} bytes{}",
                    excerpt(pair.key, key_text),
                    pair.create_revision,
                    pair.version,
                    pair.value.len(),
                    if pair.lease == 0 { String::new() } else { format!(", lease {:x}", pair.lease) }
                ),
                whole(pair.key),
            ),
            None => ValueText::Raw(excerpt(bytes, |bytes| match std::str::from_utf8(bytes) {
                Ok(text) if !text.contains(char::is_control) => printable(text),
                _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            })),
        }
    }
}

/// Text shown instead of the key of an element whose entry overlaps another one, in an overfull page.
const SHARED: &str = "overlaps another entry";

/// A value, described in words or shown by its bytes.
enum ValueText {
    Decoded(String),
    /// The description of a `KeyValue`, and its key.
    KeyValue(String, Option<String>),
    Raw(String),
}

/// Offsets in a page fit 32 bits.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The index of an element, given the offset of its table entry.
fn number(at: usize, first: usize) -> usize {
    at.saturating_sub(first) / ELEMENT
}

fn excerpt(bytes: &[u8], words: impl Fn(&[u8]) -> String) -> String {
    match bytes.get(..PAGE_VIEW_TEXT) {
        Some(start) if bytes.len() > PAGE_VIEW_TEXT => format!("{}… ({} bytes)", words(start), bytes.len()),
        _ => words(bytes),
    }
}
