//! Buckets: a tree of their own, or one leaf page inside the value (inline).
//!
//! ```text
//! value of a bucket element:  ├ root page id u64 ┼ sequence u64 ┼ inline leaf page, when the root is 0 ┤
//! ```

use crate::bolt::leaf::Leaf;
use crate::bolt::page::{Fault, Header, Kind};
use crate::bolt::page_id::PageId;
use crate::finding_code::Code;
use crate::int_readers::u64_le;

/// Bytes of a bucket's header.
pub const BUCKET_HEADER: usize = 16;

/// Where a bucket's pairs are.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// In the tree below this page.
    Tree(PageId),
    /// In a leaf page that follows the header in the value itself.
    Inline(Header, &'a [u8]),
}

/// Decodes the value of a bucket element.
///
/// # Errors
/// A [`Fault`] (offset within the value) when it is too short or its inline page is no leaf.
pub fn parse(value: &[u8]) -> Result<Place<'_>, Fault> {
    let short = || Fault::new(Code::BucketInvalid, 0, format!("a bucket header of {} bytes, not 16", value.len()));
    let root = u64_le(value, 0).ok_or_else(short)?;
    u64_le(value, 8).ok_or_else(short)?;
    if root != 0 {
        return Ok(Place::Tree(PageId::new(root)));
    }
    let page = value.get(BUCKET_HEADER..).unwrap_or_default();
    let header = Header::parse(page).ok_or_else(|| {
        Fault::new(Code::BucketInvalid, BUCKET_HEADER, format!("an inline bucket's page of {} bytes", page.len()))
    })?;
    if header.kind() != Some(Kind::Leaf) {
        let message = format!("an inline bucket whose page is {}", header.describe());
        return Err(Fault::new(Code::BucketInvalid, BUCKET_HEADER.saturating_add(8), message));
    }
    let mut faults = Leaf::new(header, page).faults(header, None).into_iter();
    if let Some(fault) = faults.find(|fault| fault.code != Code::KeySize) {
        let message = format!("an inline bucket's page is broken: {}", fault.message);
        return Err(Fault::new(Code::BucketInvalid, BUCKET_HEADER.saturating_add(fault.at), message));
    }
    Ok(Place::Inline(header, page))
}
