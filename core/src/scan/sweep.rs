//! The sweep: a file read once from front to back, wherever its bytes come from, and remembered in short.
//!
//! Each slot that looks like a page of the tree is digested as it goes by; whether it is one, the walk decides afterwards. A page that was freed may claim overflow pages that
//! belong to others by now, so every slot is looked at as the start of a page, even within another page's overflow.

use crate::bolt::leaf::Leaf;
use crate::bolt::meta::{Metas, NO_FREELIST};
use crate::bolt::page::{Branch, Header, Kind};
use crate::error::Error;
use crate::limits::{HEAD_LEN, SWEEP_UNIT};
use crate::report::Report;
use crate::scan::digest::LeafDigest;
use crate::scan::memory::Memory;
use crate::scan::open::{Opened, Scan};
use crate::scan::trailer::Hashing;
use crate::source::{ReadError, Source};
use crate::trailer::Trailer;
use crate::watch::Watch;

/// Takes the bytes of a file in order.
#[derive(Debug, Default)]
pub struct Sweep {
    /// The first bytes, until both metas are certain to be among them.
    head: Vec<u8>,
    stage: Option<Stage>,
    len: u64,
}

/// What goes on behind the head.
#[derive(Debug)]
struct Stage {
    hashing: Hashing,
    pages: Option<Pages>,
}

/// Digests pages as they go by.
#[derive(Debug)]
struct Pages {
    page_size: usize,
    high_water: u64,
    freelist: u64,
    /// Page id of the first slot in `pending`, or of the next to come.
    slot: u64,
    /// Bytes that wait for more: a page whose overflow has not come yet, or less than a page.
    pending: Vec<u8>,
    memory: Memory,
    freelist_page: Option<Vec<u8>>,
    scratch: LeafDigest,
}

impl Sweep {
    /// A sweep that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes in; pieces of 256 KiB to 1 MiB are best.
    pub fn push(&mut self, bytes: &[u8]) {
        self.len = self.len.saturating_add(bytes.len() as u64);
        if let Some(stage) = &mut self.stage {
            stage.push(bytes);
            return;
        }
        let missing = HEAD_LEN.saturating_sub(self.head.len()).min(bytes.len());
        let (head, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
        self.head.extend_from_slice(head);
        if self.head.len() >= HEAD_LEN {
            let mut stage = Stage::new(&self.head);
            stage.push(rest);
            self.stage = Some(stage);
        }
    }

    /// Bytes taken in so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was taken in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first bytes of the file, up to 128 KiB: enough to tell what it is.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Ends the sweep: the last byte was pushed.
    #[must_use]
    pub fn finish(self) -> Swept {
        let stage = self.stage.unwrap_or_else(|| Stage::new(&self.head));
        let (memory, freelist) = match stage.pages {
            Some(mut pages) => {
                pages.drain(true);
                (
                    pages.memory,
                    pages.freelist_page.map(|bytes| (pages.freelist.saturating_mul(pages.page_size as u64), bytes)),
                )
            }
            None => (Memory::default(), None),
        };
        Swept { len: self.len, head: self.head, trailer: stage.hashing.finish(), memory, freelist }
    }
}

impl Stage {
    fn new(head: &[u8]) -> Self {
        let live = Metas::find(head).map(|metas| metas.live().1);
        let pages = live.map(|live| Pages {
            page_size: live.page_size as usize,
            high_water: live.high_water,
            freelist: live.freelist,
            slot: 0,
            pending: Vec::new(),
            memory: Memory::default(),
            freelist_page: None,
            scratch: LeafDigest { steps: Some(Vec::new()), ..LeafDigest::default() },
        });
        let mut stage = Self { hashing: Hashing::new(live.and_then(|live| live.logical_size())), pages };
        stage.push(head);
        stage
    }

    fn push(&mut self, bytes: &[u8]) {
        self.hashing.feed(bytes);
        if let Some(pages) = &mut self.pages {
            pages.push(bytes);
        }
    }
}

impl Pages {
    fn push(&mut self, bytes: &[u8]) {
        if self.pending.is_empty() {
            let done = self.work(bytes, false);
            self.pending.extend_from_slice(bytes.get(done..).unwrap_or_default());
        } else {
            self.pending.extend_from_slice(bytes);
            self.drain(false);
        }
    }

    fn drain(&mut self, last: bool) {
        let mut pending = std::mem::take(&mut self.pending);
        let done = self.work(&pending, last);
        pending.drain(..done.min(pending.len()));
        self.pending = pending;
    }

    /// Works through whole slots; how many bytes need not be seen again.
    fn work(&mut self, bytes: &[u8], last: bool) -> usize {
        let size = self.page_size;
        let mut at = 0usize;
        while let Some(page) = at.checked_add(size).and_then(|end| bytes.get(at..end)) {
            if let Some(header) = self.candidate(page) {
                let overflow = usize::try_from(header.overflow).unwrap_or(usize::MAX);
                let len = overflow.saturating_add(1).saturating_mul(size);
                match at.checked_add(len).and_then(|end| bytes.get(at..end)) {
                    Some(unit) => self.remember(header, unit),
                    // Too large, or cut off by the end of the file: the walk will read it if it needs it.
                    None if len > SWEEP_UNIT || last => {}
                    None => return at,
                }
            }
            self.slot = self.slot.saturating_add(1);
            at = at.saturating_add(size);
        }
        at
    }

    /// The header, when the slot could be a page of the tree or the freelist.
    fn candidate(&self, page: &[u8]) -> Option<Header> {
        let header = Header::parse(page).filter(|header| header.id == self.slot && self.slot >= 2)?;
        let last = self.slot.checked_add(u64::from(header.overflow))?;
        let wanted = match header.kind()? {
            Kind::Branch | Kind::Leaf => true,
            Kind::Freelist => self.slot == self.freelist && self.freelist != NO_FREELIST,
            Kind::Meta => false,
        };
        (wanted && last < self.high_water).then_some(header)
    }

    fn remember(&mut self, header: Header, unit: &[u8]) {
        let page_size = u32::try_from(self.page_size).ok();
        match header.kind() {
            Some(Kind::Freelist) => self.freelist_page = Some(unit.to_vec()),
            Some(Kind::Branch) => {
                let branch = Branch::parse(header, unit, page_size.unwrap_or(0));
                if branch.faults.is_empty() {
                    self.memory.keep_raw(self.slot, unit.get(..branch.end).unwrap_or(unit));
                }
            }
            Some(Kind::Leaf) => {
                if self.scratch.fill(header, unit, page_size) {
                    self.memory.keep_digest(self.slot, &self.scratch);
                    return;
                }
                let leaf = Leaf::new(header, unit);
                if let Some(run) = leaf.run()
                    && leaf.faults(header, page_size).is_empty()
                {
                    self.memory.keep_raw(self.slot, unit.get(..run.end).unwrap_or(unit));
                }
            }
            _ => {}
        }
    }
}

/// A sweep that came to its end.
#[derive(Debug)]
pub struct Swept {
    len: u64,
    head: Vec<u8>,
    trailer: Trailer,
    memory: Memory,
    freelist: Option<(u64, Vec<u8>)>,
}

impl Swept {
    /// Length of the file in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the file was empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The trailer, computed over what went by.
    #[must_use]
    pub fn trailer(&self) -> &Trailer {
        &self.trailer
    }

    /// The same report as [`verify`](crate::verify) of the same bytes. What the sweep lacks (damage, odd layouts, a bound reached) is read from `source`; give
    /// [`Consumed`](crate::source::Consumed) when there is none.
    ///
    /// # Errors
    /// When bytes cannot be read: with [`ReadError::Consumed`] the answer needs a copy that can be read again. Or the watch asks to stop.
    pub fn verify<S: Source + ?Sized>(mut self, source: &S, watch: &dyn Watch) -> Result<Report, Error> {
        let mut memory = std::mem::take(&mut self.memory);
        let layered = Layered { source, len: self.len, head: &self.head, freelist: self.freelist.as_ref() };
        match Scan::open_with(&layered, &mut memory, watch)? {
            Opened::Refused(report) => Ok(report.with_trailer(self.trailer)),
            Opened::Scan(scan) => scan.run_all(&mut memory, self.trailer, watch),
        }
    }
}

/// A source in front of which the head and the freelist are remembered.
struct Layered<'a, S: Source + ?Sized> {
    source: &'a S,
    len: u64,
    head: &'a [u8],
    freelist: Option<&'a (u64, Vec<u8>)>,
}

impl<S: Source + ?Sized> Source for Layered<'_, S> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        let remembered =
            std::iter::once((0, self.head)).chain(self.freelist.map(|(at, bytes)| (*at, bytes.as_slice())));
        for (at, bytes) in remembered {
            if let Some(from) = offset.checked_sub(at)
                && bytes.read_at(from, out).is_ok()
            {
                return Ok(());
            }
        }
        self.source.read_at(offset, out)
    }
}
