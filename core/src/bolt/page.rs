//! Pages: the header and the two kinds that make the tree.
//!
//! ```text
//! page     0    8       10      12         16
//!          ├ id ┼ flags ┼ count ┼ overflow ┼ element 0 … element n−1 │ key 0, value 0, key 1, value 1, …
//! branch element   ├ pos u32 ┼ ksize u32 ┼ page id u64 ┤          pos counts from the element itself
//! leaf element     ├ flags u32 ┼ pos u32 ┼ ksize u32 ┼ vsize u32 ┤
//! ```

use crate::bolt::page_id::PageId;
use std::ops::Range;

use crate::bolt::page_budget::{Admission, Room};
use crate::bolt::sizes::{ELEMENT, HEADER};
use crate::finding_code::Code;
use crate::int_readers::{u16_le, u32_le, u64_le};

/// The header of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The page's own number.
    pub id: PageId,
    /// What it is: one of the four flags.
    pub flags: u16,
    /// Elements in it.
    pub count: u16,
    /// Pages after it that belong to it.
    pub overflow: u32,
}

/// What a page is, by its flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Separators and children.
    Branch,
    /// Keys and values.
    Leaf,
    /// One of the two metas.
    Meta,
    /// Numbers of free pages.
    Freelist,
}

impl Header {
    /// The header at the start of `bytes`; `None` when they are fewer than 16.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            id: PageId::new(u64_le(bytes, 0)?),
            flags: u16_le(bytes, 8)?,
            count: u16_le(bytes, 10)?,
            overflow: u32_le(bytes, 12)?,
        })
    }

    /// The kind, when the flags name exactly one.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        match self.flags {
            0x01 => Some(Kind::Branch),
            0x02 => Some(Kind::Leaf),
            0x04 => Some(Kind::Meta),
            0x10 => Some(Kind::Freelist),
            _ => None,
        }
    }

    /// The flags in words, for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        match self.kind() {
            Some(Kind::Branch) => "a branch page".into(),
            Some(Kind::Leaf) => "a leaf page".into(),
            Some(Kind::Meta) => "a meta page".into(),
            Some(Kind::Freelist) => "a freelist page".into(),
            None => format!("a page of unknown type {:#06x}", self.flags),
        }
    }
}

/// What is wrong in a page, before it is known where the page lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its code.
    pub code: Code,
    /// Offset in the page, in bytes.
    pub at: usize,
    /// What is wrong, in a sentence.
    pub message: String,
    /// Other damage of which this is a mere consequence.
    pub because: Option<Code>,
}

impl Fault {
    /// A fault at an offset in the page.
    pub fn new(code: Code, at: usize, message: impl Into<String>) -> Self {
        Self { code, at, message: message.into(), because: None }
    }
}

/// Bytes of the longest key that bolt takes (`MaxKeySize`).
const MAX_KEY: usize = 32_768;

/// What is wrong with the length of a key or separator.
pub(crate) fn key_size(len: usize) -> Option<String> {
    match len {
        0 => Some("an element has an empty key".into()),
        1..=MAX_KEY => None,
        _ => Some(format!("an element has a key of {len} bytes, where bolt takes {MAX_KEY}")),
    }
}

/// Whether `overflow` is what bolt would allocate for a page whose pairs end at `end`.
///
/// Bolt to 1.3 takes `end / page size` further pages, later versions `(end − 1) / page size`.
#[must_use]
pub fn overflow_fits(overflow: u32, end: usize, page_size: u32) -> bool {
    needed_overflow(end, page_size) == u64::from(overflow)
        || (end as u64).checked_div(u64::from(page_size)) == Some(u64::from(overflow))
}

/// Pages that a page whose pairs end at `end` needs after its first.
#[must_use]
pub fn needed_overflow(end: usize, page_size: u32) -> u64 {
    (end as u64).saturating_sub(1).checked_div(u64::from(page_size)).unwrap_or(0)
}

/// A child of a branch page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Its page id.
    pub page: PageId,
    /// Where its separator stands in the branch page's bytes.
    pub key: Range<usize>,
    /// Where its element stands, in bytes from the start of the page.
    pub at: usize,
}

/// A branch page, decoded.
#[derive(Debug, Clone, Default)]
pub struct Branch {
    /// The children that could be read, in the order of the page.
    pub children: Vec<Child>,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
    /// End of its last pair: the bytes in use.
    pub end: usize,
}

impl Branch {
    /// Decodes the branch page in `bytes`, whose header is `header`.
    #[must_use]
    pub fn parse(header: Header, bytes: &[u8], page_size: u32) -> Self {
        let mut branch = Self::default();
        let count = usize::from(header.count);
        let table_end = table_end(count);
        if count == 0 {
            branch.faults.push(Fault::new(Code::PageCount, 10, "a branch page without children"));
        }
        if table_end > bytes.len() {
            branch.faults.push(Fault::new(
                Code::PageCount,
                10,
                format!("{count} elements do not fit the page's {} bytes", bytes.len()),
            ));
        }
        let mut room = Room::new(bytes.len(), separators(header, bytes, bytes.len()).map(|(_, key)| key.len()));
        let next = |at: usize| {
            let following = Some(at.saturating_add(ELEMENT)).filter(|at| *at < table_end)?;
            separator(bytes, following, bytes.len()).map(|key| key.start)
        };
        let mut expected = table_end;
        let mut laid_out = true;
        let mut previous: Option<Range<usize>> = None;
        for at in (HEADER..).step_by(ELEMENT).take(count) {
            let Some((pos, ksize, page)) = branch_element(bytes, at) else { break };
            let Some(key) = separator(bytes, at, bytes.len()) else {
                let message = format!("a separator of {ksize} bytes at position {pos} leads out of the page");
                branch.faults.push(Fault::new(Code::ElementRange, at, message));
                laid_out = false;
                room.skip();
                continue;
            };
            match room.admit(at, key.clone(), next(at)) {
                Admission::Granted => {}
                Admission::Shared => {
                    let message = format!("a separator of {ksize} bytes at position {pos} shares bytes with another");
                    branch.faults.push(Fault::new(Code::ElementOverlap, at, message));
                    continue;
                }
                Admission::Full => {
                    branch.faults.push(Fault::new(Code::ElementOverlap, at, OVERFULL));
                    break;
                }
            }
            if let Some(message) = key_size(key.len()) {
                branch.faults.push(Fault::new(Code::KeySize, at, message));
            }
            laid_out &= key.start == expected;
            expected = key.end;
            branch.end = branch.end.max(key.end);
            let rises = previous.as_ref().is_none_or(|previous| bytes.get(previous.clone()) < bytes.get(key.clone()));
            if !rises {
                let text = "a separator is not greater than the one before it";
                branch.faults.push(Fault::new(Code::KeyOrder, at, text));
            }
            previous = Some(key.clone());
            branch.children.push(Child { page, key, at });
        }
        if count == 1 {
            branch.faults.push(Fault::new(Code::BranchOfOne, 10, "a branch page with a single child"));
        }
        if !laid_out && branch.is_readable() {
            branch.faults.push(Fault::new(Code::PageLayout, HEADER, "the separators do not lie back to back"));
        }
        if branch.is_readable() && laid_out && !overflow_fits(header.overflow, branch.end, page_size) {
            let message = format!("{} overflow pages for {} bytes", header.overflow, branch.end);
            branch.faults.push(Fault::new(Code::PageOverflow, 12, message));
        }
        branch
    }

    /// Whether its faults hide none of its children.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        let harmless = [Code::KeyOrder, Code::KeySize, Code::BranchOfOne, Code::PageOverflow];
        self.faults.iter().all(|fault| harmless.contains(&fault.code))
    }

    /// End of the last separator among those that end within `claimed` bytes, told by the page's table alone.
    pub(crate) fn end(header: Header, table: &[u8], claimed: usize) -> usize {
        separators(header, table, claimed).map(|(_, key)| key.end).max().unwrap_or(0)
    }
}

/// Said of the first element of a page for which there is no room.
pub(crate) const OVERFULL: &str =
    "from this element on the elements share bytes: together they are longer than the page, and are not read";

/// Where the separators stand that lie within `len` bytes, each after the place of its element.
fn separators(header: Header, table: &[u8], len: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
    let elements = (HEADER..).step_by(ELEMENT).take(usize::from(header.count));
    elements.filter_map(move |at| separator(table, at, len).map(|key| (at, key)))
}

fn separator(table: &[u8], at: usize, len: usize) -> Option<Range<usize>> {
    let (pos, size, _) = branch_element(table, at)?;
    range(at, pos, size).filter(|key| key.end <= len)
}

/// End of the table of `count` elements, in bytes from the start of the page.
#[must_use]
#[inline]
pub fn table_end(count: usize) -> usize {
    HEADER.saturating_add(count.saturating_mul(ELEMENT))
}

fn branch_element(bytes: &[u8], at: usize) -> Option<(u32, u32, PageId)> {
    let element = bytes.get(at..at.checked_add(ELEMENT)?)?;
    Some((u32_le(element, 0)?, u32_le(element, 4)?, PageId::new(u64_le(element, 8)?)))
}

/// `size` bytes at position `pos` of the element at `at`.
#[must_use]
#[inline]
pub fn range(at: usize, pos: u32, size: u32) -> Option<Range<usize>> {
    let start = at.checked_add(usize::try_from(pos).ok()?)?;
    Some(start..start.checked_add(usize::try_from(size).ok()?)?)
}
