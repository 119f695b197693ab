//! The walk: visits a tree from its root page to its leaves in key order, with limited depth, each page once.

use crate::bolt::page_id::PageId;
use std::sync::Arc;

use crate::bolt::bucket::{self, BUCKET_HEADER, BucketLocation};
use crate::bolt::leaf::BUCKET;
use crate::bolt::page::{Branch, PageDefect, PageKind};
use crate::bolt::page_set::PageSet;
use crate::bolt::reader::{Geometry, PageReader};
use crate::error::Error;
use crate::finding::{Finding, Findings};
use crate::finding_code::Code;
use crate::limits::{FINDINGS_PER_CODE, MAX_DEPTH};
use crate::progress::ScanProgress;
use crate::scan::digest::LeafDigest;
use crate::scan::leaf_prefetch::{PREFETCHED, PrefetchedDigests};
use crate::scan::leaf_visitor::{IgnoreLeaves, LeafPage, LeafVisitor};
use crate::scan::subtree::{Subtree, contiguous_counts};
use crate::scan::sweep_cache::SweepCache;
use crate::source::Source;

/// Number of bytes between two reports of progress.
const BYTES_PER_REPORT: u64 = 512 << 10;

/// A walk in progress.
pub struct Walk<'w, 's, S: Source + ?Sized> {
    reader: PageReader<'s, S>,
    used: &'w PageSet,
    cache: &'w mut SweepCache,
    ahead: Option<&'w PrefetchedDigests>,
    scratch: LeafDigest,
    progress: &'w dyn ScanProgress,
    unreported: u64,
    /// Findings in walk order.
    pub findings: Findings,
    /// Number of pages visited, overflow pages included.
    pub pages: u64,
    /// Whether damage made part of the tree unreadable.
    pub incomplete: bool,
    /// Whether the walk met a page that had been visited before.
    pub met_used_page: bool,
    /// Key ranges of subtrees that are unreadable, or readable only in part, in walk order.
    pub lost: Vec<LostKeyRange>,
}

/// A range of keys from `low` up to, but not including, `high`; `None` for an unbounded side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostKeyRange {
    pub low: Option<Arc<[u8]>>,
    pub high: Option<Arc<[u8]>>,
}

enum OpenedPage {
    Lost,
    Leaf,
    Branch(Vec<Subtree>),
}

impl<'w, 's, S: Source + ?Sized> Walk<'w, 's, S> {
    /// Creates a walk over `source` that adds visited pages to `used`, and takes pages from `cache` instead of reading
    /// them if possible.
    pub fn new(
        source: &'s S,
        geometry: Geometry,
        used: &'w PageSet,
        cache: &'w mut SweepCache,
        progress: &'w dyn ScanProgress,
    ) -> Self {
        Self {
            reader: PageReader::new(source, geometry),
            used,
            cache,
            ahead: None,
            scratch: LeafDigest::default(),
            progress,
            unreported: 0,
            findings: Findings::default(),
            pages: 0,
            incomplete: false,
            met_used_page: false,
            lost: Vec::new(),
        }
    }

    /// Sets the leaves that were digested ahead of the walk.
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
    /// A read fails, or `progress` requests a stop.
    pub fn visit(&mut self, subtree: &Subtree, visitor: &mut dyn LeafVisitor) -> Result<(), Error> {
        if self.visit_digest(subtree, visitor)? {
            return Ok(());
        }
        match self.open(subtree)? {
            OpenedPage::Lost => {
                self.add_lost_range(subtree);
                Ok(())
            }
            OpenedPage::Leaf => self.visit_leaf(subtree, visitor),
            OpenedPage::Branch(children) => {
                let mut contiguous_counts = contiguous_counts(&children).into_iter();
                for some in children.chunks(PREFETCHED) {
                    if let Some(ahead) = self.ahead {
                        ahead.prefetch(some.iter().map(|child| child.page));
                    }
                    for (child, count) in some.iter().zip(&mut contiguous_counts) {
                        self.reader.announce(count);
                        self.visit(child, visitor)?;
                    }
                }
                self.reader.announce(0);
                Ok(())
            }
        }
    }

    /// Replaces branch pages by their children, level by level, until there are `min_count` subtrees or only leaves.
    ///
    /// # Errors
    /// The same errors as [`Walk::visit`].
    pub fn expand(&mut self, root: Subtree, min_count: usize) -> Result<Vec<Subtree>, Error> {
        let mut level = vec![root];
        while level.len() < min_count {
            let mut next = Vec::new();
            let mut grew = false;
            for subtree in level {
                match self.is_branch(&subtree)? {
                    false => next.push(subtree),
                    true => match self.open(&subtree)? {
                        OpenedPage::Branch(children) => {
                            grew = true;
                            next.extend(children);
                        }
                        OpenedPage::Lost => self.add_lost_range(&subtree),
                        OpenedPage::Leaf => {}
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
    pub fn visit_inline(
        &mut self,
        leaf: &LeafPage<'_>,
        depth: usize,
        visitor: &mut dyn LeafVisitor,
    ) -> Result<(), Error> {
        self.check_inline(leaf);
        if visitor.visit_regular(leaf) {
            return Ok(());
        }
        visitor.visit_elements(leaf, &[], &mut self.findings);
        if !visitor.walks_nested_buckets() {
            return Ok(());
        }
        self.visit_nested(leaf, &vec![leaf.page; depth.saturating_add(1)])
    }

    fn is_branch(&mut self, subtree: &Subtree) -> Result<bool, Error> {
        if self.cache.has_digest(subtree.page) {
            return Ok(false);
        }
        if let Some((header, _)) = self.cache.raw(subtree.page) {
            return Ok(header.kind() == Some(PageKind::Branch));
        }
        let header = self.reader.first(subtree.page)?.map(|(header, _)| header);
        Ok(header.is_ok_and(|header| header.kind() == Some(PageKind::Branch)))
    }

    /// Visits a leaf page by its digest; returns false if there is no digest, or if it does not fit the page's place.
    fn visit_digest(&mut self, subtree: &Subtree, visitor: &mut dyn LeafVisitor) -> Result<bool, Error> {
        let mut digest = std::mem::take(&mut self.scratch);
        let ahead = self.ahead.is_some_and(|ahead| ahead.load(subtree.page, &mut digest));
        let known = ahead || self.cache.take_digest(subtree.page, &mut digest);
        let at = (subtree.page, self.reader.geometry().offset(subtree.page));
        let was_visited = known && self.digest_fits(subtree, &digest) && visitor.visit_digest(&mut digest, at);
        let pages = u64::from(digest.pages);
        self.scratch = digest;
        if !was_visited {
            return Ok(false);
        }
        for page in subtree.page.up_to(subtree.page.plus(pages)) {
            self.used.insert(page);
        }
        self.pages = self.pages.saturating_add(pages);
        // Progress was already reported when the page was read ahead.
        let bytes_read = if ahead { 0 } else { pages };
        self.advance(bytes_read.saturating_mul(u64::from(self.reader.geometry().page_size)))?;
        Ok(true)
    }

    /// Whether the page of a digest may be at this place in the tree.
    fn digest_fits(&self, subtree: &Subtree, digest: &LeafDigest) -> bool {
        let is_in_range = |key: crate::etcd::revision_key::RevisionKey| {
            let (bytes, len) = key.to_bytes();
            subtree.contains(bytes.get(..len).unwrap_or_default())
        };
        let is_first_key = |key: crate::etcd::revision_key::RevisionKey| {
            let (bytes, len) = key.to_bytes();
            subtree.low.as_deref().is_none_or(|low| bytes.get(..len) == Some(low))
        };
        let end = subtree.page.plus(u64::from(digest.pages));
        subtree.ancestors.len() < MAX_DEPTH
            && end <= self.reader.geometry().present
            && subtree.page.up_to(end).all(|page| !self.used.contains(page))
            && digest.ends.is_some_and(|(first, last)| is_in_range(first) && is_in_range(last) && is_first_key(first))
    }

    /// Checks that a page may be at this place in the tree, and adds it to the used pages; returns its type, with the
    /// children of a branch page.
    fn open(&mut self, subtree: &Subtree) -> Result<OpenedPage, Error> {
        let page = subtree.page;
        if subtree.ancestors.contains(&page) {
            return Ok(self.report_lost(subtree, Code::PageCycle, format!("page {page} is its own descendant")));
        }
        if subtree.ancestors.len() >= MAX_DEPTH {
            let text = format!("page {page} is {MAX_DEPTH} levels deep");
            return Ok(self.report_lost(subtree, Code::TreeDepth, text));
        }
        let geometry = self.reader.geometry();
        let offset = geometry.offset(page);
        if let Err(defect) = geometry.check(page, 0) {
            return Ok(self.report_lost_page(subtree, defect));
        }
        if self.used.contains(page) {
            return Ok(self.report_shared(subtree, page));
        }
        let extent = match self.cache.raw(page) {
            Some((header, _)) => Ok((header, header.overflow)),
            None => self.reader.header_and_overflow(page)?,
        };
        let (header, overflow) = match extent {
            Ok(extent) => extent,
            Err(defect) => {
                self.incomplete = true;
                self.met_used_page |= !self.used.insert(page);
                let finding = Finding::new(defect.code, defect.message).page(page);
                let finding = finding.offset(offset.plus(defect.at as u64));
                self.findings.push(Finding { because: defect.because, ..finding });
                return Ok(OpenedPage::Lost);
            }
        };
        let kind = header.kind();
        if !matches!(kind, Some(PageKind::Branch | PageKind::Leaf)) {
            self.incomplete = true;
            self.met_used_page |= !self.used.insert(page);
            self.findings.push(Finding::new(Code::PageType, header.wrong_type()).page(page).offset(offset.plus(8)));
            return Ok(OpenedPage::Lost);
        }
        let own = u64::from(overflow).saturating_add(1);
        if header.id != page {
            self.findings.push(Finding::new(Code::PageIdMismatch, header.wrong_id(page)).page(page).offset(offset));
        }
        // Pages visited before are not read again, so the file's size limits all reads.
        if let Some(shared) = page.up_to(page.plus(own)).find(|page| !self.used.insert(*page)) {
            return Ok(self.report_shared(subtree, shared));
        }
        self.pages = self.pages.saturating_add(own);
        if kind == Some(PageKind::Leaf) {
            return Ok(OpenedPage::Leaf);
        }
        let bytes = match self.cache.raw(page) {
            Some((_, bytes)) => bytes,
            None => self.reader.pages(page, overflow)?,
        };
        let branch = Branch::parse(header, bytes, geometry.page_size);
        self.incomplete |= !branch.is_readable();
        let lost_entries = branch.children.len() < usize::from(header.count) || may_hide_elements(&branch.defects);
        for defect in &branch.defects {
            let at = offset.plus(defect.at as u64);
            self.findings.push(Finding::new(defect.code, defect.message.clone()).page(page).offset(at));
        }
        let children = subtree.children(&branch, bytes, offset, &mut self.findings);
        if lost_entries {
            self.add_lost_range(subtree);
        }
        self.advance(own.saturating_mul(u64::from(geometry.page_size)))?;
        Ok(OpenedPage::Branch(children))
    }

    fn visit_leaf(&mut self, subtree: &Subtree, visitor: &mut dyn LeafVisitor) -> Result<(), Error> {
        let geometry = self.reader.geometry();
        let unit = match self.cache.raw(subtree.page) {
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
        subtree.check_leaf(&leaf, &mut self.findings);
        let len = bytes.len() as u64;
        let (mut page_copy, mut lost_entries) = (None, false);
        if !visitor.visit_regular(&leaf) {
            let defects = leaf.leaf().defects(header, leaf.page_size);
            if defects.iter().any(|defect| !matches!(defect.code, Code::KeyOrder | Code::KeySize)) {
                self.incomplete = true;
                lost_entries = leaf.leaf().elements().any(|element| element.is_err()) || may_hide_elements(&defects);
            }
            for defect in &defects {
                self.findings.push(leaf.finding(defect.code, defect.at, defect.message.clone()));
            }
            visitor.visit_elements(&leaf, &defects, &mut self.findings);
            if visitor.walks_nested_buckets() && leaf.leaf().pairs().any(|element| element.flags & BUCKET != 0) {
                // The reader's buffer changes while nested buckets are walked.
                page_copy = Some(bytes.to_vec());
            }
        }
        if let Some(bytes) = page_copy {
            let nested_page = LeafPage { bytes: &bytes, ..leaf };
            let ancestors: Vec<PageId> = subtree.ancestors.iter().copied().chain([subtree.page]).collect();
            self.visit_nested(&nested_page, &ancestors)?;
        }
        if lost_entries {
            self.add_lost_range(subtree);
        }
        self.advance(len)
    }

    /// Checks the structure of the buckets nested in a leaf page.
    fn visit_nested(&mut self, leaf: &LeafPage<'_>, ancestors: &[PageId]) -> Result<(), Error> {
        for element in leaf.leaf().pairs().filter(|element| element.flags & BUCKET != 0) {
            let at = element.at.saturating_add(element.key.len());
            let pointer = (leaf.page, leaf.offset.plus(at as u64));
            match bucket::parse(element.value) {
                Err(defect) => {
                    self.incomplete = true;
                    self.findings.push(leaf.finding(defect.code, at.saturating_add(defect.at), defect.message));
                }
                Ok(BucketLocation::Tree(root)) => {
                    let subtree = Subtree { ancestors: ancestors.into(), ..Subtree::root(root, pointer) };
                    self.visit(&subtree, &mut IgnoreLeaves)?;
                }
                Ok(BucketLocation::Inline(header, bytes)) => {
                    let offset = pointer.1.plus(BUCKET_HEADER as u64);
                    let inner = LeafPage { page: leaf.page, offset, header, bytes, page_size: None };
                    self.check_inline(&inner);
                    let mut ancestors = ancestors.to_vec();
                    ancestors.push(leaf.page);
                    if ancestors.len() >= MAX_DEPTH {
                        let text = format!("a bucket is {MAX_DEPTH} levels deep");
                        self.findings.push(inner.finding(Code::TreeDepth, 0, text));
                        continue;
                    }
                    self.visit_nested(&inner, &ancestors)?;
                }
            }
        }
        Ok(())
    }

    /// Reports damage of an inline bucket whose entries can be read nevertheless.
    fn check_inline(&mut self, leaf: &LeafPage<'_>) {
        let pairs = leaf.leaf();
        let sizes = pairs.defects(leaf.header, None).into_iter().filter(|defect| defect.code == Code::KeySize);
        for defect in sizes.chain(pairs.inline_end_defect()) {
            self.incomplete |= defect.code != Code::KeySize;
            self.findings.push(leaf.finding(defect.code, defect.at, defect.message));
        }
    }

    fn report_shared(&mut self, subtree: &Subtree, page: PageId) -> OpenedPage {
        self.met_used_page = true;
        self.report_lost(
            subtree,
            Code::PageShared,
            format!("page {page} is used in two places; this is the second one found"),
        )
    }

    /// Adds the key range of a subtree to the lost ranges; extends the last range if the two are adjacent.
    fn add_lost_range(&mut self, subtree: &Subtree) {
        let (low, high) = (subtree.low.clone(), subtree.high.clone());
        let has_room = (self.lost.len() as u64) < FINDINGS_PER_CODE;
        match self.lost.last_mut() {
            Some(last) if last.high.is_some() && last.high == low => last.high = high,
            _ if has_room => self.lost.push(LostKeyRange { low, high }),
            _ => {}
        }
    }

    fn report_lost(&mut self, subtree: &Subtree, code: Code, message: String) -> OpenedPage {
        self.report_lost_page(subtree, PageDefect::new(code, 0, message))
    }

    fn report_lost_page(&mut self, subtree: &Subtree, defect: PageDefect) -> OpenedPage {
        self.incomplete = true;
        let (page, offset) = subtree.pointer;
        let finding = Finding::new(defect.code, defect.message).page(page).offset(offset);
        self.findings.push(Finding { because: defect.because, ..finding });
        OpenedPage::Lost
    }

    fn advance(&mut self, bytes: u64) -> Result<(), Error> {
        self.unreported = self.unreported.saturating_add(bytes);
        if self.unreported < BYTES_PER_REPORT {
            return Ok(());
        }
        self.report()
    }

    /// Reports the progress since the last report.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if `progress` requests a stop.
    pub fn report(&mut self) -> Result<(), Error> {
        self.progress.advance(std::mem::take(&mut self.unreported));
        if self.progress.cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}

/// Whether a page may contain more elements than it claims.
fn may_hide_elements(defects: &[PageDefect]) -> bool {
    defects.iter().any(|defect| matches!(defect.code, Code::PageCount | Code::PageLayout))
}
