//! The walk: from a root page down to the leaves in key order, bounded in depth, each page once.

use std::sync::Arc;

use crate::bolt::bucket::{self, BUCKET_HEADER, Place};
use crate::bolt::leaf::{BUCKET, Leaf};
use crate::bolt::page::{Branch, Fault, Header, Kind, needed_overflow, overflow_fits};
use crate::bolt::reader::{Geometry, Reader};
use crate::bolt::set::PageSet;
use crate::code::Code;
use crate::error::Error;
use crate::finding::{Finding, Findings};
use crate::limits::MAX_DEPTH;
use crate::scan::ahead::Ahead;
use crate::scan::digest::LeafDigest;
use crate::scan::memory::Memory;
use crate::source::Source;
use crate::watch::Watch;

/// Bytes between two calls of the watch.
const STRIDE: u64 = 512 << 10;

/// A leaf page where it hangs in the tree.
#[derive(Debug, Clone, Copy)]
pub struct LeafPage<'a> {
    /// Its page id; of an inline bucket, the page that the bucket lies in.
    pub page: u64,
    /// Offset in the file of its first byte.
    pub offset: u64,
    /// Its header.
    pub header: Header,
    /// Its bytes, overflow pages included.
    pub bytes: &'a [u8],
    /// Page size in bytes; none for an inline bucket.
    pub page_size: Option<u32>,
}

impl<'a> LeafPage<'a> {
    /// Its pairs.
    #[must_use]
    pub fn leaf(&self) -> Leaf<'a> {
        Leaf::new(self.header, self.bytes)
    }

    /// A finding at an offset of this page.
    #[must_use]
    pub fn finding(&self, code: Code, at: usize, message: impl Into<String>) -> Finding {
        Finding::new(code, message).page(self.page).offset(self.offset.saturating_add(at as u64))
    }
}

/// What is made of the leaves of a tree.
pub trait Fold {
    /// Takes in the page at this number and offset by its digest; false when the page itself is wanted.
    fn recall(&mut self, _digest: &mut LeafDigest, _at: (u64, u64)) -> bool {
        false
    }

    /// Takes in a page at one go if nothing about it is odd; false when it is to be examined.
    fn quick(&mut self, _leaf: &LeafPage<'_>) -> bool {
        false
    }

    /// Takes in a page element by element. `faults` are those of its structure, reported already.
    fn examine(&mut self, leaf: &LeafPage<'_>, faults: &[Fault], findings: &mut Findings);

    /// Whether buckets inside this one are walked too; false where the fold itself takes them in.
    fn descends(&self) -> bool {
        true
    }
}

/// Takes in nothing: for nested buckets, of which only the structure is checked.
struct Ignore;

impl Fold for Ignore {
    fn examine(&mut self, _leaf: &LeafPage<'_>, _faults: &[Fault], _findings: &mut Findings) {}
}

/// A page to visit, and what its place in the tree promises.
#[derive(Debug, Clone)]
pub struct Subtree {
    /// Its root page.
    pub page: u64,
    /// Page and file offset of the element that points here.
    pub pointer: (u64, u64),
    /// No key below is smaller.
    pub low: Option<Arc<[u8]>>,
    /// Every key below is smaller.
    pub high: Option<Arc<[u8]>>,
    /// Pages above it, from the root on.
    pub above: Arc<[u64]>,
}

impl Subtree {
    /// A whole tree.
    #[must_use]
    pub fn root(page: u64, pointer: (u64, u64)) -> Self {
        Self { page, pointer, low: None, high: None, above: Arc::new([]) }
    }

    fn contains(&self, key: &[u8]) -> bool {
        self.low.as_deref().is_none_or(|low| low <= key) && self.high.as_deref().is_none_or(|high| key < high)
    }
}

/// A walk in progress: what it reads by, and what it found.
pub struct Walk<'w, 's, S: Source + ?Sized> {
    reader: Reader<'s, S>,
    used: &'w PageSet,
    memory: &'w mut Memory,
    ahead: Option<&'w Ahead>,
    scratch: LeafDigest,
    watch: &'w dyn Watch,
    unreported: u64,
    /// What is wrong, in the order of the walk.
    pub findings: Findings,
    /// Pages met, overflow pages counted.
    pub pages: u64,
    /// Whether damage kept part of the tree from being read.
    pub incomplete: bool,
    /// Whether a page was met that had been met before.
    pub conflict: bool,
}

enum Visit {
    Lost,
    Leaf,
    Branch(Vec<Subtree>),
}

impl<'w, 's, S: Source + ?Sized> Walk<'w, 's, S> {
    /// A walk over `source` which marks what it meets in `used` and prefers what is in `memory`.
    pub fn new(
        source: &'s S,
        geometry: Geometry,
        used: &'w PageSet,
        memory: &'w mut Memory,
        watch: &'w dyn Watch,
    ) -> Self {
        Self {
            reader: Reader::new(source, geometry),
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
        }
    }

    /// The same, with leaves that were digested ahead of it.
    #[must_use]
    pub fn with_ahead(self, ahead: &'w Ahead) -> Self {
        Self { ahead: Some(ahead), ..self }
    }

    /// The reader, for what lies outside the tree.
    pub fn reader(&mut self) -> &mut Reader<'s, S> {
        &mut self.reader
    }

    /// Walks all of a subtree.
    ///
    /// # Errors
    /// When bytes cannot be read, or the watch asks to stop.
    pub fn visit(&mut self, subtree: &Subtree, fold: &mut dyn Fold) -> Result<(), Error> {
        if self.recall(subtree, fold)? {
            return Ok(());
        }
        match self.open(subtree)? {
            Visit::Lost => Ok(()),
            Visit::Leaf => self.leaf(subtree, fold),
            Visit::Branch(children) => {
                for (child, run) in children.iter().zip(runs(&children)) {
                    self.reader.expect(run);
                    self.visit(child, fold)?;
                }
                self.reader.expect(0);
                Ok(())
            }
        }
    }

    /// Replaces branch pages by their children, level by level, until there are `wanted` subtrees or only leaves.
    ///
    /// # Errors
    /// As [`Walk::visit`].
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
                        Visit::Leaf | Visit::Lost => {}
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
    /// As [`Walk::visit`].
    pub fn inline(&mut self, leaf: &LeafPage<'_>, depth: usize, fold: &mut dyn Fold) -> Result<(), Error> {
        if fold.quick(leaf) {
            return Ok(());
        }
        fold.examine(leaf, &[], &mut self.findings);
        if !fold.descends() {
            return Ok(());
        }
        self.nested(leaf, &nested_buckets(leaf), &vec![leaf.page; depth.saturating_add(1)])
    }

    fn is_branch(&mut self, subtree: &Subtree) -> Result<bool, Error> {
        if self.memory.digest(subtree.page).is_some() {
            return Ok(false);
        }
        if let Some((header, _)) = self.memory.raw(subtree.page) {
            return Ok(header.kind() == Some(Kind::Branch));
        }
        let header = self.reader.first(subtree.page)?.map(|(header, _)| header);
        Ok(header.is_ok_and(|header| header.kind() == Some(Kind::Branch)))
    }

    /// Takes in a page by a digest that was made before; false when there is none that fits its place.
    fn recall(&mut self, subtree: &Subtree, fold: &mut dyn Fold) -> Result<bool, Error> {
        let mut digest = std::mem::take(&mut self.scratch);
        let ahead = self.ahead.is_some_and(|ahead| ahead.load(subtree.page, &mut digest));
        let known = ahead || self.memory.take_digest(subtree.page).map(|kept| digest = kept).is_some();
        let at = (subtree.page, self.reader.geometry().offset(subtree.page));
        let taken = known && self.fits(subtree, &digest) && fold.recall(&mut digest, at);
        let pages = u64::from(digest.pages);
        self.scratch = digest;
        if !taken {
            return Ok(false);
        }
        for page in subtree.page..subtree.page.saturating_add(pages) {
            self.used.insert(page);
        }
        self.pages = self.pages.saturating_add(pages);
        // What was read ahead was reported then.
        let read = if ahead { 0 } else { pages };
        self.advance(read.saturating_mul(u64::from(self.reader.geometry().page_size)))?;
        Ok(true)
    }

    /// Whether the page of a digest may stand where the tree has it.
    fn fits(&self, subtree: &Subtree, digest: &LeafDigest) -> bool {
        let inside = |key: crate::etcd::revision::RevisionKey| {
            let (bytes, len) = key.to_bytes();
            subtree.contains(bytes.get(..len).unwrap_or_default())
        };
        let last = subtree.page.saturating_add(u64::from(digest.pages));
        subtree.above.len() < MAX_DEPTH
            && last <= self.reader.geometry().present
            && (subtree.page..last).all(|page| !self.used.contains(page))
            && digest.ends.is_some_and(|(first, last)| inside(first) && inside(last))
    }

    /// Checks that a page may stand where it stands, marks it as used, and says what it is.
    fn open(&mut self, subtree: &Subtree) -> Result<Visit, Error> {
        let page = subtree.page;
        if subtree.above.contains(&page) {
            return Ok(self.lose(subtree, Code::PageCycle, format!("page {page} lies below itself")));
        }
        if subtree.above.len() >= MAX_DEPTH {
            let text = format!("page {page} lies {MAX_DEPTH} levels deep");
            return Ok(self.lose(subtree, Code::TreeDepth, text));
        }
        let geometry = self.reader.geometry();
        let offset = geometry.offset(page);
        if let Err(fault) = geometry.check(page, 0) {
            return Ok(self.lose(subtree, fault.code, fault.message));
        }
        if self.used.contains(page) {
            return Ok(self.share(subtree, page));
        }
        let unit = match self.memory.raw(page) {
            Some(unit) => Ok(unit),
            None => self.reader.unit(page)?,
        };
        let (header, bytes) = match unit {
            Ok(unit) => unit,
            Err(fault) => {
                self.incomplete = true;
                self.conflict |= !self.used.insert(page);
                self.findings.push(
                    Finding::new(fault.code, fault.message).page(page).offset(offset.saturating_add(fault.at as u64)),
                );
                return Ok(Visit::Lost);
            }
        };
        let (branch, end) = match header.kind() {
            Some(Kind::Branch) => {
                let branch = Branch::parse(header, bytes, geometry.page_size);
                let end = branch.end;
                (Some((branch, bytes.get(..end).unwrap_or(bytes).to_vec())), end)
            }
            Some(Kind::Leaf) => (None, used_end(header, bytes)),
            _ => {
                self.incomplete = true;
                self.conflict |= !self.used.insert(page);
                let text = format!("the tree points here, but this is {}", header.describe());
                self.findings.push(Finding::new(Code::PageType, text).page(page).offset(offset.saturating_add(8)));
                return Ok(Visit::Lost);
            }
        };
        // A page that claims too many overflow pages gets only those it fills: the others may belong to somebody.
        let overflow = if overflow_fits(header.overflow, end, geometry.page_size) {
            u64::from(header.overflow)
        } else {
            u64::from(header.overflow).min(needed_overflow(end, geometry.page_size))
        };
        let own = overflow.saturating_add(1);
        if header.id != page {
            let text = format!("the page at number {page} carries the number {}", header.id);
            self.findings.push(Finding::new(Code::PageIdMismatch, text).page(page).offset(offset));
        }
        if let Some(shared) =
            (page..page.saturating_add(own)).filter(|page| !self.used.insert(*page)).reduce(|first, _| first)
        {
            return Ok(self.share(subtree, shared));
        }
        self.pages = self.pages.saturating_add(own);
        match branch {
            None => Ok(Visit::Leaf),
            Some((branch, bytes)) => {
                let children = self.children(subtree, &branch, &bytes, offset);
                self.advance(own.saturating_mul(u64::from(geometry.page_size)))?;
                Ok(Visit::Branch(children))
            }
        }
    }

    fn children(&mut self, subtree: &Subtree, branch: &Branch, bytes: &[u8], offset: u64) -> Vec<Subtree> {
        let page = subtree.page;
        for fault in &branch.faults {
            self.incomplete |= matches!(fault.code, Code::PageCount | Code::ElementRange | Code::PageLayout);
            let at = offset.saturating_add(fault.at as u64);
            self.findings.push(Finding::new(fault.code, fault.message.clone()).page(page).offset(at));
        }
        let above: Arc<[u64]> = subtree.above.iter().copied().chain([page]).collect();
        let key = |index: usize| branch.children.get(index).and_then(|child| bytes.get(child.key.clone()));
        let mut children = Vec::with_capacity(branch.children.len());
        let mut next: Option<Arc<[u8]>> = key(0).map(Into::into);
        for (index, child) in branch.children.iter().enumerate() {
            let at = offset.saturating_add(child.at as u64);
            let low = next.take();
            if let Some(low) = low.as_deref().filter(|low| !subtree.contains(low)) {
                let text = "a separator lies outside the range that the parent page gives";
                self.findings.push(Finding::new(Code::KeyBounds, text).page(page).offset(at).key(low));
            }
            next = key(index.saturating_add(1)).map(Into::into);
            let high = next.clone().or_else(|| subtree.high.clone());
            children.push(Subtree { page: child.page, pointer: (page, at), low, high, above: Arc::clone(&above) });
        }
        children
    }

    fn leaf(&mut self, subtree: &Subtree, fold: &mut dyn Fold) -> Result<(), Error> {
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
        check_bounds(subtree, &leaf, &mut self.findings);
        let len = bytes.len() as u64;
        let mut nested = Vec::new();
        if !fold.quick(&leaf) {
            let faults = leaf.leaf().faults(header, leaf.page_size);
            self.incomplete |= faults.iter().any(|fault| fault.code != Code::KeyOrder);
            for fault in &faults {
                self.findings.push(leaf.finding(fault.code, fault.at, fault.message.clone()));
            }
            fold.examine(&leaf, &faults, &mut self.findings);
            nested = nested_buckets(&leaf);
        }
        if fold.descends() && !nested.is_empty() {
            let place = LeafPage { bytes: &[], ..leaf };
            let above: Vec<u64> = subtree.above.iter().copied().chain([subtree.page]).collect();
            self.nested(&place, &nested, &above)?;
        }
        self.advance(len)
    }

    /// Checks the structure of buckets inside a bucket.
    fn nested(&mut self, leaf: &LeafPage<'_>, nested: &[(usize, Vec<u8>)], above: &[u64]) -> Result<(), Error> {
        for (at, value) in nested {
            let pointer = (leaf.page, leaf.offset.saturating_add(*at as u64));
            match bucket::parse(value) {
                Err(fault) => {
                    self.incomplete = true;
                    self.findings.push(leaf.finding(fault.code, at.saturating_add(fault.at), fault.message));
                }
                Ok(Place::Tree(root)) => {
                    let subtree = Subtree { above: above.into(), ..Subtree::root(root, pointer) };
                    self.visit(&subtree, &mut Ignore)?;
                }
                Ok(Place::Inline(header, bytes)) => {
                    let offset = pointer.1.saturating_add(BUCKET_HEADER as u64);
                    let inner = LeafPage { page: leaf.page, offset, header, bytes, page_size: None };
                    let mut above = above.to_vec();
                    above.push(leaf.page);
                    if above.len() >= MAX_DEPTH {
                        let text = format!("a bucket lies {MAX_DEPTH} levels deep");
                        self.findings.push(inner.finding(Code::TreeDepth, 0, text));
                        continue;
                    }
                    self.nested(&inner, &nested_buckets(&inner), &above)?;
                }
            }
        }
        Ok(())
    }

    fn share(&mut self, subtree: &Subtree, page: u64) -> Visit {
        self.conflict = true;
        self.lose(subtree, Code::PageShared, format!("page {page} is used in two places; this is the second one met"))
    }

    fn lose(&mut self, subtree: &Subtree, code: Code, message: String) -> Visit {
        self.incomplete = true;
        let (page, offset) = subtree.pointer;
        self.findings.push(Finding::new(code, message).page(page).offset(offset));
        Visit::Lost
    }

    fn advance(&mut self, bytes: u64) -> Result<(), Error> {
        self.unreported = self.unreported.saturating_add(bytes);
        if self.unreported < STRIDE {
            return Ok(());
        }
        self.report()
    }

    /// Tells the watch what it was not told yet.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when the watch asks to stop.
    pub fn report(&mut self) -> Result<(), Error> {
        self.watch.advance(std::mem::take(&mut self.unreported));
        if self.watch.cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}

/// For each child how many lie one after the other in the file from it on, itself counted.
fn runs(children: &[Subtree]) -> Vec<usize> {
    let mut runs = vec![1usize; children.len()];
    let mut run = 1usize;
    let pairs = children.iter().zip(children.iter().skip(1)).rev();
    for ((child, next), slot) in pairs.zip(runs.iter_mut().rev().skip(1)) {
        run = if child.page.checked_add(1) == Some(next.page) { run.saturating_add(1) } else { 1 };
        *slot = run;
    }
    runs
}

/// End of the last pair of a leaf page, as far as the number of its overflow pages depends on it.
fn used_end(header: Header, bytes: &[u8]) -> usize {
    if header.overflow == 0 {
        return 1;
    }
    Leaf::new(header, bytes).run().map_or(bytes.len(), |run| run.end)
}

/// Buckets in a leaf page: where each value stands, and its bytes.
fn nested_buckets(leaf: &LeafPage<'_>) -> Vec<(usize, Vec<u8>)> {
    let buckets = leaf.leaf().pairs().filter(|element| element.flags & BUCKET != 0);
    buckets.map(|element| (element.at.saturating_add(element.key.len()), element.value.to_vec())).collect()
}

fn check_bounds(subtree: &Subtree, leaf: &LeafPage<'_>, findings: &mut Findings) {
    let pairs = leaf.leaf();
    if pairs.count() == 0 && subtree.low.is_some() {
        findings.push(leaf.finding(Code::PageCount, 10, "an empty leaf page below a branch page"));
    }
    let last = pairs.count().saturating_sub(1);
    for index in [0, last].into_iter().take(if last == 0 { 1 } else { 2 }) {
        if let Ok(element) = pairs.element(index)
            && pairs.count() > 0
            && !subtree.contains(element.key)
        {
            let text = "a key lies outside the range that the parent page gives";
            findings.push(leaf.finding(Code::KeyBounds, element.at, text).key(element.key));
        }
    }
}
