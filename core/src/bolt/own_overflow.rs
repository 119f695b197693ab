//! How many of the overflow pages that a page claims it really uses.
//!
//! Nothing keeps a page from claiming overflow pages that belong to others. Reading what it claims would let each page of a forged file cost as much as all pages behind it.

use crate::bolt::leaf::Leaf;
use crate::bolt::page::{Branch, Fault, Header, Kind, needed_overflow, overflow_fits, table_end};
use crate::finding_code::Code;

/// The overflow pages of a branch or leaf page that are its own, told by its first page alone; 0 for a page of another kind.
///
/// A claim that bolt could have made is right. Otherwise the page gets only as many as its pairs fill, and those that it claims if that cannot be told.
///
/// # Errors
/// A [`Fault`] when the elements do not fit the first page. Bolt splits every page that has more than four elements at the size of a page, so a page with overflow has few.
pub fn own_overflow(header: Header, first: &[u8], page_size: u32) -> Result<u32, Fault> {
    if header.overflow == 0 || !matches!(header.kind(), Some(Kind::Branch | Kind::Leaf)) {
        return Ok(0);
    }
    let count = usize::from(header.count);
    if table_end(count) > first.len() {
        let message = format!("{count} elements do not fit the first of the page's {} bytes", first.len());
        return Err(Fault::new(Code::PageCount, 10, message));
    }
    let pages = usize::try_from(header.overflow).unwrap_or(usize::MAX).saturating_add(1);
    let claimed = pages.saturating_mul(first.len());
    let end = match header.kind() {
        Some(Kind::Branch) => Branch::end(header, first, claimed),
        _ => Leaf::new(header, first).packed_end().filter(|end| *end <= claimed).unwrap_or(claimed),
    };
    if overflow_fits(header.overflow, end, page_size) {
        return Ok(header.overflow);
    }
    Ok(u32::try_from(needed_overflow(end, page_size)).unwrap_or(u32::MAX).min(header.overflow))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bolt::page_id::PageId;

    /// The first page, of 512 bytes, of a leaf with these positions, key sizes and value sizes.
    fn leaf(overflow: u32, elements: &[[u32; 3]]) -> (Header, Vec<u8>) {
        let header = Header { id: PageId::new(9), flags: 2, count: elements.len() as u16, overflow };
        let mut bytes = vec![0; 16];
        for [pos, key, value] in elements {
            for word in [0, *pos, *key, *value] {
                bytes.extend_from_slice(&word.to_le_bytes());
            }
        }
        bytes.resize(512, 0);
        (header, bytes)
    }

    fn own(overflow: u32, elements: &[[u32; 3]]) -> Result<u32, Code> {
        let (header, first) = leaf(overflow, elements);
        own_overflow(header, &first, 512).map_err(|fault| fault.code)
    }

    #[test]
    fn a_claim_that_bolt_could_have_made_is_right() {
        assert_eq!(own(0, &[[16, 4, 100]]), Ok(0));
        assert_eq!(own(4, &[[16, 4, 2100]]), Ok(4));
        // 32 + 480 fill one page; bolt to 1.3 then takes one more.
        assert_eq!(own(1, &[[16, 4, 476]]), Ok(1));
    }

    #[test]
    fn a_page_that_claims_too_many_gets_those_that_it_fills() {
        assert_eq!(own(4000, &[[16, 4, 2100]]), Ok(4));
        assert_eq!(own(4000, &[[16, 4, 10]]), Ok(0));
    }

    #[test]
    fn where_the_end_cannot_be_told_the_claim_stands() {
        assert_eq!(own(3, &[[40, 4, 10]]), Ok(3));
        assert_eq!(own(3, &[[16, 4, u32::MAX]]), Ok(3));
    }

    #[test]
    fn a_table_longer_than_the_first_page_is_a_fault() {
        assert_eq!(own(3, &[[16, 0, 0]; 32]), Err(Code::PageCount));
        assert_eq!(own(3, &[[16, 0, 0]; 31]), Ok(3));
    }
}
