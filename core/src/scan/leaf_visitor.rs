//! The visitor that a walk calls for each leaf page with its place in the tree.

use crate::bolt::leaf::Leaf;
use crate::bolt::page::{Header, PageFault};
use crate::bolt::page_id::PageId;
use crate::finding::{Finding, Findings};
use crate::finding_code::Code;
use crate::offset::Offset;
use crate::scan::digest::LeafDigest;

/// A leaf page with its place in the file.
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
    /// Processes a page by its digest; returns false to request the page itself.
    fn recall(&mut self, _digest: &mut LeafDigest, _at: (PageId, Offset)) -> bool {
        false
    }

    /// Processes a page as a whole if it is regular; returns false to have it examined.
    fn quick(&mut self, _leaf: &LeafPage<'_>) -> bool {
        false
    }

    /// Processes a page element by element. `faults` are those of its structure, already reported.
    fn examine(&mut self, leaf: &LeafPage<'_>, faults: &[PageFault], findings: &mut Findings);

    /// Whether nested buckets are walked too; false if the visitor handles them itself.
    fn descends(&self) -> bool {
        true
    }
}

/// Ignores all leaves: for nested buckets, of which only the structure is checked.
pub struct Ignore;

impl LeafVisitor for Ignore {
    fn examine(&mut self, _leaf: &LeafPage<'_>, _faults: &[PageFault], _findings: &mut Findings) {}
}
