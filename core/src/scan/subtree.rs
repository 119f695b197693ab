//! A place in a tree, and what it promises of the pages below it.

use crate::bolt::page_id::PageId;
use crate::offset::Offset;
use std::sync::Arc;

use crate::bolt::page::Branch;
use crate::finding::{Finding, Findings, excerpt};
use crate::finding_code::Code;
use crate::scan::leaf_visitor::LeafPage;

/// A page to visit, and what its place in the tree promises.
#[derive(Debug, Clone)]
pub struct Subtree {
    /// Its root page.
    pub page: PageId,
    /// Page and file offset of the element that points here.
    pub pointer: (PageId, Offset),
    /// No key below is smaller.
    pub low: Option<Arc<[u8]>>,
    /// Every key below is smaller.
    pub high: Option<Arc<[u8]>>,
    /// Pages above it, from the root on.
    pub above: Arc<[PageId]>,
}

impl Subtree {
    /// A whole tree.
    #[must_use]
    pub fn root(page: PageId, pointer: (PageId, Offset)) -> Self {
        Self { page, pointer, low: None, high: None, above: Arc::new([]) }
    }

    /// Whether a key may stand below.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.low.as_deref().is_none_or(|low| low <= key) && self.high.as_deref().is_none_or(|high| key < high)
    }

    /// What hangs below a branch page here, whose bytes begin at `offset` in the file. A separator outside this range is told.
    pub fn children(&self, branch: &Branch, bytes: &[u8], offset: Offset, findings: &mut Findings) -> Vec<Self> {
        let page = self.page;
        let above: Arc<[PageId]> = self.above.iter().copied().chain([page]).collect();
        let key = |index: usize| branch.children.get(index).and_then(|child| bytes.get(child.key.clone()));
        if let (Some(low), Some(first)) = (self.low.as_deref(), key(0))
            && low < first
        {
            let at = offset.plus(branch.children.first().map_or(0, |child| child.at) as u64);
            findings.push(mismatch(low, first).page(page).offset(at));
        }
        let mut children = Vec::with_capacity(branch.children.len());
        let mut next: Option<Arc<[u8]>> = key(0).map(Into::into);
        for (index, child) in branch.children.iter().enumerate() {
            let at = offset.plus(child.at as u64);
            let low = next.take();
            if let Some(low) = low.as_deref().filter(|low| !self.contains(low)) {
                let text = "a separator lies outside the range that the parent page gives";
                findings.push(Finding::new(Code::KeyBounds, text).page(page).offset(at).key(low));
            }
            next = key(index.saturating_add(1)).map(Into::into);
            let high = next.clone().or_else(|| self.high.clone());
            children.push(Self { page: child.page, pointer: (page, at), low, high, above: Arc::clone(&above) });
        }
        children
    }

    /// Tells of a leaf page here that is empty, or whose first or last key lies outside this range.
    pub fn check(&self, leaf: &LeafPage<'_>, findings: &mut Findings) {
        let pairs = leaf.leaf();
        if pairs.count() == 0 && self.low.is_some() {
            findings.push(leaf.finding(Code::PageCount, 10, "an empty leaf page below a branch page"));
        }
        if let (Some(low), Some(first)) = (self.low.as_deref(), pairs.pairs().next())
            && low < first.key
        {
            let (page, at) = (leaf.page, leaf.offset.plus(first.at as u64));
            findings.push(mismatch(low, first.key).page(page).offset(at));
        }
        let last = pairs.count().saturating_sub(1);
        for index in [0, last].into_iter().take(if last == 0 { 1 } else { 2 }) {
            if let Ok(element) = pairs.element(index)
                && pairs.count() > 0
                && !self.contains(element.key)
            {
                let text = "a key lies outside the range that the parent page gives";
                findings.push(leaf.finding(Code::KeyBounds, element.at, text).key(element.key));
            }
        }
    }
}

/// bolt looks a page up in the page above it by the page's own first key, and writes that key there whenever it writes the page: the two are alike in every file of its own.
fn mismatch(low: &[u8], first: &[u8]) -> Finding {
    let text = format!("the page above says that this one begins with \"{}\"", excerpt(low));
    Finding::new(Code::SeparatorMismatch, text).key(first)
}

/// For each child how many lie one after the other in the file from it on, itself counted.
pub fn runs(children: &[Subtree]) -> Vec<usize> {
    let mut runs = vec![1usize; children.len()];
    let mut run = 1usize;
    let pairs = children.iter().zip(children.iter().skip(1)).rev();
    for ((child, next), slot) in pairs.zip(runs.iter_mut().rev().skip(1)) {
        run = if child.page.next() == next.page { run.saturating_add(1) } else { 1 };
        *slot = run;
    }
    runs
}
