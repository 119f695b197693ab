//! Lays out rows in columns as kubectl does: three blanks between columns, and none at the end of a line.

use unicode_width::UnicodeWidthStr;

/// Blanks between columns.
const GAP: usize = 3;
/// The minimum width of a column, including its blanks.
const NARROWEST: usize = 6;
/// The maximum width to which cells are padded: one name of a megabyte would otherwise make all lines as long.
const WIDEST: usize = 512;

/// Returns the lines of a table; without titles, there is no header line.
pub fn lay_out<'r, C: Iterator<Item = &'r str>>(titles: &[String], rows: impl Iterator<Item = C> + Clone) -> String {
    let mut widths: Vec<usize> = Vec::new();
    measure(titles.iter().map(String::as_str), &mut widths);
    rows.clone().for_each(|row| measure(row, &mut widths));
    let mut text = String::new();
    if !titles.is_empty() {
        write(titles.iter().map(String::as_str), &widths, &mut text);
    }
    rows.for_each(|row| write(row, &widths, &mut text));
    text
}

/// Widens columns for the cells of a row.
fn measure<'r>(cells: impl Iterator<Item = &'r str>, widths: &mut Vec<usize>) {
    for (number, cell) in cells.enumerate() {
        let width = width_of(cell).min(WIDEST).saturating_add(GAP).max(NARROWEST);
        match widths.get_mut(number) {
            Some(known) => *known = width.max(*known),
            None => widths.push(width),
        }
    }
}

fn write<'r>(cells: impl Iterator<Item = &'r str>, widths: &[usize], text: &mut String) {
    let mut cells = cells.zip(widths).peekable();
    while let Some((cell, width)) = cells.next() {
        text.push_str(cell);
        if cells.peek().is_some() {
            pad(text, width.saturating_sub(width_of(cell)));
        }
    }
    text.push('\n');
}

/// Appends blanks, many at once.
fn pad(text: &mut String, mut count: usize) {
    const BLANKS: &str = "                                                                ";
    while count > 0 {
        let some = count.min(BLANKS.len());
        text.push_str(BLANKS.get(..some).unwrap_or(BLANKS));
        count = count.saturating_sub(some);
    }
}

/// Returns the width of a text on a terminal. Most texts are printable ASCII, whose width is their length.
fn width_of(text: &str) -> usize {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) { text.len() } else { text.width() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "a longer one", ""], ["é", "", "1s"]];
        let titles = ["N", "NAME", "AGE"].map(str::to_owned);
        let text = lay_out(&titles, rows.iter().map(|row| row.iter().copied()));
        assert_eq!(text, "N     NAME           AGE\na     a longer one   \né                    1s\n");
    }
}
