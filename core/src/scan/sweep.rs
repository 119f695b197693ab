//! The sweep: reads a file once from front to back, wherever its bytes come from, and keeps digests.
//!
//! Each page-sized slot that looks like a tree page is digested as it passes; the walk decides afterwards whether it is
//! one. A freed page may claim overflow pages that belong to other pages by now, so every slot is tried as the start of
//! a page, even within another page's overflow.
//!
//! ```text
//! bytes ─► Sweep::push ─► Sweep::finish ─► Swept ─► second_pass ─► Sweep: the same bytes once more, for the pages of the tree alone
//!                                            │                       when there was no room for all pages that went by
//!                                            └────► verify ─► Report
//! ```

use crate::bolt::leaf::Leaf;
use crate::bolt::meta::{Meta, MetaChoice, NO_FREELIST};
use crate::bolt::page::{Branch, Header, PageKind};
use crate::bolt::page_id::PageId;
use crate::bolt::page_set::PageSet;
use crate::error::Error;
use crate::limits::{HEAD_LEN, SWEEP_PASSES, SWEEP_UNIT, SWEEP_WORK};
use crate::offset::Offset;
use crate::progress::Watch;
use crate::report::Report;
use crate::scan::digest::LeafDigest;
use crate::scan::known_pages::{Survey, survey};
use crate::scan::longest_length::Extent;
use crate::scan::scanner::{Opened, Scan};
use crate::scan::sweep_cache::{SweepCache, SweepRoom};
use crate::scan::trailer_hash::TrailerHasher;
use crate::source::{ReadError, Source};
use crate::trailer::Trailer;

/// Receives the bytes of a file in order.
#[derive(Debug, Default)]
pub struct Sweep {
    /// The first bytes, until they certainly include both meta pages.
    head: Vec<u8>,
    room: SweepRoom,
    stage: Option<Stage>,
    len: u64,
    /// Number of earlier passes over the bytes.
    passes: u32,
    /// Whether the caller computes the SHA-256.
    pages_alone: bool,
}

/// State after the head.
#[derive(Debug)]
struct Stage {
    extent: Extent,
    trailer: TrailerState,
    pages: Option<PageDigester>,
}

/// The SHA-256 is computed in the first pass, unless the caller computes it.
#[derive(Debug)]
enum TrailerState {
    Hashing(TrailerHasher),
    Known(Trailer),
}

/// Digests pages as they pass.
#[derive(Debug)]
struct PageDigester {
    live: Meta,
    page_size: usize,
    /// Page id of the first slot in `pending`, or of the next one.
    slot: PageId,
    /// Bytes of an incomplete page, or of one whose overflow pages have not come yet.
    pending: Vec<u8>,
    memory: SweepCache,
    /// Pages to keep; `None` in the first pass, which keeps any.
    wanted: Option<PageSet>,
    /// Bytes of pages processed, counting overflow pages each time.
    worked: u64,
    freelist_page: Option<Vec<u8>>,
    scratch: LeafDigest,
}

impl Sweep {
    /// Creates a sweep with default memory limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a sweep with the given memory limits.
    #[must_use]
    pub fn within(room: SweepRoom) -> Self {
        Self { room, ..Self::default() }
    }

    /// Creates a sweep that does not compute the SHA-256: the caller passes it to [`Swept::with_trailer`].
    #[must_use]
    pub fn of_pages(room: SweepRoom) -> Self {
        Self { pages_alone: true, ..Self::within(room) }
    }

    /// Changes the memory limits of the first pass; the second pass has room for everything that the tree needs.
    pub fn set_room(&mut self, room: SweepRoom) {
        self.room = room;
        if let Some(pages) = self.stage.as_mut().and_then(|stage| stage.pages.as_mut()).filter(|_| self.passes == 0) {
            pages.memory.set_room(room);
        }
    }

    /// Adds the next bytes; pieces of 256 KiB to 1 MiB are best. Returns false once no later byte can change the
    /// report: the file is not a database, or longer than a snapshot can be.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        let before = self.len;
        self.len = self.len.saturating_add(bytes.len() as u64);
        let (stage, at, bytes) = match &mut self.stage {
            Some(stage) => (stage, before, bytes),
            empty => {
                let missing = HEAD_LEN.saturating_sub(self.head.len()).min(bytes.len());
                let (head, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
                self.head.extend_from_slice(head);
                if self.head.len() < HEAD_LEN {
                    return true;
                }
                (empty.insert(Stage::new(&self.head, self.room, self.pages_alone)), HEAD_LEN as u64, rest)
            }
        };
        stage.push(bytes, at);
        self.len <= stage.extent.most()
    }

    /// The number of bytes so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether no bytes came yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first bytes of the file, up to 128 KiB: enough to recognize its format.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Ends the sweep after the last byte, or after `push` returned false.
    ///
    /// # Errors
    /// Memory for one bit per page runs out.
    pub fn finish(self) -> Result<Swept, Error> {
        let stage = self.stage.unwrap_or_else(|| Stage::new(&self.head, self.room, self.pages_alone));
        let mut swept = Swept {
            len: self.len,
            head: self.head,
            trailer: match stage.trailer {
                TrailerState::Hashing(hashing) => hashing.finish(self.len),
                TrailerState::Known(trailer) => trailer,
            },
            memory: SweepCache::default(),
            freelist: None,
            live: None,
            lacking: None,
            passes: self.passes.saturating_add(1),
        };
        let Some(mut pages) = stage.pages else { return Ok(swept) };
        pages.drain(true);
        let PageDigester { live, memory, freelist_page, .. } = pages;
        let present = PageId::new(self.len.checked_div(u64::from(live.page_size)).unwrap_or(0)).min(live.high_water);
        let Survey { live: kept, lacking, lacks } = survey(&memory, live.root, live.page_size, present)?;
        swept.memory = memory.reduced(&kept);
        swept.freelist = freelist_page.map(|bytes| (live.freelist.offset(live.page_size), bytes));
        swept.live = Some(live);
        swept.lacking = lacks.then_some(lacking);
        Ok(swept)
    }
}

impl Stage {
    fn new(head: &[u8], room: SweepRoom, pages_alone: bool) -> Self {
        let extent = Extent::of(head);
        let pages = extent.live().map(|live| PageDigester::new(live, SweepCache::within(room), None));
        let trailer = match pages_alone {
            true => TrailerState::Known(Trailer::default()),
            false => TrailerState::Hashing(TrailerHasher::new(&extent)),
        };
        let mut stage = Self { trailer, pages, extent };
        stage.push(head, 0);
        stage
    }

    /// Adds bytes that begin at `at`.
    fn push(&mut self, bytes: &[u8], at: u64) {
        let left = usize::try_from(self.extent.most().saturating_sub(at)).unwrap_or(usize::MAX);
        let bytes = bytes.get(..left.min(bytes.len())).unwrap_or_default();
        if let TrailerState::Hashing(hashing) = &mut self.trailer {
            hashing.feed(bytes);
        }
        if let Some(pages) = &mut self.pages {
            pages.push(bytes);
        }
    }
}

impl PageDigester {
    fn new(live: Meta, memory: SweepCache, wanted: Option<PageSet>) -> Self {
        Self {
            live,
            page_size: live.page_size as usize,
            slot: PageId::ZERO,
            pending: Vec::new(),
            memory,
            wanted,
            worked: 0,
            freelist_page: None,
            scratch: LeafDigest { steps: Some(Vec::new()), ..LeafDigest::default() },
        }
    }

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

    /// Processes whole slots; returns how many bytes are done.
    fn work(&mut self, bytes: &[u8], last: bool) -> usize {
        let size = self.page_size;
        let mut at = 0usize;
        while let Some(page) = at.checked_add(size).and_then(|end| bytes.get(at..end)) {
            if let Some(header) = self.candidate(page) {
                let overflow = usize::try_from(header.overflow).unwrap_or(usize::MAX);
                let len = overflow.saturating_add(1).saturating_mul(size);
                match at.checked_add(len).and_then(|end| bytes.get(at..end)) {
                    Some(unit) if self.takes_work(len) => self.remember(header, unit),
                    Some(_) => self.memory.forget(self.slot),
                    // Too large, or cut off by the end of the file: the walk reads it if needed.
                    None if len > SWEEP_UNIT || last => {}
                    None => return at,
                }
            }
            self.slot = self.slot.next();
            at = at.saturating_add(size);
        }
        at
    }

    /// Returns the header if the slot could be a tree page or the freelist.
    fn candidate(&self, page: &[u8]) -> Option<Header> {
        let header = Header::parse(page).filter(|header| header.id == self.slot && self.slot >= PageId::FIRST)?;
        let last = self.slot.plus(u64::from(header.overflow));
        let wanted = match header.kind()? {
            PageKind::Branch | PageKind::Leaf => self.wanted.as_ref().is_none_or(|wanted| wanted.contains(self.slot)),
            PageKind::Freelist => self.slot == self.live.freelist && self.live.freelist != NO_FREELIST,
            PageKind::Meta => false,
        };
        (wanted && last < self.live.high_water).then_some(header)
    }

    /// Whether a page of `len` bytes may be processed: most bytes belong to one page, a few to several.
    fn takes_work(&mut self, len: usize) -> bool {
        let seen = self.slot.next().get().saturating_mul(self.page_size as u64);
        let most = seen.saturating_mul(SWEEP_WORK).saturating_add(SWEEP_UNIT as u64);
        let worked = self.worked.saturating_add(len as u64);
        if worked > most {
            return false;
        }
        self.worked = worked;
        true
    }

    fn remember(&mut self, header: Header, unit: &[u8]) {
        let page_size = u32::try_from(self.page_size).ok();
        match header.kind() {
            Some(PageKind::Freelist) => self.freelist_page = Some(unit.to_vec()),
            Some(PageKind::Branch) => {
                let branch = Branch::parse(header, unit, page_size.unwrap_or(0));
                if branch.faults.is_empty() {
                    self.memory.keep_raw(self.slot, unit.get(..branch.end).unwrap_or(unit));
                }
            }
            Some(PageKind::Leaf) => {
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

/// A finished sweep.
#[derive(Debug)]
pub struct Swept {
    len: u64,
    head: Vec<u8>,
    trailer: Trailer,
    /// Cached pages, only those of the tree.
    memory: SweepCache,
    freelist: Option<(Offset, Vec<u8>)>,
    live: Option<Meta>,
    /// Pages of the tree that did not fit in memory.
    lacking: Option<PageSet>,
    passes: u32,
}

impl Swept {
    /// The length of the file in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the file was empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The trailer, computed over the bytes that passed.
    #[must_use]
    pub fn trailer(&self) -> &Trailer {
        &self.trailer
    }

    /// Starts another sweep over the same bytes, which keeps the pages of the tree that did not fit in memory, instead
    /// of pages no longer in use. It may lead to a further one.
    ///
    /// # Errors
    /// Returns itself if no further pass helps: everything that can be kept is kept.
    pub fn second_pass(self) -> Result<Sweep, Box<Self>> {
        let Self { live: Some(live), lacking: Some(lacking), passes: ..SWEEP_PASSES, .. } = self else {
            return Err(Box::new(self));
        };
        let pages = PageDigester::new(live, self.memory, Some(lacking));
        let (extent, trailer) = (Extent::of(&self.head), TrailerState::Known(self.trailer));
        let stage = Some(Stage { extent, trailer, pages: Some(pages) });
        Ok(Sweep { head: self.head, stage, passes: self.passes, ..Sweep::default() })
    }

    /// Replaces the trailer with one computed elsewhere.
    #[must_use]
    pub fn with_trailer(self, trailer: Trailer) -> Self {
        Self { trailer, ..self }
    }

    /// Returns the same report as [`verify`](crate::verify) of the same bytes. Pages that the sweep lacks (damage,
    /// irregular pages, exceeded limits) are read from `source`; pass [`Consumed`](crate::source::Consumed) if there is
    /// none.
    ///
    /// # Errors
    /// A read fails; [`ReadError::Consumed`] means that the report needs a copy that can be read again. Or `watch`
    /// requests a stop.
    pub fn verify<S: Source + ?Sized>(mut self, source: &S, watch: &dyn Watch) -> Result<Report, Error> {
        let mut memory = std::mem::take(&mut self.memory);
        let layered = Layered { source, head: &self.head, freelist: self.freelist.as_ref() };
        match Scan::open_with(&layered, MetaChoice::Newest, &mut memory, watch)? {
            Opened::Refused(report) => Ok(report.with_trailer(self.trailer)),
            Opened::Scan(scan) => scan.run_all(&mut memory, self.trailer, watch),
        }
    }
}

/// A source with the head and the freelist kept in memory.
struct Layered<'a, S: Source + ?Sized> {
    source: &'a S,
    head: &'a [u8],
    freelist: Option<&'a (Offset, Vec<u8>)>,
}

impl<S: Source + ?Sized> Source for Layered<'_, S> {
    fn len(&self) -> u64 {
        self.source.len()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        let remembered =
            std::iter::once((Offset::START, self.head)).chain(self.freelist.map(|(at, bytes)| (*at, bytes.as_slice())));
        for (at, bytes) in remembered {
            if let Some(from) = Offset::new(offset).bytes_since(at)
                && bytes.read_at(from, out).is_ok()
            {
                return Ok(());
            }
        }
        self.source.read_at(offset, out)
    }
}
