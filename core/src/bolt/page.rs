//! Pages: the header, and branch pages.
//!
//! ```text
//! page     0    8       10      12         16
//!          ├ id ┼ flags ┼ count ┼ overflow ┼ element 0 … element n−1 │ key 0, value 0, key 1, value 1, …
//! branch element   ├ pos u32 ┼ ksize u32 ┼ page id u64 ┤          pos counts from the element itself
//! leaf element     ├ flags u32 ┼ pos u32 ┼ ksize u32 ┼ vsize u32 ┤
//! ```

use crate::bolt::page_id::PageId;
use std::ops::Range;

use crate::bolt::page_budget::{Admission, PageBudget};
use crate::bolt::sizes::{ELEMENT, HEADER};
use crate::finding_code::Code;
use crate::int_readers::{u16_le, u32_le, u64_le};

/// The header of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The page's own id.
    pub id: PageId,
    /// The page type: one of four flags.
    pub flags: u16,
    /// Number of elements.
    pub count: u16,
    /// Number of overflow pages, which follow this page and belong to it.
    pub overflow: u32,
}

/// The type of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageKind {
    /// Separators and children.
    Branch,
    /// Keys and values.
    Leaf,
    /// One of the two meta pages.
    Meta,
    /// The ids of free pages.
    Freelist,
}

impl Header {
    /// Decodes the header at the start of `bytes`; `None` if there are fewer than 16.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            id: PageId::new(u64_le(bytes, 0)?),
            flags: u16_le(bytes, 8)?,
            count: u16_le(bytes, 10)?,
            overflow: u32_le(bytes, 12)?,
        })
    }

    /// The page type; `None` if the flags do not name exactly one.
    #[must_use]
    pub fn kind(&self) -> Option<PageKind> {
        match self.flags {
            0x01 => Some(PageKind::Branch),
            0x02 => Some(PageKind::Leaf),
            0x04 => Some(PageKind::Meta),
            0x10 => Some(PageKind::Freelist),
            _ => None,
        }
    }

    /// Describes the page type, for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        match self.kind() {
            Some(PageKind::Branch) => "a branch page".into(),
            Some(PageKind::Leaf) => "a leaf page".into(),
            Some(PageKind::Meta) => "a meta page".into(),
            Some(PageKind::Freelist) => "a freelist page".into(),
            None => format!("a page of unknown type {:#06x}", self.flags),
        }
    }

    /// Describes, as a clause, that the page at `place` is labelled with another page's id.
    pub fn wrong_id(&self, place: PageId) -> String {
        format!("page {place} is labelled {}: it was written to the wrong place or overwritten", self.id)
    }

    /// Describes, as a clause, that the page has a type that does not belong in a tree.
    pub fn wrong_type(&self) -> String {
        format!("the tree points here, but this is {}", self.describe())
    }
}

/// Damage of a page, with its offset within the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageDefect {
    /// The finding's code.
    pub code: Code,
    /// Offset of the damage within the page, in bytes.
    pub at: usize,
    /// The damage, as a clause without capital letter and full stop; [`Finding::new`](crate::Finding::new) adds them.
    pub message: String,
    /// The code of other damage that caused this one.
    pub because: Option<Code>,
}

impl PageDefect {
    /// Creates a defect at an offset within the page.
    pub fn new(code: Code, at: usize, message: impl Into<String>) -> Self {
        Self { code, at, message: message.into(), because: None }
    }
}

/// Length of the longest key that bbolt allows, in bytes (`MaxKeySize`).
const MAX_KEY: usize = 32_768;

/// Returns the problem of a key or separator of `len` bytes, as a clause; `None` if bbolt allows the length.
pub(crate) fn key_length_problem(len: usize) -> Option<String> {
    match len {
        0 => Some("an element has an empty key".into()),
        1..=MAX_KEY => None,
        _ => Some(format!("an element has a key of {len} bytes, but bbolt allows at most {MAX_KEY}")),
    }
}

/// Whether bbolt would allocate `overflow` overflow pages for a page whose entries end `end` bytes from its start.
///
/// bbolt up to 1.3 allocates `end / page size` overflow pages, later versions `(end − 1) / page size`.
#[must_use]
pub fn overflow_fits(overflow: u32, end: usize, page_size: u32) -> bool {
    needed_overflow(end, page_size) == u64::from(overflow)
        || (end as u64).checked_div(u64::from(page_size)) == Some(u64::from(overflow))
}

/// The number of overflow pages that a page needs if its entries end `end` bytes from its start.
#[must_use]
pub fn needed_overflow(end: usize, page_size: u32) -> u64 {
    (end as u64).saturating_sub(1).checked_div(u64::from(page_size)).unwrap_or(0)
}

/// A child of a branch page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Its page id.
    pub page: PageId,
    /// Byte range of its separator key within the branch page.
    pub key: Range<usize>,
    /// Offset of its element from the start of the page, in bytes.
    pub at: usize,
}

/// A decoded branch page.
#[derive(Debug, Clone, Default)]
pub struct Branch {
    /// The readable children, in page order.
    pub children: Vec<Child>,
    /// The damage of the page, in element order.
    pub defects: Vec<PageDefect>,
    /// End of its last separator in bytes from the start of the page, which is the number of bytes in use.
    pub end: usize,
}

impl Branch {
    /// Decodes the branch page in `bytes` with its `header`.
    #[must_use]
    pub fn parse(header: Header, bytes: &[u8], page_size: u32) -> Self {
        let mut branch = Self::default();
        let count = usize::from(header.count);
        let table_end = table_end(count);
        if count == 0 {
            branch.defects.push(PageDefect::new(Code::PageCount, 10, "the branch page has no children"));
        }
        if table_end > bytes.len() {
            branch.defects.push(PageDefect::new(
                Code::PageCount,
                10,
                format!("the page claims {count} elements, which do not fit its {} bytes", bytes.len()),
            ));
        }
        let mut budget = PageBudget::new(bytes.len(), separators(header, bytes, bytes.len()).map(|(_, key)| key.len()));
        let next = |at: usize| {
            let following = Some(at.saturating_add(ELEMENT)).filter(|at| *at < table_end)?;
            separator(bytes, following, bytes.len()).map(|key| key.start)
        };
        let mut packed_end = table_end;
        let mut is_packed = true;
        let mut previous: Option<Range<usize>> = None;
        for at in (HEADER..).step_by(ELEMENT).take(count) {
            let Some((pos, ksize, page)) = branch_element(bytes, at) else { break };
            let Some(key) = separator(bytes, at, bytes.len()) else {
                let message = format!("a separator of {ksize} bytes at position {pos} reaches beyond the page");
                branch.defects.push(PageDefect::new(Code::ElementRange, at, message));
                is_packed = false;
                budget.count_skipped();
                continue;
            };
            match budget.admit(at, key.clone(), next(at)) {
                Admission::Granted => {}
                Admission::Overlaps => {
                    let message = format!("a separator of {ksize} bytes at position {pos} overlaps another separator");
                    branch.defects.push(PageDefect::new(Code::ElementOverlap, at, message));
                    continue;
                }
                Admission::PageUsedUp => {
                    branch.defects.push(PageDefect::new(Code::ElementOverlap, at, OVERFULL_PAGE));
                    break;
                }
            }
            if let Some(message) = key_length_problem(key.len()) {
                branch.defects.push(PageDefect::new(Code::KeySize, at, message));
            }
            is_packed &= key.start == packed_end;
            packed_end = key.end;
            branch.end = branch.end.max(key.end);
            let is_ascending =
                previous.as_ref().is_none_or(|previous| bytes.get(previous.clone()) < bytes.get(key.clone()));
            if !is_ascending {
                let text = "a separator is not greater than the one before it";
                branch.defects.push(PageDefect::new(Code::KeyOrder, at, text));
            }
            previous = Some(key.clone());
            branch.children.push(Child { page, key, at });
        }
        if count == 1 {
            branch.defects.push(PageDefect::new(Code::BranchOfOne, 10, "the branch page has a single child"));
        }
        if !is_packed && branch.is_readable() {
            branch.defects.push(PageDefect::new(Code::PageLayout, HEADER, "the separators do not lie back to back"));
        }
        if branch.is_readable() && is_packed && !overflow_fits(header.overflow, branch.end, page_size) {
            let message =
                format!("the page claims {} overflow pages for {} bytes of separators", header.overflow, branch.end);
            branch.defects.push(PageDefect::new(Code::PageOverflow, 12, message));
        }
        branch
    }

    /// Whether all children are readable despite the defects.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        let harmless = [Code::KeyOrder, Code::KeySize, Code::BranchOfOne, Code::PageOverflow];
        self.defects.iter().all(|defect| harmless.contains(&defect.code))
    }

    /// The end of the last separator in bytes from the start of the page, computed from the element table alone.
    /// Separators that end beyond `claimed` bytes do not count; 0 if there are no others.
    pub(crate) fn last_separator_end(header: Header, table: &[u8], claimed: usize) -> usize {
        separators(header, table, claimed).map(|(_, key)| key.end).max().unwrap_or(0)
    }
}

/// Message about the first element of an overfull page for which no bytes are left.
pub(crate) const OVERFULL_PAGE: &str =
    "the elements of this page overlap: together they are longer than the page, so those from here on are not read";

/// Iterates over the separators that lie within `len` bytes: the offset of the element, and the separator's byte range.
fn separators(header: Header, table: &[u8], len: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
    let elements = (HEADER..).step_by(ELEMENT).take(usize::from(header.count));
    elements.filter_map(move |at| separator(table, at, len).map(|key| (at, key)))
}

fn separator(table: &[u8], at: usize, len: usize) -> Option<Range<usize>> {
    let (pos, size, _) = branch_element(table, at)?;
    range(at, pos, size).filter(|key| key.end <= len)
}

/// The end of a table of `count` elements, in bytes from the start of the page.
#[must_use]
#[inline]
pub fn table_end(count: usize) -> usize {
    HEADER.saturating_add(count.saturating_mul(ELEMENT))
}

fn branch_element(bytes: &[u8], at: usize) -> Option<(u32, u32, PageId)> {
    let element = bytes.get(at..at.checked_add(ELEMENT)?)?;
    Some((u32_le(element, 0)?, u32_le(element, 4)?, PageId::new(u64_le(element, 8)?)))
}

/// The byte range in the page of `size` bytes that begin `pos` bytes after the element at `at`; `None` if it overflows.
#[must_use]
#[inline]
pub fn range(at: usize, pos: u32, size: u32) -> Option<Range<usize>> {
    let start = at.checked_add(usize::try_from(pos).ok()?)?;
    Some(start..start.checked_add(usize::try_from(size).ok()?)?)
}
