//! What an entry takes of a page that bolt has just filled.

use crate::bolt::sizes::HEADER;

/// Bytes of a leaf that an entry takes, with its share of what stays free in it. `entry` counts bolt's element and the key.
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
        // 3670 bytes of a page are filled: 36 entries of 100 bytes.
        assert_eq!(share(100, 4096), 4096 / 36);
        // Two in a page, though more than nine tenths of it are full then.
        assert_eq!(share(1900, 4096), 2048);
        // Two in a page and an overflow page.
        assert_eq!(share(3000, 4096), 4096);
        assert_eq!(share(1_000_000, 4096), 489 * 4096 / 2);
        assert_eq!(share(0, 4096), 2048);
    }
}
