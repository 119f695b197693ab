//! The visitor that a walk calls for each leaf page with its place in the tree.

use crate::bolt::leaf::Leaf;
use crate::bolt::page::{Header, PageDefect};
use crate::bolt::page_id::PageId;
use crate::finding::{Finding, Findings};
use crate::finding_code::Code;
use crate::offset::Offset;
use crate::scan::digest::LeafDigest;

/// A leaf page with its position in the file.
#[derive(Debug, Clone, Copy)]
pub struct LeafPage<'a> {
    /// Page id; for an inline bucket, the page that contains the bucket.
    pub page: PageId,
    /// Offset in the file of its first byte.
    pub offset: Offset,
    /// Its header.
    pub header: Header,
    /// Contents, overflow pages included.
    pub bytes: &'a [u8],
    /// Page size in bytes; `None` for an inline bucket.
    pub page_size: Option<u32>,
}

impl<'a> LeafPage<'a> {
    /// The elements of the page.
    #[must_use]
    pub fn leaf(&self) -> Leaf<'a> {
        Leaf::new(self.header, self.bytes)
    }

    /// Creates a finding at an offset of this page.
    #[must_use]
    pub fn finding(&self, code: Code, at: usize, message: impl Into<String>) -> Finding {
        Finding::new(code, message).page(self.page).offset(self.offset.plus(at as u64))
    }
}

/// Visitor called for each leaf page of a tree.
pub trait LeafVisitor {
    /// Processes a leaf by its digest, without its bytes; returns false if the walk must read the page. `_at` is its
    /// page id and file offset.
    fn visit_digest(&mut self, _digest: &mut LeafDigest, _at: (PageId, Offset)) -> bool {
        false
    }

    /// Processes a leaf without irregularities as a whole; returns false if [`LeafVisitor::visit_elements`] must be
    /// called.
    fn visit_regular(&mut self, _leaf: &LeafPage<'_>) -> bool {
        false
    }

    /// Processes a leaf element by element. `defects` is the damage of its structure, which is already reported.
    fn visit_elements(&mut self, leaf: &LeafPage<'_>, defects: &[PageDefect], findings: &mut Findings);

    /// Whether the walk also checks nested buckets; false if the visitor handles them itself.
    fn walks_nested_buckets(&self) -> bool {
        true
    }
}

/// Ignores all leaves, for nested buckets: the walk checks only their structure.
pub struct IgnoreLeaves;

impl LeafVisitor for IgnoreLeaves {
    fn visit_elements(&mut self, _leaf: &LeafPage<'_>, _defects: &[PageDefect], _findings: &mut Findings) {}
}
