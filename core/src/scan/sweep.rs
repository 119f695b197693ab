//! The sweep: a file read once from front to back, wherever its bytes come from, and remembered in short.
//!
//! Each slot that looks like a page of the tree is digested as it goes by; whether it is one, the walk decides afterwards. A page that was freed may claim overflow pages that
//! belong to others by now, so every slot is looked at as the start of a page, even within another page's overflow.
//!
//! ```text
//! bytes ─► Sweep::push ─► Sweep::finish ─► Swept ─► second_pass ─► Sweep: the same bytes once more, for the pages of the tree alone
//!                                            │                       when there was no room for all pages that went by
//!                                            └────► verify ─► Report
//! ```

use crate::bolt::leaf::Leaf;
use crate::bolt::meta::{Meta, MetaChoice, NO_FREELIST};
use crate::bolt::page::{Branch, Header, Kind};
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
use crate::scan::sweep_cache::{Memory, SweepRoom};
use crate::scan::trailer_hash::Hashing;
use crate::source::{ReadError, Source};
use crate::trailer::Trailer;

/// Takes the bytes of a file in order.
#[derive(Debug, Default)]
pub struct Sweep {
    /// The first bytes, until both metas are certain to be among them.
    head: Vec<u8>,
    room: SweepRoom,
    stage: Option<Stage>,
    len: u64,
    /// Times that the bytes went by before.
    passes: u32,
    /// Whether the SHA-256 is left to somebody else.
    pages_alone: bool,
}

/// What goes on behind the head.
#[derive(Debug)]
struct Stage {
    extent: Extent,
    trailer: TrailerState,
    pages: Option<Pages>,
}

/// The SHA-256 is computed in the first pass, unless somebody else computes it.
#[derive(Debug)]
enum TrailerState {
    Hashing(Hashing),
    Known(Trailer),
}

/// Digests pages as they go by.
#[derive(Debug)]
struct Pages {
    live: Meta,
    page_size: usize,
    /// Page id of the first slot in `pending`, or of the next to come.
    slot: PageId,
    /// Bytes that wait for more: a page whose overflow has not come yet, or less than a page.
    pending: Vec<u8>,
    memory: Memory,
    /// The pages that are remembered; none in the first pass, which takes any.
    wanted: Option<PageSet>,
    /// Bytes of pages that were worked through, overflow pages counted each time.
    worked: u64,
    freelist_page: Option<Vec<u8>>,
    scratch: LeafDigest,
}

impl Sweep {
    /// A sweep that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with so much room for pages.
    #[must_use]
    pub fn within(room: SweepRoom) -> Self {
        Self { room, ..Self::default() }
    }

    /// The same without the SHA-256, which somebody else computes: [`Swept::with_trailer`] takes what there is to say of it.
    #[must_use]
    pub fn of_pages(room: SweepRoom) -> Self {
        Self { pages_alone: true, ..Self::within(room) }
    }

    /// Takes so much room for pages from now on, in the first pass: the second has room for what the tree asks for.
    pub fn set_room(&mut self, room: SweepRoom) {
        self.room = room;
        if let Some(pages) = self.stage.as_mut().and_then(|stage| stage.pages.as_mut()).filter(|_| self.passes == 0) {
            pages.memory.set_room(room);
        }
    }

    /// Takes the next bytes in; pieces of 256 KiB to 1 MiB are best. False once nothing that follows could change the report: the file is no
    /// database, or longer than any.
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

    /// Ends the sweep: the last byte was pushed, or no more were wanted.
    ///
    /// # Errors
    /// When there is no memory for a bit a page.
    pub fn finish(self) -> Result<Swept, Error> {
        let stage = self.stage.unwrap_or_else(|| Stage::new(&self.head, self.room, self.pages_alone));
        let mut swept = Swept {
            len: self.len,
            head: self.head,
            trailer: match stage.trailer {
                TrailerState::Hashing(hashing) => hashing.finish(self.len),
                TrailerState::Known(trailer) => trailer,
            },
            memory: Memory::default(),
            freelist: None,
            live: None,
            lacking: None,
            passes: self.passes.saturating_add(1),
        };
        let Some(mut pages) = stage.pages else { return Ok(swept) };
        pages.drain(true);
        let Pages { live, memory, freelist_page, .. } = pages;
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
        let pages = extent.live().map(|live| Pages::new(live, Memory::within(room), None));
        let trailer = match pages_alone {
            true => TrailerState::Known(Trailer::default()),
            false => TrailerState::Hashing(Hashing::new(&extent)),
        };
        let mut stage = Self { trailer, pages, extent };
        stage.push(head, 0);
        stage
    }

    /// Takes in bytes that begin at `at`.
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

impl Pages {
    fn new(live: Meta, memory: Memory, wanted: Option<PageSet>) -> Self {
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

    /// Works through whole slots; how many bytes need not be seen again.
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
                    // Too large, or cut off by the end of the file: the walk will read it if it needs it.
                    None if len > SWEEP_UNIT || last => {}
                    None => return at,
                }
            }
            self.slot = self.slot.next();
            at = at.saturating_add(size);
        }
        at
    }

    /// The header, when the slot could be a page of the tree or the freelist.
    fn candidate(&self, page: &[u8]) -> Option<Header> {
        let header = Header::parse(page).filter(|header| header.id == self.slot && self.slot >= PageId::FIRST)?;
        let last = self.slot.plus(u64::from(header.overflow));
        let wanted = match header.kind()? {
            Kind::Branch | Kind::Leaf => self.wanted.as_ref().is_none_or(|wanted| wanted.contains(self.slot)),
            Kind::Freelist => self.slot == self.live.freelist && self.live.freelist != NO_FREELIST,
            Kind::Meta => false,
        };
        (wanted && last < self.live.high_water).then_some(header)
    }

    /// Whether a page of so many bytes may be worked through: most bytes are part of one page, a few of several.
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
    /// Pages of the tree, and no others.
    memory: Memory,
    freelist: Option<(Offset, Vec<u8>)>,
    live: Option<Meta>,
    /// Pages of the tree for which there was no room.
    lacking: Option<PageSet>,
    passes: u32,
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

    /// A sweep over the same bytes once more, from the first on, that keeps the pages of the tree for which there was no room among those that
    /// it no longer has. It may lead to another.
    ///
    /// # Errors
    /// None: all that can be remembered is, and this is what was swept.
    pub fn second_pass(self) -> Result<Sweep, Box<Self>> {
        let Self { live: Some(live), lacking: Some(lacking), passes: ..SWEEP_PASSES, .. } = self else {
            return Err(Box::new(self));
        };
        let pages = Pages::new(live, self.memory, Some(lacking));
        let (extent, trailer) = (Extent::of(&self.head), TrailerState::Known(self.trailer));
        let stage = Some(Stage { extent, trailer, pages: Some(pages) });
        Ok(Sweep { head: self.head, stage, passes: self.passes, ..Sweep::default() })
    }

    /// The same with what is known of the trailer otherwise.
    #[must_use]
    pub fn with_trailer(self, trailer: Trailer) -> Self {
        Self { trailer, ..self }
    }

    /// The same report as [`verify`](crate::verify) of the same bytes. What the sweep lacks (damage, odd layouts, a bound reached) is read from `source`; give
    /// [`Consumed`](crate::source::Consumed) when there is none.
    ///
    /// # Errors
    /// When bytes cannot be read: with [`ReadError::Consumed`] the answer needs a copy that can be read again. Or the watch asks to stop.
    pub fn verify<S: Source + ?Sized>(mut self, source: &S, watch: &dyn Watch) -> Result<Report, Error> {
        let mut memory = std::mem::take(&mut self.memory);
        let layered = Layered { source, head: &self.head, freelist: self.freelist.as_ref() };
        match Scan::open_with(&layered, MetaChoice::Newest, &mut memory, watch)? {
            Opened::Refused(report) => Ok(report.with_trailer(self.trailer)),
            Opened::Scan(scan) => scan.run_all(&mut memory, self.trailer, watch),
        }
    }
}

/// A source in front of which the head and the freelist are remembered.
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
