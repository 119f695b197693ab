//! Leaf pages: entries (key and value) and nested buckets.

use std::ops::Range;

use crate::bolt::page::{Header, OVERFULL_PAGE, PageDefect, key_length_problem, overflow_fits, range, table_end};
use crate::bolt::page_budget::{Admission, PageBudget};
use crate::bolt::sizes::{ELEMENT, HEADER};
use crate::finding_code::Code;
use crate::int_readers::u32_le;

/// Leaf element flag: the value is a bucket.
pub const BUCKET: u32 = 0x01;

/// One element of a leaf page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// 0, or [`BUCKET`].
    pub flags: u32,
    /// The key.
    pub key: &'a [u8],
    /// The value, or the bucket's header and inline page.
    pub value: &'a [u8],
    /// Offset of the key from the start of the page, in bytes; the value follows the key.
    pub at: usize,
}

impl Element<'_> {
    /// Length of key and value together, in bytes.
    fn len(&self) -> usize {
        self.key.len().saturating_add(self.value.len())
    }
}

/// Why an element of a leaf page is skipped; [`Leaf::page_defect`] turns it into a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementDefect {
    /// Offset of the element from the start of the page, in bytes.
    at: usize,
    kind: ElementDefectKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ElementDefectKind {
    /// The page ends within the element table, before the end of this element.
    TableCutShort,
    /// Its entry reaches beyond the page.
    OutsidePage,
    /// Its entry overlaps another one, and the page's entries are together longer than the page.
    Overlap,
    /// The page's bytes are used up: neither this element nor a later one is read.
    PageUsedUp,
}

/// A leaf page. The entries that its iterators return lie within the page and are together never longer than the page.
#[derive(Debug, Clone, Copy)]
pub struct Leaf<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl<'a> Leaf<'a> {
    /// Wraps the leaf page in `bytes` with its `header`. Elements are checked when they are read.
    #[must_use]
    pub fn new(header: Header, bytes: &'a [u8]) -> Self {
        Self { bytes, count: usize::from(header.count) }
    }

    /// The number of elements that the header claims.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The length of the page with its overflow pages, in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Whether the page has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Reads element `index` on its own, even if it overlaps other elements. Use [`Leaf::elements`] to read all of
    /// them.
    ///
    /// # Errors
    /// A [`PageDefect`] if the element or its entry lies outside the page.
    pub fn element(&self, index: usize) -> Result<Element<'a>, PageDefect> {
        let at = table_end(index);
        self.element_at(at).ok_or_else(|| self.page_defect(self.defect_at(at)))
    }

    /// Iterates over the elements in table order: each is an element or the reason why it is skipped.
    /// Ends early after a defect that makes all later elements unreadable.
    #[must_use]
    pub fn elements(self) -> Elements<'a> {
        let lengths = (0..self.count).map_while(|index| {
            let at = table_end(index);
            self.u32_field(at, ELEMENT.saturating_sub(4))?;
            Some(self.element_at(at).map_or(0, |element| element.len()))
        });
        Elements { leaf: self, budget: PageBudget::new(self.bytes.len(), lengths), next: 0 }
    }

    /// Iterates over the elements in table order, without the skipped ones.
    pub fn pairs(self) -> impl Iterator<Item = Element<'a>> {
        self.elements().filter_map(Result::ok)
    }

    /// Iterates over the elements in order as long as their entries lie back to back after the table, as bbolt writes
    /// them. Faster than [`Leaf::pairs`], with the same result for a sound page.
    pub fn packed_pairs(self) -> impl Iterator<Item = Element<'a>> {
        let mut end = table_end(self.count);
        (0..self.count).map_while(move |index| {
            let element = self.element_at(table_end(index)).filter(|element| element.at == end)?;
            end = end.checked_add(element.len())?;
            Some(element)
        })
    }

    /// Turns the defect of an element into a defect of the page, with a code and a message.
    #[must_use]
    pub fn page_defect(&self, defect: ElementDefect) -> PageDefect {
        let ElementDefect { at, kind } = defect;
        let [pos, ksize, vsize] = [4, 8, 12].map(|field| self.u32_field(at, field).unwrap_or(0));
        let entry = || format!("an entry of {ksize} + {vsize} bytes at position {pos}");
        match kind {
            ElementDefectKind::TableCutShort => PageDefect::new(
                Code::PageCount,
                10,
                format!("the page claims {} elements, which do not fit in it", self.count),
            ),
            ElementDefectKind::OutsidePage => {
                PageDefect::new(Code::ElementRange, at, format!("{} reaches beyond the page", entry()))
            }
            ElementDefectKind::Overlap => {
                PageDefect::new(Code::ElementOverlap, at, format!("{} overlaps another entry", entry()))
            }
            ElementDefectKind::PageUsedUp => PageDefect::new(Code::ElementOverlap, at, OVERFULL_PAGE),
        }
    }

    /// Returns why the element at offset `at` has no readable entry.
    fn defect_at(&self, at: usize) -> ElementDefect {
        let is_in_table = self.u32_field(at, ELEMENT.saturating_sub(4)).is_some();
        ElementDefect {
            at,
            kind: if is_in_table { ElementDefectKind::OutsidePage } else { ElementDefectKind::TableCutShort },
        }
    }

    /// The byte range of the entries if they lie back to back after the table, as bbolt writes them; `None` otherwise.
    #[must_use]
    pub fn packed_range(&self) -> Option<Range<usize>> {
        let end = self.packed_end()?;
        (end <= self.bytes.len()).then_some(table_end(self.count)..end)
    }

    /// The end of the entries in bytes from the start of the page, computed from the element table alone, so it may lie
    /// beyond the bytes at hand. `None` if the entries do not lie back to back after the table.
    pub(crate) fn packed_end(&self) -> Option<usize> {
        let start = table_end(self.count);
        let mut end = start;
        for at in (HEADER..start).step_by(ELEMENT) {
            let key = range(at, self.u32_field(at, 4)?, self.u32_field(at, 8)?)?;
            if key.start != end {
                return None;
            }
            end = key.end.checked_add(usize::try_from(self.u32_field(at, 12)?).ok()?)?;
        }
        Some(end)
    }

    /// Returns the defect of an inline bucket's leaf page that ends after its entries: bbolt makes the bucket's value
    /// exactly as long as they are, so a changed count may hide further entries in the extra bytes.
    pub(crate) fn inline_end_defect(&self) -> Option<PageDefect> {
        let entries = self.packed_range()?;
        let rest = self.bytes.len().saturating_sub(entries.end);
        let text = || {
            format!("{rest} bytes follow the {} entries of an inline bucket: they may be hidden entries", self.count)
        };
        (rest > 0).then(|| PageDefect::new(Code::PageLayout, 10, text()))
    }

    /// Checks the page on its own, without its place in the tree; returns every defect. `page_size` in bytes is `None`
    /// for an inline bucket, which has no overflow pages.
    #[must_use]
    pub fn defects(&self, header: Header, page_size: Option<u32>) -> Vec<PageDefect> {
        let mut defects = Vec::new();
        if table_end(self.count) > self.bytes.len() {
            let message =
                format!("the page claims {} elements, which do not fit its {} bytes", self.count, self.bytes.len());
            defects.push(PageDefect::new(Code::PageCount, 10, message));
        }
        let mut previous: Option<&[u8]> = None;
        for (index, element) in self.elements().enumerate() {
            match element {
                Err(ElementDefect { kind: ElementDefectKind::TableCutShort, .. }) => break,
                Err(defect) => defects.push(self.page_defect(defect)),
                Ok(element) => {
                    if element.flags & !BUCKET != 0 {
                        let message = format!("an element has the unknown flags {:#x}", element.flags);
                        defects.push(PageDefect::new(Code::ElementFlags, table_end(index), message));
                    }
                    if let Some(message) = key_length_problem(element.key.len()) {
                        defects.push(PageDefect::new(Code::KeySize, table_end(index), message));
                    }
                    if previous.is_some_and(|previous| previous >= element.key) {
                        defects.push(PageDefect::new(
                            Code::KeyOrder,
                            table_end(index),
                            "a key is not greater than the one before it",
                        ));
                    }
                    previous = Some(element.key);
                }
            }
        }
        let readable =
            defects.iter().all(|defect| matches!(defect.code, Code::KeyOrder | Code::KeySize | Code::ElementFlags));
        match self.packed_range() {
            None if readable => {
                defects.push(PageDefect::new(
                    Code::PageLayout,
                    HEADER,
                    "the entries do not lie back to back after the element table",
                ));
            }
            Some(entries) => {
                if let Some(size) = page_size
                    && !overflow_fits(header.overflow, entries.end, size)
                {
                    let message = format!(
                        "the page claims {} overflow pages for {} bytes of entries",
                        header.overflow, entries.end
                    );
                    defects.push(PageDefect::new(Code::PageOverflow, 12, message));
                }
            }
            None => {}
        }
        defects
    }

    #[inline]
    fn u32_field(&self, element: usize, field: usize) -> Option<u32> {
        u32_le(self.bytes, element.checked_add(field)?)
    }

    #[inline]
    fn element_at(&self, at: usize) -> Option<Element<'a>> {
        let element = self.bytes.get(at..at.checked_add(ELEMENT)?)?;
        let key = range(at, u32_le(element, 4)?, u32_le(element, 8)?)?;
        let value_end = key.end.checked_add(usize::try_from(u32_le(element, 12)?).ok()?)?;
        Some(Element {
            flags: u32_le(element, 0)?,
            at: key.start,
            value: self.bytes.get(key.end..value_end)?,
            key: self.bytes.get(key)?,
        })
    }
}

/// Iterator over the elements of a leaf page; see [`Leaf::elements`].
#[derive(Debug)]
pub struct Elements<'a> {
    leaf: Leaf<'a>,
    budget: PageBudget,
    next: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, ElementDefect>;

    // Inlining keeps an element in registers. Without it, the processor stores an element in one width, loads it in
    // another, and waits in between: a fifth of the time of every query.
    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.leaf.count {
            return None;
        }
        let at = table_end(self.next);
        self.next = self.next.saturating_add(1);
        match self.leaf.element_at(at) {
            Some(element) if !self.budget.is_overfull() => Some(Ok(element)),
            element => Some(self.checked(at, element)),
        }
    }
}

impl<'a> Elements<'a> {
    /// Returns the element at `at` if the page budget admits it.
    #[cold]
    fn checked(&mut self, at: usize, element: Option<Element<'a>>) -> Result<Element<'a>, ElementDefect> {
        let Some(element) = element else {
            let defect = self.leaf.defect_at(at);
            if defect.kind == ElementDefectKind::TableCutShort || !self.budget.count_skipped() {
                self.next = self.leaf.count;
            }
            return Err(defect);
        };
        let entry = element.at..element.at.saturating_add(element.len());
        let following = self.leaf.element_at(table_end(self.next)).map(|following| following.at);
        match self.budget.admit(at, entry, following.filter(|_| self.next < self.leaf.count)) {
            Admission::Granted => Ok(element),
            Admission::Overlaps => Err(ElementDefect { at, kind: ElementDefectKind::Overlap }),
            Admission::PageUsedUp => {
                self.next = self.leaf.count;
                Err(ElementDefect { at, kind: ElementDefectKind::PageUsedUp })
            }
        }
    }
}
