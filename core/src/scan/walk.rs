//! The walk: from a root page down to the leaves in key order, with limited depth, each page once.

use crate::bolt::page_id::PageId;
use std::sync::Arc;

use crate::bolt::bucket::{self, BUCKET_HEADER, BucketLocation};
use crate::bolt::leaf::BUCKET;
use crate::bolt::page::{Branch, PageFault, PageKind};
use crate::bolt::page_set::PageSet;
use crate::bolt::reader::{Geometry, PageReader};
use crate::error::Error;
use crate::finding::{Finding, Findings};
use crate::finding_code::Code;
use crate::limits::{FINDINGS_PER_CODE, MAX_DEPTH};
use crate::progress::Watch;
use crate::scan::digest::LeafDigest;
use crate::scan::leaf_prefetch::{PREFETCHED, PrefetchedDigests};
use crate::scan::leaf_visitor::{Ignore, LeafPage, LeafVisitor};
use crate::scan::subtree::{Subtree, runs};
use crate::scan::sweep_cache::SweepCache;
use crate::source::Source;

/// Bytes between two calls of the watch.
const STRIDE: u64 = 512 << 10;

/// A walk in progress.
pub struct Walk<'w, 's, S: Source + ?Sized> {
    reader: PageReader<'s, S>,
    used: &'w PageSet,
    memory: &'w mut SweepCache,
    ahead: Option<&'w PrefetchedDigests>,
    scratch: LeafDigest,
    watch: &'w dyn Watch,
    unreported: u64,
    /// Findings in walk order.
    pub findings: Findings,
    /// Number of pages visited, overflow pages included.
    pub pages: u64,
    /// Whether damage made part of the tree unreadable.
    pub incomplete: bool,
    /// Whether the walk came to a page that had been visited before.
    pub conflict: bool,
    /// Key ranges of unreadable or partly readable subtrees, in walk order.
    pub lost: Vec<LostKeys>,
}

/// A range of keys from `low` up to, but not including, `high`; `None` for an unbounded side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostKeys {
    pub low: Option<Arc<[u8]>>,
    pub high: Option<Arc<[u8]>>,
}

enum Visit {
    Lost,
    Leaf,
    Branch(Vec<Subtree>),
}

impl<'w, 's, S: Source + ?Sized> Walk<'w, 's, S> {
    /// Creates a walk over `source` that marks visited pages in `used` and prefers the pages in `memory`.
    pub fn new(
        source: &'s S,
        geometry: Geometry,
        used: &'w PageSet,
        memory: &'w mut SweepCache,
        watch: &'w dyn Watch,
    ) -> Self {
        Self {
            reader: PageReader::new(source, geometry),
            used,
            memory,
            ahead: None,
            scratch: LeafDigest::default(),
            watch,
            unreported: 0,
            findings: Findings::default(),
            pages: 0,
            incomplete: false,
            conflict: false,
            lost: Vec::new(),
        }
    }

    /// Adds leaves that were digested ahead of the walk.
    #[must_use]
    pub fn with_ahead(self, ahead: &'w PrefetchedDigests) -> Self {
        Self { ahead: Some(ahead), ..self }
    }

    /// The reader, for pages outside the tree.
    pub fn reader(&mut self) -> &mut PageReader<'s, S> {
        &mut self.reader
    }

    /// Walks a whole subtree.
    ///
    /// # Errors
    /// A read fails, or `watch` requests a stop.
    pub fn visit(&mut self, subtree: &Subtree, fold: &mut dyn LeafVisitor) -> Result<(), Error> {
        if self.recall(subtree, fold)? {
            return Ok(());
        }
        match self.open(subtree)? {
            Visit::Lost => {
                self.lose_keys(subtree);
                Ok(())
            }
            Visit::Leaf => self.leaf(subtree, fold),
            Visit::Branch(children) => {
                let mut runs = runs(&children).into_iter();
                for some in children.chunks(PREFETCHED) {
                    if let Some(ahead) = self.ahead {
                        ahead.prefetch(some.iter().map(|child| child.page));
                    }
                    for (child, run) in some.iter().zip(&mut runs) {
                        self.reader.expect(run);
                        self.visit(child, fold)?;
                    }
                }
                self.reader.expect(0);
                Ok(())
            }
        }
    }

    /// Replaces branch pages by their children, level by level, until there are `wanted` subtrees or only leaves.
    ///
    /// # Errors
    /// The same errors as [`Walk::visit`].
    pub fn expand(&mut self, root: Subtree, wanted: usize) -> Result<Vec<Subtree>, Error> {
        let mut level = vec![root];
        while level.len() < wanted {
            let mut next = Vec::new();
            let mut grew = false;
            for subtree in level {
                match self.is_branch(&subtree)? {
                    false => next.push(subtree),
                    true => match self.open(&subtree)? {
                        Visit::Branch(children) => {
                            grew = true;
                            next.extend(children);
                        }
                        Visit::Lost => self.lose_keys(&subtree),
                        Visit::Leaf => {}
                    },
                }
            }
            level = next;
            if !grew {
                break;
            }
        }
        Ok(level)
    }

    /// Walks the leaf page of an inline bucket.
    ///
    /// # Errors
    /// The same errors as [`Walk::visit`].
    pub fn inline(&mut self, leaf: &LeafPage<'_>, depth: usize, fold: &mut dyn LeafVisitor) -> Result<(), Error> {
        self.check_inline(leaf);
        if fold.quick(leaf) {
            return Ok(());
        }
        fold.examine(leaf, &[], &mut self.findings);
        if !fold.descends() {
            return Ok(());
        }
        self.nested(leaf, &vec![leaf.page; depth.saturating_add(1)])
    }

    fn is_branch(&mut self, subtree: &Subtree) -> Result<bool, Error> {
        if self.memory.has_digest(subtree.page) {
            return Ok(false);
        }
        if let Some((header, _)) = self.memory.raw(subtree.page) {
            return Ok(header.kind() == Some(PageKind::Branch));
        }
        let header = self.reader.first(subtree.page)?.map(|(header, _)| header);
        Ok(header.is_ok_and(|header| header.kind() == Some(PageKind::Branch)))
    }

    /// Processes a page by its cached digest; returns false if no digest fits its place.
    fn recall(&mut self, subtree: &Subtree, fold: &mut dyn LeafVisitor) -> Result<bool, Error> {
        let mut digest = std::mem::take(&mut self.scratch);
        let ahead = self.ahead.is_some_and(|ahead| ahead.load(subtree.page, &mut digest));
        let known = ahead || self.memory.take_digest(subtree.page, &mut digest);
        let at = (subtree.page, self.reader.geometry().offset(subtree.page));
        let taken = known && self.fits(subtree, &digest) && fold.recall(&mut digest, at);
        let pages = u64::from(digest.pages);
        self.scratch = digest;
        if !taken {
            return Ok(false);
        }
        for page in subtree.page.up_to(subtree.page.plus(pages)) {
            self.used.insert(page);
        }
        self.pages = self.pages.saturating_add(pages);
        // Progress was already reported when the page was read ahead.
        let read = if ahead { 0 } else { pages };
        self.advance(read.saturating_mul(u64::from(self.reader.geometry().page_size)))?;
        Ok(true)
    }

    /// Whether the page of a digest may be at its place in the tree.
    fn fits(&self, subtree: &Subtree, digest: &LeafDigest) -> bool {
        let inside = |key: crate::etcd::revision_key::RevisionKey| {
            let (bytes, len) = key.to_bytes();
            subtree.contains(bytes.get(..len).unwrap_or_default())
        };
        let begins = |key: crate::etcd::revision_key::RevisionKey| {
            let (bytes, len) = key.to_bytes();
            subtree.low.as_deref().is_none_or(|low| bytes.get(..len) == Some(low))
        };
        let end = subtree.page.plus(u64::from(digest.pages));
        subtree.above.len() < MAX_DEPTH
            && end <= self.reader.geometry().present
            && subtree.page.up_to(end).all(|page| !self.used.contains(page))
            && digest.ends.is_some_and(|(first, last)| inside(first) && inside(last) && begins(first))
    }

    /// Checks that a page may be at its place, marks it as used, and returns its type.
    fn open(&mut self, subtree: &Subtree) -> Result<Visit, Error> {
        let page = subtree.page;
        if subtree.above.contains(&page) {
            return Ok(self.lose(subtree, Code::PageCycle, format!("page {page} is its own descendant")));
        }
        if subtree.above.len() >= MAX_DEPTH {
            let text = format!("page {page} is {MAX_DEPTH} levels deep");
            return Ok(self.lose(subtree, Code::TreeDepth, text));
        }
        let geometry = self.reader.geometry();
        let offset = geometry.offset(page);
        if let Err(fault) = geometry.check(page, 0) {
            return Ok(self.lose_to(subtree, fault));
        }
        if self.used.contains(page) {
            return Ok(self.share(subtree, page));
        }
        let extent = match self.memory.raw(page) {
            Some((header, _)) => Ok((header, header.overflow)),
            None => self.reader.extent(page)?,
        };
        let (header, overflow) = match extent {
            Ok(extent) => extent,
            Err(fault) => {
                self.incomplete = true;
                self.conflict |= !self.used.insert(page);
                let finding = Finding::new(fault.code, fault.message).page(page);
                let finding = finding.offset(offset.plus(fault.at as u64));
                self.findings.push(Finding { because: fault.because, ..finding });
                return Ok(Visit::Lost);
            }
        };
        let kind = header.kind();
        if !matches!(kind, Some(PageKind::Branch | PageKind::Leaf)) {
            self.incomplete = true;
            self.conflict |= !self.used.insert(page);
            let text = format!("the tree points here, but this is {}", header.describe());
            self.findings.push(Finding::new(Code::PageType, text).page(page).offset(offset.plus(8)));
            return Ok(Visit::Lost);
        }
        let own = u64::from(overflow).saturating_add(1);
        if header.id != page {
            let text =
                format!("page {page} is labelled {}: it was written to the wrong place or overwritten", header.id);
            self.findings.push(Finding::new(Code::PageIdMismatch, text).page(page).offset(offset));
        }
        // Pages visited before are not read again, so the file's size bounds all reads.
        if let Some(shared) = page.up_to(page.plus(own)).find(|page| !self.used.insert(*page)) {
            return Ok(self.share(subtree, shared));
        }
        self.pages = self.pages.saturating_add(own);
        if kind == Some(PageKind::Leaf) {
            return Ok(Visit::Leaf);
        }
        let bytes = match self.memory.raw(page) {
            Some((_, bytes)) => bytes,
            None => self.reader.pages(page, overflow)?,
        };
        let branch = Branch::parse(header, bytes, geometry.page_size);
        self.incomplete |= !branch.is_readable();
        let is_broken = branch.children.len() < usize::from(header.count) || hides_pairs(&branch.faults);
        for fault in &branch.faults {
            let at = offset.plus(fault.at as u64);
            self.findings.push(Finding::new(fault.code, fault.message.clone()).page(page).offset(at));
        }
        let children = subtree.children(&branch, bytes, offset, &mut self.findings);
        if is_broken {
            self.lose_keys(subtree);
        }
        self.advance(own.saturating_mul(u64::from(geometry.page_size)))?;
        Ok(Visit::Branch(children))
    }

    fn leaf(&mut self, subtree: &Subtree, fold: &mut dyn LeafVisitor) -> Result<(), Error> {
        let geometry = self.reader.geometry();
        let unit = match self.memory.raw(subtree.page) {
            Some(unit) => Ok(unit),
            None => self.reader.unit(subtree.page)?,
        };
        let Ok((header, bytes)) = unit else { return Ok(()) };
        let leaf = LeafPage {
            page: subtree.page,
            offset: geometry.offset(subtree.page),
            header,
            bytes,
            page_size: Some(geometry.page_size),
        };
        subtree.check(&leaf, &mut self.findings);
        let len = bytes.len() as u64;
        let (mut nested, mut is_broken) = (None, false);
        if !fold.quick(&leaf) {
            let faults = leaf.leaf().faults(header, leaf.page_size);
            if faults.iter().any(|fault| !matches!(fault.code, Code::KeyOrder | Code::KeySize)) {
                self.incomplete = true;
                is_broken = leaf.leaf().elements().any(|element| element.is_err()) || hides_pairs(&faults);
            }
            for fault in &faults {
                self.findings.push(leaf.finding(fault.code, fault.at, fault.message.clone()));
            }
            fold.examine(&leaf, &faults, &mut self.findings);
            if fold.descends() && leaf.leaf().pairs().any(|element| element.flags & BUCKET != 0) {
                // The reader's buffer changes while nested buckets are walked.
                nested = Some(bytes.to_vec());
            }
        }
        if let Some(bytes) = nested {
            let place = LeafPage { bytes: &bytes, ..leaf };
            let above: Vec<PageId> = subtree.above.iter().copied().chain([subtree.page]).collect();
            self.nested(&place, &above)?;
        }
        if is_broken {
            self.lose_keys(subtree);
        }
        self.advance(len)
    }

    /// Checks the structure of the buckets nested in a leaf page.
    fn nested(&mut self, leaf: &LeafPage<'_>, above: &[PageId]) -> Result<(), Error> {
        for element in leaf.leaf().pairs().filter(|element| element.flags & BUCKET != 0) {
            let at = element.at.saturating_add(element.key.len());
            let pointer = (leaf.page, leaf.offset.plus(at as u64));
            match bucket::parse(element.value) {
                Err(fault) => {
                    self.incomplete = true;
                    self.findings.push(leaf.finding(fault.code, at.saturating_add(fault.at), fault.message));
                }
                Ok(BucketLocation::Tree(root)) => {
                    let subtree = Subtree { above: above.into(), ..Subtree::root(root, pointer) };
                    self.visit(&subtree, &mut Ignore)?;
                }
                Ok(BucketLocation::Inline(header, bytes)) => {
                    let offset = pointer.1.plus(BUCKET_HEADER as u64);
                    let inner = LeafPage { page: leaf.page, offset, header, bytes, page_size: None };
                    self.check_inline(&inner);
                    let mut above = above.to_vec();
                    above.push(leaf.page);
                    if above.len() >= MAX_DEPTH {
                        let text = format!("a bucket is {MAX_DEPTH} levels deep");
                        self.findings.push(inner.finding(Code::TreeDepth, 0, text));
                        continue;
                    }
                    self.nested(&inner, &above)?;
                }
            }
        }
        Ok(())
    }

    /// Reports damage of an inline bucket that does not hide its entries.
    fn check_inline(&mut self, leaf: &LeafPage<'_>) {
        let pairs = leaf.leaf();
        let sizes = pairs.faults(leaf.header, None).into_iter().filter(|fault| fault.code == Code::KeySize);
        for fault in sizes.chain(pairs.hidden()) {
            self.incomplete |= fault.code != Code::KeySize;
            self.findings.push(leaf.finding(fault.code, fault.at, fault.message));
        }
    }

    fn share(&mut self, subtree: &Subtree, page: PageId) -> Visit {
        self.conflict = true;
        self.lose(subtree, Code::PageShared, format!("page {page} is used in two places; this is the second one found"))
    }

    /// Adds the key range of a subtree to the lost ranges; extends the last range if they touch.
    fn lose_keys(&mut self, subtree: &Subtree) {
        let (low, high) = (subtree.low.clone(), subtree.high.clone());
        let has_room = (self.lost.len() as u64) < FINDINGS_PER_CODE;
        match self.lost.last_mut() {
            Some(last) if last.high.is_some() && last.high == low => last.high = high,
            _ if has_room => self.lost.push(LostKeys { low, high }),
            _ => {}
        }
    }

    fn lose(&mut self, subtree: &Subtree, code: Code, message: String) -> Visit {
        self.lose_to(subtree, PageFault::new(code, 0, message))
    }

    fn lose_to(&mut self, subtree: &Subtree, fault: PageFault) -> Visit {
        self.incomplete = true;
        let (page, offset) = subtree.pointer;
        let finding = Finding::new(fault.code, fault.message).page(page).offset(offset);
        self.findings.push(Finding { because: fault.because, ..finding });
        Visit::Lost
    }

    fn advance(&mut self, bytes: u64) -> Result<(), Error> {
        self.unreported = self.unreported.saturating_add(bytes);
        if self.unreported < STRIDE {
            return Ok(());
        }
        self.report()
    }

    /// Reports progress since the last report to the watch.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if the watch requests a stop.
    pub fn report(&mut self) -> Result<(), Error> {
        self.watch.advance(std::mem::take(&mut self.unreported));
        if self.watch.cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}

/// Whether a page may hold more elements than it claims.
fn hides_pairs(faults: &[PageFault]) -> bool {
    faults.iter().any(|fault| matches!(fault.code, Code::PageCount | Code::PageLayout))
}
