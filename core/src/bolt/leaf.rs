//! Leaf pages: pairs of keys and values, and buckets.

use std::ops::Range;

use crate::bolt::page::{Fault, Header, OVERFULL, key_size, overflow_fits, range, table_end};
use crate::bolt::page_budget::{Admission, Room};
use crate::bolt::sizes::{ELEMENT, HEADER};
use crate::finding_code::Code;
use crate::int_readers::u32_le;

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

impl Element<'_> {
    /// Bytes of key and value.
    fn len(&self) -> usize {
        self.key.len().saturating_add(self.value.len())
    }
}

/// Why an element of a leaf page is not handed out: [`Leaf::fault`] puts it in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flaw {
    /// Where the element stands, in bytes from the start of the page.
    at: usize,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// The table ends before it.
    Missing,
    /// Its pair leads out of the page.
    Outside,
    /// Its pair shares bytes with another one, in a page whose pairs are longer than the page.
    Shared,
    /// Neither it nor any after it has room in the page.
    Full,
}

/// A leaf page. What it hands out of its pairs lies in the page, and is together never longer than the page.
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

    /// Bytes of the page with its overflow.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Whether there is not a single byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Element `index` by itself, whatever bytes it shares with others: to go through all of them, [`Leaf::elements`] is right.
    ///
    /// # Errors
    /// A [`Fault`] when the table or the pair lies outside the page.
    pub fn element(&self, index: usize) -> Result<Element<'a>, Fault> {
        let at = table_end(index);
        self.parts(at).ok_or_else(|| self.fault(self.flaw(at)))
    }

    /// The elements in the order of the table, each with its pair or why it has none. Ends with the first that is [`Flaw`]ed in such a way that none after it can be had.
    #[must_use]
    pub fn elements(self) -> Elements<'a> {
        let lengths = (0..self.count).map_while(|index| {
            let at = table_end(index);
            self.word(at, ELEMENT.saturating_sub(4))?;
            Some(self.parts(at).map_or(0, |element| element.len()))
        });
        Elements { leaf: self, room: Room::new(self.bytes.len(), lengths), next: 0 }
    }

    /// The pairs in order, without those that are flawed.
    pub fn pairs(self) -> impl Iterator<Item = Element<'a>> {
        self.elements().filter_map(Result::ok)
    }

    /// The pairs in order as far as they lie back to back behind the table, as bolt writes them: quicker than [`Leaf::pairs`], and the same for a sound page.
    pub fn packed_pairs(self) -> impl Iterator<Item = Element<'a>> {
        let mut end = table_end(self.count);
        (0..self.count).map_while(move |index| {
            let element = self.parts(table_end(index)).filter(|element| element.at == end)?;
            end = end.checked_add(element.len())?;
            Some(element)
        })
    }

    /// What is wrong with an element, in words.
    #[must_use]
    pub fn fault(&self, flaw: Flaw) -> Fault {
        let Flaw { at, what } = flaw;
        let [pos, ksize, vsize] = [4, 8, 12].map(|field| self.word(at, field).unwrap_or(0));
        let pair = || format!("a pair of {ksize} + {vsize} bytes at position {pos}");
        match what {
            What::Missing => Fault::new(Code::PageCount, 10, format!("{} elements do not fit the page", self.count)),
            What::Outside => Fault::new(Code::ElementRange, at, format!("{} leads out of the page", pair())),
            What::Shared => Fault::new(Code::ElementOverlap, at, format!("{} shares bytes with another", pair())),
            What::Full => Fault::new(Code::ElementOverlap, at, OVERFULL),
        }
    }

    /// Why there is no pair at an element's place.
    fn flaw(&self, at: usize) -> Flaw {
        let there = self.word(at, ELEMENT.saturating_sub(4)).is_some();
        Flaw { at, what: if there { What::Outside } else { What::Missing } }
    }

    /// Where the pairs stand when they lie back to back behind the table, as bolt writes them; `None` otherwise.
    #[must_use]
    pub fn run(&self) -> Option<Range<usize>> {
        let end = self.packed_end()?;
        (end <= self.bytes.len()).then_some(table_end(self.count)..end)
    }

    /// Where the pairs end that lie back to back behind the table, told by the table alone: it may be behind the bytes at hand. `None` when they do not lie so.
    pub(crate) fn packed_end(&self) -> Option<usize> {
        let start = table_end(self.count);
        let mut end = start;
        for at in (HEADER..start).step_by(ELEMENT) {
            let key = range(at, self.word(at, 4)?, self.word(at, 8)?)?;
            if key.start != end {
                return None;
            }
            end = key.end.checked_add(usize::try_from(self.word(at, 12)?).ok()?)?;
        }
        Some(end)
    }

    /// What is wrong with a leaf page inside a bucket's value, whose pairs must end where the value ends: bolt makes it as long as they are, so others may be hidden there.
    pub(crate) fn hidden(&self) -> Option<Fault> {
        let run = self.run()?;
        let rest = self.bytes.len().saturating_sub(run.end);
        let text = || {
            format!(
                "{rest} bytes stand behind the {} pairs of a bucket that lies in a page: some are hidden",
                self.count
            )
        };
        (rest > 0).then(|| Fault::new(Code::PageLayout, 10, text()))
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
        for (index, element) in self.elements().enumerate() {
            match element {
                Err(Flaw { what: What::Missing, .. }) => break,
                Err(flaw) => faults.push(self.fault(flaw)),
                Ok(element) => {
                    if element.flags & !BUCKET != 0 {
                        let message = format!("element flags {:#x}", element.flags);
                        faults.push(Fault::new(Code::ElementFlags, table_end(index), message));
                    }
                    if let Some(message) = key_size(element.key.len()) {
                        faults.push(Fault::new(Code::KeySize, table_end(index), message));
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
        let readable =
            faults.iter().all(|fault| matches!(fault.code, Code::KeyOrder | Code::KeySize | Code::ElementFlags));
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

    #[inline]
    fn word(&self, element: usize, field: usize) -> Option<u32> {
        u32_le(self.bytes, element.checked_add(field)?)
    }

    #[inline]
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

/// The elements of a leaf page: [`Leaf::elements`].
#[derive(Debug)]
pub struct Elements<'a> {
    leaf: Leaf<'a>,
    room: Room,
    next: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, Flaw>;

    // Inlined, an element stays in registers: written as one and read as another width, it waits for the memory, which took a fifth of the time of every question.
    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.leaf.count {
            return None;
        }
        let at = table_end(self.next);
        self.next = self.next.saturating_add(1);
        match self.leaf.parts(at) {
            Some(element) if !self.room.is_overfull() => Some(Ok(element)),
            element => Some(self.judge(at, element)),
        }
    }
}

impl<'a> Elements<'a> {
    /// The element at `at`, if it may be handed out.
    #[cold]
    fn judge(&mut self, at: usize, element: Option<Element<'a>>) -> Result<Element<'a>, Flaw> {
        let Some(element) = element else {
            let flaw = self.leaf.flaw(at);
            if flaw.what == What::Missing || !self.room.skip() {
                self.next = self.leaf.count;
            }
            return Err(flaw);
        };
        let pair = element.at..element.at.saturating_add(element.len());
        let following = self.leaf.parts(table_end(self.next)).map(|following| following.at);
        match self.room.admit(at, pair, following.filter(|_| self.next < self.leaf.count)) {
            Admission::Granted => Ok(element),
            Admission::Shared => Err(Flaw { at, what: What::Shared }),
            Admission::Full => {
                self.next = self.leaf.count;
                Err(Flaw { at, what: What::Full })
            }
        }
    }
}
