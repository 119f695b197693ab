//! Leaf pages: pairs of keys and values, and buckets.

use std::ops::Range;

use crate::bolt::page::{ELEMENT, Fault, HEADER, Header, overflow_fits, range, table_end};
use crate::code::Code;
use crate::fields::u32_le;

/// Leaf element flag: the value is a bucket.
pub const BUCKET: u32 = 0x01;

/// One pair of a leaf page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// 0, or [`BUCKET`].
    pub flags: u32,
    /// The key.
    pub key: &'a [u8],
    /// The value, or the bucket's header and inline page.
    pub value: &'a [u8],
    /// Where the key begins, in bytes from the start of the page; the value follows it.
    pub at: usize,
}

/// A leaf page all of whose pairs lie in it.
#[derive(Debug, Clone, Copy)]
pub struct Leaf<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl<'a> Leaf<'a> {
    /// The leaf page in `bytes` whose header is `header`. Elements are checked as they are asked for.
    #[must_use]
    pub fn new(header: Header, bytes: &'a [u8]) -> Self {
        Self { bytes, count: usize::from(header.count) }
    }

    /// How many elements it claims.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Element `index`, or where it leads out of the page.
    ///
    /// # Errors
    /// A [`Fault`] when the table or the pair lies outside the page.
    pub fn element(&self, index: usize) -> Result<Element<'a>, Fault> {
        let at = table_end(index);
        self.parts(at).ok_or_else(|| {
            let pos = self.word(at, 4);
            let (ksize, vsize) = (self.word(at, 8), self.word(at, 12));
            match (pos, ksize, vsize) {
                (Some(pos), Some(ksize), Some(vsize)) => Fault::new(
                    Code::ElementRange,
                    at,
                    format!("a pair of {ksize} + {vsize} bytes at position {pos} leads out of the page"),
                ),
                _ => Fault::new(Code::PageCount, 10, format!("{} elements do not fit the page", self.count)),
            }
        })
    }

    /// The pairs in order, ending before the first that leads out of the page.
    pub fn pairs(self) -> impl Iterator<Item = Element<'a>> {
        (0..self.count).map_while(move |index| self.parts(table_end(index)))
    }

    /// Where the pairs stand when they lie back to back behind the table, as bolt writes them; `None` otherwise.
    #[must_use]
    pub fn run(&self) -> Option<Range<usize>> {
        let start = table_end(self.count);
        let mut end = start;
        for at in (HEADER..start).step_by(ELEMENT) {
            let key = range(at, self.word(at, 4)?, self.word(at, 8)?)?;
            if key.start != end {
                return None;
            }
            end = key.end.checked_add(usize::try_from(self.word(at, 12)?).ok()?)?;
        }
        (end <= self.bytes.len()).then_some(start..end)
    }

    /// All that is wrong with the page's own structure.
    #[must_use]
    pub fn faults(&self, header: Header, page_size: Option<u32>) -> Vec<Fault> {
        let mut faults = Vec::new();
        if table_end(self.count) > self.bytes.len() {
            let message = format!("{} elements do not fit the page's {} bytes", self.count, self.bytes.len());
            faults.push(Fault::new(Code::PageCount, 10, message));
        }
        let mut previous: Option<&[u8]> = None;
        for index in 0..self.count {
            match self.element(index) {
                Err(fault) if fault.code == Code::PageCount => break,
                Err(fault) => faults.push(fault),
                Ok(element) => {
                    if element.flags & !BUCKET != 0 {
                        let message = format!("element flags {:#x}", element.flags);
                        faults.push(Fault::new(Code::ElementFlags, table_end(index), message));
                    }
                    if previous.is_some_and(|previous| previous >= element.key) {
                        faults.push(Fault::new(
                            Code::KeyOrder,
                            table_end(index),
                            "a key is not greater than the one before it",
                        ));
                    }
                    previous = Some(element.key);
                }
            }
        }
        let readable = faults.iter().all(|fault| matches!(fault.code, Code::KeyOrder | Code::ElementFlags));
        match self.run() {
            None if readable => {
                faults.push(Fault::new(
                    Code::PageLayout,
                    HEADER,
                    "the pairs do not lie back to back behind the element table",
                ));
            }
            Some(run) => {
                if let Some(size) = page_size
                    && !overflow_fits(header.overflow, run.end, size)
                {
                    let message = format!("{} overflow pages for {} bytes of pairs", header.overflow, run.end);
                    faults.push(Fault::new(Code::PageOverflow, 12, message));
                }
            }
            None => {}
        }
        faults
    }

    fn word(&self, element: usize, field: usize) -> Option<u32> {
        u32_le(self.bytes, element.checked_add(field)?)
    }

    fn parts(&self, at: usize) -> Option<Element<'a>> {
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
