//! Rows in columns as kubectl lays them out: three blanks between, and none behind the last cell.

use unicode_width::UnicodeWidthStr;

/// Blanks between columns.
const GAP: usize = 3;
/// The width of a column at least, with its blanks.
const NARROWEST: usize = 6;
/// What a cell is filled up to at most: one name of a megabyte would otherwise make all lines as long.
const WIDEST: usize = 512;

/// The lines of a table; no titles when there are none.
pub fn lay_out(titles: &[String], rows: &[Vec<String>]) -> String {
    let heads: Vec<&[String]> = if titles.is_empty() { Vec::new() } else { vec![titles] };
    let lines = || heads.iter().copied().chain(rows.iter().map(Vec::as_slice));
    let mut widths: Vec<usize> = Vec::new();
    for line in lines() {
        widths.resize(widths.len().max(line.len()), 0);
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = width_of(cell).min(WIDEST).saturating_add(GAP).max(NARROWEST).max(*width);
        }
    }
    let mut text = String::new();
    for line in lines() {
        for (number, cell) in line.iter().enumerate() {
            text.push_str(cell);
            if number.saturating_add(1) < line.len() {
                let width = widths.get(number).copied().unwrap_or_default();
                text.extend(std::iter::repeat_n(' ', width.saturating_sub(width_of(cell))));
            }
        }
        text.push('\n');
    }
    text
}

/// How many columns of a terminal a text takes. Most texts are ASCII without controls, where that is their length.
fn width_of(text: &str) -> usize {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) { text.len() } else { text.width() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let text = lay_out(&row(["N", "NAME", "AGE"]), &[row(["a", "a longer one", ""]), row(["é", "", "1s"])]);
        assert_eq!(text, "N     NAME           AGE\na     a longer one   \né                    1s\n");
    }
}
