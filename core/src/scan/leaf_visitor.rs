//! What a walk hands on: leaf pages where they hang in the tree, to whoever makes something of them.

use crate::bolt::leaf::Leaf;
use crate::bolt::page::{Fault, Header};
use crate::bolt::page_id::PageId;
use crate::finding::{Finding, Findings};
use crate::finding_code::Code;
use crate::offset::Offset;
use crate::scan::digest::LeafDigest;

/// A leaf page where it hangs in the tree.
#[derive(Debug, Clone, Copy)]
pub struct LeafPage<'a> {
    /// Its page id; of an inline bucket, the page that the bucket lies in.
    pub page: PageId,
    /// Offset in the file of its first byte.
    pub offset: Offset,
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
        Finding::new(code, message).page(self.page).offset(self.offset.plus(at as u64))
    }
}

/// What is made of the leaves of a tree.
pub trait Fold {
    /// Takes in the page at this number and offset by its digest; false when the page itself is wanted.
    fn recall(&mut self, _digest: &mut LeafDigest, _at: (PageId, Offset)) -> bool {
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
pub struct Ignore;

impl Fold for Ignore {
    fn examine(&mut self, _leaf: &LeafPage<'_>, _faults: &[Fault], _findings: &mut Findings) {}
}
