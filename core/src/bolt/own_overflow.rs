//! Computes how many of the overflow pages that a page claims belong to it.
//!
//! A damaged page may claim overflow pages that belong to other pages. If each claim were read in full, every page of a
//! forged file could cost as much as all pages after it.

use crate::bolt::leaf::Leaf;
use crate::bolt::page::{Branch, Header, PageDefect, PageKind, needed_overflow, overflow_fits, table_end};
use crate::finding_code::Code;

/// Returns how many overflow pages a branch or leaf page really has, judged by its first page alone; 0 for other page
/// types.
///
/// A claim that bbolt could have written is accepted. Otherwise the page gets only as many overflow pages as its
/// entries fill, or as many as it claims if the end of the entries is unknown.
///
/// # Errors
/// A [`PageDefect`] if the element table does not fit the first page. bbolt splits every page with more than four
/// elements at the page size, so a page with overflow has few elements.
pub fn own_overflow(header: Header, first_page: &[u8], page_size: u32) -> Result<u32, PageDefect> {
    if header.overflow == 0 || !matches!(header.kind(), Some(PageKind::Branch | PageKind::Leaf)) {
        return Ok(0);
    }
    let count = usize::from(header.count);
    if table_end(count) > first_page.len() {
        let message =
            format!("the page claims {count} elements, which do not fit its first {} bytes", first_page.len());
        return Err(PageDefect::new(Code::PageCount, 10, message));
    }
    let pages = usize::try_from(header.overflow).unwrap_or(usize::MAX).saturating_add(1);
    let claimed = pages.saturating_mul(first_page.len());
    let end = match header.kind() {
        Some(PageKind::Branch) => Branch::last_separator_end(header, first_page, claimed),
        _ => Leaf::new(header, first_page).packed_end().filter(|end| *end <= claimed).unwrap_or(claimed),
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

    /// Builds the first page, 512 bytes long, of a leaf with these positions, key sizes and value sizes.
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
        let (header, first_page) = leaf(overflow, elements);
        own_overflow(header, &first_page, 512).map_err(|defect| defect.code)
    }

    #[test]
    fn a_page_count_that_bbolt_could_have_written_is_accepted() {
        assert_eq!(own(0, &[[16, 4, 100]]), Ok(0));
        assert_eq!(own(4, &[[16, 4, 2100]]), Ok(4));
        // 32 + 480 fill one page; bbolt up to 1.3 then allocates one more.
        assert_eq!(own(1, &[[16, 4, 476]]), Ok(1));
    }

    #[test]
    fn a_page_that_claims_too_many_gets_only_those_it_fills() {
        assert_eq!(own(4000, &[[16, 4, 2100]]), Ok(4));
        assert_eq!(own(4000, &[[16, 4, 10]]), Ok(0));
    }

    #[test]
    fn a_page_whose_end_is_unknown_keeps_its_claim() {
        assert_eq!(own(3, &[[40, 4, 10]]), Ok(3));
        assert_eq!(own(3, &[[16, 4, u32::MAX]]), Ok(3));
    }

    #[test]
    fn a_table_longer_than_the_first_page_is_a_defect() {
        assert_eq!(own(3, &[[16, 0, 0]; 32]), Err(Code::PageCount));
        assert_eq!(own(3, &[[16, 0, 0]; 31]), Ok(3));
    }
}
