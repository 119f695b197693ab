//! The sweep: checks a file whose bytes arrive in order, such as a stream, and keeps digests of its pages.
//!
//! Each page-sized slot of the file that looks like a tree page is digested when it arrives; the walk decides
//! afterwards whether it belongs to the tree. A stale page may claim overflow pages that are pages of their own by now,
//! so every slot is tried as the start of a page, even within the overflow pages of another.
//!
//! ```text
//! bytes ─► Sweep::push ─► Sweep::finish ─► FinishedSweep ─► second_pass ─► Sweep: the same bytes again, now keeping only pages of the tree
//!                                            │                       if memory was too small for all pages
//!                                            └────► verify ─► Report
//! ```

use crate::bolt::leaf::Leaf;
use crate::bolt::meta::{Meta, MetaChoice, NO_FREELIST};
use crate::bolt::page::{Branch, Header, PageKind};
use crate::bolt::page_id::PageId;
use crate::bolt::page_set::PageSet;
use crate::error::Error;
use crate::limits::{HEAD_LEN, SWEEP_PAGE_LEN, SWEEP_PASSES, SWEEP_WORK_FACTOR};
use crate::offset::Offset;
use crate::progress::ScanProgress;
use crate::report::Report;
use crate::scan::claimed_length::ClaimedLength;
use crate::scan::digest::LeafDigest;
use crate::scan::known_pages::{KnownPages, find_known_pages};
use crate::scan::scanner::{Opened, Scan};
use crate::scan::sweep_cache::{SweepCache, SweepLimits};
use crate::scan::trailer_hash::TrailerHasher;
use crate::source::{ReadError, Source};
use crate::trailer::Trailer;

/// Receives the bytes of a file in order.
#[derive(Debug, Default)]
pub struct Sweep {
    /// The first bytes, at most [`HEAD_LEN`], which contain both meta pages.
    head: Vec<u8>,
    limits: SweepLimits,
    state: Option<SweepState>,
    len: u64,
    /// Number of earlier passes over the bytes.
    passes: u32,
    /// Whether the caller computes the SHA-256.
    skips_hash: bool,
}

/// The state of a sweep after the first [`HEAD_LEN`] bytes.
#[derive(Debug)]
struct SweepState {
    claimed: ClaimedLength,
    trailer: TrailerState,
    pages: Option<PageDigester>,
}

/// The SHA-256: computed in the first pass, unless the caller computes it, and known in later passes.
#[derive(Debug)]
enum TrailerState {
    Hashing(TrailerHasher),
    Known(Trailer),
}

/// Digests pages when they arrive.
#[derive(Debug)]
struct PageDigester {
    live: Meta,
    page_size: usize,
    /// Page id of the first slot in `pending`, or of the next one.
    slot: PageId,
    /// Bytes of an incomplete page, or of a page whose overflow pages have not arrived yet.
    pending: Vec<u8>,
    cache: SweepCache,
    /// Pages to keep; `None` in the first pass, which keeps all.
    wanted: Option<PageSet>,
    /// Total length of the pages processed; an overflow page counts once for each page that claims it.
    processed_bytes: u64,
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
    pub fn with_limits(limits: SweepLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Creates a sweep that does not compute the SHA-256; the caller does, and passes it to
    /// [`FinishedSweep::with_trailer`].
    #[must_use]
    pub fn without_hash(limits: SweepLimits) -> Self {
        Self { skips_hash: true, ..Self::with_limits(limits) }
    }

    /// Changes the memory limits of the first pass. The second pass keeps all pages that the tree needs, within the
    /// default limits.
    pub fn set_limits(&mut self, limits: SweepLimits) {
        self.limits = limits;
        if let Some(pages) = self.state.as_mut().and_then(|state| state.pages.as_mut()).filter(|_| self.passes == 0) {
            pages.cache.set_limits(limits);
        }
    }

    /// Adds the next bytes; pieces of 256 KiB to 1 MiB are best. Returns false once no later byte can change the
    /// report: the file is not a database, or longer than a snapshot can be.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        let before = self.len;
        self.len = self.len.saturating_add(bytes.len() as u64);
        let (state, at, bytes) = match &mut self.state {
            Some(state) => (state, before, bytes),
            empty => {
                let missing = HEAD_LEN.saturating_sub(self.head.len()).min(bytes.len());
                let (head, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
                self.head.extend_from_slice(head);
                if self.head.len() < HEAD_LEN {
                    return true;
                }
                (empty.insert(SweepState::new(&self.head, self.limits, self.skips_hash)), HEAD_LEN as u64, rest)
            }
        };
        state.push(bytes, at);
        self.len <= state.claimed.read_limit()
    }

    /// The number of bytes so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether no bytes have arrived yet.
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
    pub fn finish(self) -> Result<FinishedSweep, Error> {
        let state = self.state.unwrap_or_else(|| SweepState::new(&self.head, self.limits, self.skips_hash));
        let mut finished = FinishedSweep {
            len: self.len,
            head: self.head,
            trailer: match state.trailer {
                TrailerState::Hashing(hashing) => hashing.finish(self.len),
                TrailerState::Known(trailer) => trailer,
            },
            cache: SweepCache::default(),
            freelist: None,
            live: None,
            missing: None,
            passes: self.passes.saturating_add(1),
        };
        let Some(mut pages) = state.pages else { return Ok(finished) };
        pages.process_pending(true);
        let PageDigester { live, cache, freelist_page, .. } = pages;
        let present = PageId::new(self.len.checked_div(u64::from(live.page_size)).unwrap_or(0)).min(live.high_water);
        let KnownPages { known: known_pages, missing, is_missing_any } =
            find_known_pages(&cache, live.root, live.page_size, present)?;
        finished.cache = cache.keep_only(&known_pages);
        finished.freelist = freelist_page.map(|bytes| (live.freelist.offset(live.page_size), bytes));
        finished.live = Some(live);
        finished.missing = is_missing_any.then_some(missing);
        Ok(finished)
    }
}

impl SweepState {
    fn new(head: &[u8], limits: SweepLimits, skips_hash: bool) -> Self {
        let claimed = ClaimedLength::of(head);
        let pages = claimed.live().map(|live| PageDigester::new(live, SweepCache::with_limits(limits), None));
        let trailer = match skips_hash {
            true => TrailerState::Known(Trailer::default()),
            false => TrailerState::Hashing(TrailerHasher::new(&claimed)),
        };
        let mut state = Self { trailer, pages, claimed };
        state.push(head, 0);
        state
    }

    /// Adds bytes that begin at `at`.
    fn push(&mut self, bytes: &[u8], at: u64) {
        let left = usize::try_from(self.claimed.read_limit().saturating_sub(at)).unwrap_or(usize::MAX);
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
    fn new(live: Meta, cache: SweepCache, wanted: Option<PageSet>) -> Self {
        Self {
            live,
            page_size: live.page_size as usize,
            slot: PageId::ZERO,
            pending: Vec::new(),
            cache,
            wanted,
            processed_bytes: 0,
            freelist_page: None,
            scratch: LeafDigest { steps: Some(Vec::new()), ..LeafDigest::default() },
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.pending.is_empty() {
            let done = self.process(bytes, false);
            self.pending.extend_from_slice(bytes.get(done..).unwrap_or_default());
        } else {
            self.pending.extend_from_slice(bytes);
            self.process_pending(false);
        }
    }

    fn process_pending(&mut self, last: bool) {
        let mut pending = std::mem::take(&mut self.pending);
        let done = self.process(&pending, last);
        pending.drain(..done.min(pending.len()));
        self.pending = pending;
    }

    /// Processes whole slots; returns the number of bytes processed.
    fn process(&mut self, bytes: &[u8], last: bool) -> usize {
        let size = self.page_size;
        let mut at = 0usize;
        while let Some(page) = at.checked_add(size).and_then(|end| bytes.get(at..end)) {
            if let Some(header) = self.tree_page_header(page) {
                let overflow = usize::try_from(header.overflow).unwrap_or(usize::MAX);
                let len = overflow.saturating_add(1).saturating_mul(size);
                match at.checked_add(len).and_then(|end| bytes.get(at..end)) {
                    Some(unit) if self.allows_work(len) => self.remember(header, unit),
                    Some(_) => self.cache.forget(self.slot),
                    // Too large, or cut off by the end of the file: the walk reads it if needed.
                    None if len > SWEEP_PAGE_LEN || last => {}
                    None => return at,
                }
            }
            self.slot = self.slot.next();
            at = at.saturating_add(size);
        }
        at
    }

    /// Returns the header if the slot could be a tree page or the freelist.
    fn tree_page_header(&self, page: &[u8]) -> Option<Header> {
        let header = Header::parse(page).filter(|header| header.id == self.slot && self.slot >= PageId::FIRST)?;
        let last = self.slot.plus(u64::from(header.overflow));
        let wanted = match header.kind()? {
            PageKind::Branch | PageKind::Leaf => self.wanted.as_ref().is_none_or(|wanted| wanted.contains(self.slot)),
            PageKind::Freelist => self.slot == self.live.freelist && self.live.freelist != NO_FREELIST,
            PageKind::Meta => false,
        };
        (wanted && last < self.live.high_water).then_some(header)
    }

    /// Whether a page of `len` bytes may be processed: all pages together may have at most [`SWEEP_WORK_FACTOR`] times
    /// the bytes that have arrived.
    fn allows_work(&mut self, len: usize) -> bool {
        let seen = self.slot.next().get().saturating_mul(self.page_size as u64);
        let limit = seen.saturating_mul(SWEEP_WORK_FACTOR).saturating_add(SWEEP_PAGE_LEN as u64);
        let processed_bytes = self.processed_bytes.saturating_add(len as u64);
        if processed_bytes > limit {
            return false;
        }
        self.processed_bytes = processed_bytes;
        true
    }

    fn remember(&mut self, header: Header, unit: &[u8]) {
        let page_size = u32::try_from(self.page_size).ok();
        match header.kind() {
            Some(PageKind::Freelist) => self.freelist_page = Some(unit.to_vec()),
            Some(PageKind::Branch) => {
                let branch = Branch::parse(header, unit, page_size.unwrap_or(0));
                if branch.defects.is_empty() {
                    self.cache.keep_raw(self.slot, unit.get(..branch.end).unwrap_or(unit));
                }
            }
            Some(PageKind::Leaf) => {
                if self.scratch.fill(header, unit, page_size) {
                    self.cache.keep_digest(self.slot, &self.scratch);
                    return;
                }
                let leaf = Leaf::new(header, unit);
                if let Some(run) = leaf.packed_range()
                    && leaf.defects(header, page_size).is_empty()
                {
                    self.cache.keep_raw(self.slot, unit.get(..run.end).unwrap_or(unit));
                }
            }
            _ => {}
        }
    }
}

/// A finished sweep.
#[derive(Debug)]
pub struct FinishedSweep {
    len: u64,
    head: Vec<u8>,
    trailer: Trailer,
    /// The cached pages of the tree.
    cache: SweepCache,
    freelist: Option<(Offset, Vec<u8>)>,
    live: Option<Meta>,
    /// Pages of the tree that did not fit in memory.
    missing: Option<PageSet>,
    passes: u32,
}

impl FinishedSweep {
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

    /// The trailer, computed from the bytes of the sweep.
    #[must_use]
    pub fn trailer(&self) -> &Trailer {
        &self.trailer
    }

    /// Starts another sweep over the same bytes, which keeps the pages of the tree that did not fit in memory, and no
    /// others. Further passes may be needed after it.
    ///
    /// # Errors
    /// The sweep itself, if another pass would not help: all pages that can be kept are kept.
    pub fn second_pass(self) -> Result<Sweep, Box<Self>> {
        let Self { live: Some(live), missing: Some(missing), passes: ..SWEEP_PASSES, .. } = self else {
            return Err(Box::new(self));
        };
        let pages = PageDigester::new(live, self.cache, Some(missing));
        let (claimed, trailer) = (ClaimedLength::of(&self.head), TrailerState::Known(self.trailer));
        let state = Some(SweepState { claimed, trailer, pages: Some(pages) });
        Ok(Sweep { head: self.head, state, passes: self.passes, ..Sweep::default() })
    }

    /// Replaces the trailer with one computed elsewhere.
    #[must_use]
    pub fn with_trailer(self, trailer: Trailer) -> Self {
        Self { trailer, ..self }
    }

    /// Returns the same report as [`verify`](crate::verify) of the same bytes. Pages that are not in the cache
    /// (damaged and irregular pages, or exceeded limits) are read from `source`; pass
    /// [`Consumed`](crate::source::Consumed) if the bytes cannot be read again.
    ///
    /// # Errors
    /// A read fails, or `progress` requests a stop. [`ReadError::Consumed`] means that the report needs pages that are not
    /// in the cache, so a source that can be read is needed.
    pub fn verify<S: Source + ?Sized>(mut self, source: &S, progress: &dyn ScanProgress) -> Result<Report, Error> {
        let mut cache = std::mem::take(&mut self.cache);
        let cached_source = CachedSource { source, head: &self.head, freelist: self.freelist.as_ref() };
        match Scan::open_with(&cached_source, MetaChoice::Newest, &mut cache, progress)? {
            Opened::Refused(report) => Ok(report.with_trailer(self.trailer)),
            Opened::Scan(scan) => scan.run_all(&mut cache, self.trailer, progress),
        }
    }
}

/// A source whose first bytes and freelist are read from memory.
struct CachedSource<'a, S: Source + ?Sized> {
    source: &'a S,
    head: &'a [u8],
    freelist: Option<&'a (Offset, Vec<u8>)>,
}

impl<S: Source + ?Sized> Source for CachedSource<'_, S> {
    fn len(&self) -> u64 {
        self.source.len()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        let cached =
            std::iter::once((Offset::START, self.head)).chain(self.freelist.map(|(at, bytes)| (*at, bytes.as_slice())));
        for (at, bytes) in cached {
            if let Some(from) = Offset::new(offset).bytes_since(at)
                && bytes.read_at(from, out).is_ok()
            {
                return Ok(());
            }
        }
        self.source.read_at(offset, out)
    }
}
