//! Subtrees, and the range of keys that the branch pages above allow in each.

use crate::bolt::page_id::PageId;
use crate::offset::Offset;
use std::sync::Arc;

use crate::bolt::page::Branch;
use crate::finding::{Finding, Findings, excerpt};
use crate::finding_code::Code;
use crate::scan::leaf_visitor::LeafPage;

/// A subtree to visit: its root page, and the range of keys that the branch pages above allow.
#[derive(Debug, Clone)]
pub struct Subtree {
    /// Its root page.
    pub page: PageId,
    /// Page and file offset of the element that points to it.
    pub pointer: (PageId, Offset),
    /// Lower bound of all keys below, inclusive.
    pub low: Option<Arc<[u8]>>,
    /// Upper bound of all keys below, exclusive.
    pub high: Option<Arc<[u8]>>,
    /// Pages from the root of the tree to its parent.
    pub ancestors: Arc<[PageId]>,
}

impl Subtree {
    /// Creates the subtree that is the whole tree with the root `page`.
    #[must_use]
    pub fn root(page: PageId, pointer: (PageId, Offset)) -> Self {
        Self { page, pointer, low: None, high: None, ancestors: Arc::new([]) }
    }

    /// Whether the subtree may contain `key`.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.low.as_deref().is_none_or(|low| low <= key) && self.high.as_deref().is_none_or(|high| key < high)
    }

    /// Returns the subtrees below the branch page that is this subtree's root; `offset` is its offset in the file.
    /// Reports separators outside the range.
    pub fn children(&self, branch: &Branch, bytes: &[u8], offset: Offset, findings: &mut Findings) -> Vec<Self> {
        let page = self.page;
        let ancestors: Arc<[PageId]> = self.ancestors.iter().copied().chain([page]).collect();
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
            children.push(Self { page: child.page, pointer: (page, at), low, high, ancestors: Arc::clone(&ancestors) });
        }
        children
    }

    /// Reports if the leaf page that is this subtree's root is empty, or if its first or last key is outside the range.
    pub fn check_leaf(&self, leaf: &LeafPage<'_>, findings: &mut Findings) {
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

/// Creates the finding for a page whose first key differs from the key in its parent. bbolt stores a page's first key
/// in the parent whenever it writes the page, so the two are equal in every file that bbolt wrote.
fn mismatch(low: &[u8], first: &[u8]) -> Finding {
    let text = format!("the parent page records the first key \"{}\" for this page", excerpt(low));
    Finding::new(Code::SeparatorMismatch, text).key(first)
}

/// Returns for each child the length of the run of contiguous pages that begins with it.
pub fn contiguous_counts(children: &[Subtree]) -> Vec<usize> {
    let mut counts = vec![1usize; children.len()];
    let mut count = 1usize;
    let pairs = children.iter().zip(children.iter().skip(1)).rev();
    for ((child, next), slot) in pairs.zip(counts.iter_mut().rev().skip(1)) {
        count = if child.page.next() == next.page { count.saturating_add(1) } else { 1 };
        *slot = count;
    }
    counts
}
