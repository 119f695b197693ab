//! Bucket headers: a bucket has its own tree of pages, or, if inline, one leaf page inside the value of its element.
//!
//! ```text
//! value of a bucket element:  ├ root page id u64 ┼ sequence u64 ┼ inline leaf page, if the root is 0 ┤
//! ```

use crate::bolt::leaf::Leaf;
use crate::bolt::page::{Header, PageDefect, PageKind};
use crate::bolt::page_id::PageId;
use crate::finding_code::Code;
use crate::int_readers::u64_le;

/// Length of a bucket header in bytes.
pub const BUCKET_HEADER: usize = 16;

/// Where a bucket's entries are stored.
#[derive(Debug, Clone, Copy)]
pub enum BucketLocation<'a> {
    /// In the tree with this root page.
    Tree(PageId),
    /// In a leaf page behind the bucket header: the page's header, and all bytes of the page.
    Inline(Header, &'a [u8]),
}

/// Decodes the value of a bucket element.
///
/// # Errors
/// A [`PageDefect`], with its offset within the value, if the value is too short or its inline page is not a leaf.
pub fn parse(value: &[u8]) -> Result<BucketLocation<'_>, PageDefect> {
    let short =
        || PageDefect::new(Code::BucketInvalid, 0, format!("a bucket header has {} bytes instead of 16", value.len()));
    let root = u64_le(value, 0).ok_or_else(short)?;
    u64_le(value, 8).ok_or_else(short)?;
    if root != 0 {
        return Ok(BucketLocation::Tree(PageId::new(root)));
    }
    let page = value.get(BUCKET_HEADER..).unwrap_or_default();
    let header = Header::parse(page).ok_or_else(|| {
        PageDefect::new(
            Code::BucketInvalid,
            BUCKET_HEADER,
            format!("an inline bucket's page has only {} bytes", page.len()),
        )
    })?;
    if header.kind() != Some(PageKind::Leaf) {
        let message = format!("an inline bucket's page is {} instead of a leaf page", header.describe());
        return Err(PageDefect::new(Code::BucketInvalid, BUCKET_HEADER.saturating_add(8), message));
    }
    // A key that is empty or too long hides no entry, so the page can be read. `scan/walk.rs` reports the key.
    let mut defects = Leaf::new(header, page).defects(header, None).into_iter();
    if let Some(defect) = defects.find(|defect| defect.code != Code::KeySize) {
        let message = format!("an inline bucket's page is damaged: {}", defect.message);
        return Err(PageDefect::new(Code::BucketInvalid, BUCKET_HEADER.saturating_add(defect.at), message));
    }
    Ok(BucketLocation::Inline(header, page))
}
