//! Computes the share of a freshly filled page that an entry uses.

use crate::bolt::sizes::HEADER;

/// Returns the bytes of a leaf that an entry uses, including its share of the page's free space. `entry` includes
/// bbolt's element and the key.
pub(crate) fn share(entry: u64, page_size: u32) -> u64 {
    let (page, header) = (u64::from(page_size), HEADER as u64);
    let filled = page.saturating_mul(9) / 10;
    let entries = filled.saturating_sub(header).checked_div(entry).unwrap_or(0).max(2);
    let pages = entries.saturating_mul(entry).saturating_add(header).div_ceil(page.max(1));
    pages.saturating_mul(page).checked_div(entries).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_its_share_of_the_page() {
        // bbolt fills 3,670 bytes of a page: 36 entries of 100 bytes.
        assert_eq!(share(100, 4096), 4096 / 36);
        // Two in a page, although they fill more than 90 % of it.
        assert_eq!(share(1900, 4096), 2048);
        // Two in a page with an overflow page.
        assert_eq!(share(3000, 4096), 4096);
        assert_eq!(share(1_000_000, 4096), 489 * 4096 / 2);
        assert_eq!(share(0, 4096), 2048);
    }
}
