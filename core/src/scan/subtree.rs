//! A subtree, and the range of keys that its place in the tree allows.

use crate::bolt::page_id::PageId;
use crate::offset::Offset;
use std::sync::Arc;

use crate::bolt::page::Branch;
use crate::finding::{Finding, Findings, excerpt};
use crate::finding_code::Code;
use crate::scan::leaf_visitor::LeafPage;

/// A page to visit, and the range of keys that its place in the tree allows.
#[derive(Debug, Clone)]
pub struct Subtree {
    /// Its root page.
    pub page: PageId,
    /// Page and file offset of the element that points here.
    pub pointer: (PageId, Offset),
    /// Lower bound of all keys below, inclusive.
    pub low: Option<Arc<[u8]>>,
    /// Upper bound of all keys below, exclusive.
    pub high: Option<Arc<[u8]>>,
    /// Pages from the root to its parent.
    pub above: Arc<[PageId]>,
}

impl Subtree {
    /// Creates the subtree of a whole tree.
    #[must_use]
    pub fn root(page: PageId, pointer: (PageId, Offset)) -> Self {
        Self { page, pointer, low: None, high: None, above: Arc::new([]) }
    }

    /// Whether the range allows a key.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.low.as_deref().is_none_or(|low| low <= key) && self.high.as_deref().is_none_or(|high| key < high)
    }

    /// Returns the subtrees below a branch page at this place; `offset` is the page's offset in the file. Reports
    /// separators outside the range.
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
                let text = "a separator is outside the range that the parent page gives";
                findings.push(Finding::new(Code::KeyBounds, text).page(page).offset(at).key(low));
            }
            next = key(index.saturating_add(1)).map(Into::into);
            let high = next.clone().or_else(|| self.high.clone());
            children.push(Self { page: child.page, pointer: (page, at), low, high, above: Arc::clone(&above) });
        }
        children
    }

    /// Reports a leaf page at this place that is empty, or whose first or last key is outside the range.
    pub fn check(&self, leaf: &LeafPage<'_>, findings: &mut Findings) {
        let pairs = leaf.leaf();
        if pairs.count() == 0 && self.low.is_some() {
            findings.push(leaf.finding(Code::PageCount, 10, "a leaf page below a branch page is empty"));
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
                let text = "a key is outside the range that the parent page gives";
                findings.push(leaf.finding(Code::KeyBounds, element.at, text).key(element.key));
            }
        }
    }
}

/// bbolt finds a page in its parent by the page's own first key, and stores that key in the parent whenever it writes
/// the page: so the two agree in every file that bbolt wrote.
fn mismatch(low: &[u8], first: &[u8]) -> Finding {
    let text = format!("the parent page records the first key \"{}\" for this page", excerpt(low));
    Finding::new(Code::SeparatorMismatch, text).key(first)
}

/// Returns for each child how many children from it on are contiguous in the file, itself included.
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
