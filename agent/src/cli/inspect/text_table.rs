//! Prints rows under titles, in columns as wide as their widest cell.
//!
//! Columns are measured before the first row is printed, so the rows are produced twice instead of being stored: a forged snapshot can have a million members. The
//! library `comfy-table` stores all cells; a test checks that both print the same.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use crate::cli::args_inspect::InspectForm;
use crate::cli::failure::Failure;
use crate::cli::output::Lines;

/// A column: its title, and whether it holds numbers, which are aligned to the right.
pub type Column = (&'static str, bool);

/// The widest padding of a cell, in terminal columns: one key of a megabyte would otherwise make all lines as long. A longer cell sticks out.
const MAX_WIDTH: usize = 512;

/// Receives a row; returns false when the reader of stdout has gone.
pub type RowVisitor<'t> = &'t mut dyn FnMut(&[String]) -> Result<bool, Failure>;

/// Prints rows in columns; in table form with borders. Without rows it prints only the titles. `each` passes all rows to its argument, in order; it is called
/// twice and must produce the same rows.
///
/// # Errors
/// Those of `each`, or when stdout cannot be written.
pub fn print(
    form: InspectForm,
    columns: &[Column],
    mut each: impl FnMut(RowVisitor<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut sheet = Sheet::new(form, columns);
    each(&mut |cells| {
        sheet.measure(cells);
        Ok(true)
    })?;
    let mut out = Lines::new();
    out.write_with(|out| sheet.head(out))?;
    each(&mut |cells| {
        out.write_with(|out| sheet.row(cells, out))?;
        Ok(out.wanted())
    })?;
    out.write_with(|out| sheet.foot(out))?;
    out.finish()
}

/// Formats a few rows like [`print`], as a text.
pub fn rows(form: InspectForm, columns: &[Column], rows: &[Vec<String>]) -> String {
    let mut sheet = Sheet::new(form, columns);
    rows.iter().for_each(|cells| sheet.measure(cells));
    let mut text = Vec::new();
    let mut write = || {
        sheet.head(&mut text)?;
        rows.iter().try_for_each(|cells| sheet.row(cells, &mut text))?;
        sheet.foot(&mut text)
    };
    // Writing to memory cannot fail.
    drop::<io::Result<()>>(write());
    String::from_utf8_lossy(&text).into_owned()
}

/// Columns with their measured widths.
struct Sheet<'c> {
    columns: &'c [Column],
    widths: Vec<usize>,
    /// Whether cells have borders.
    framed: bool,
}

impl<'c> Sheet<'c> {
    fn new(form: InspectForm, columns: &'c [Column]) -> Self {
        let widths = columns.iter().map(|(title, _)| title.to_uppercase().width()).collect();
        Self { columns, widths, framed: form == InspectForm::Table }
    }

    fn measure(&mut self, cells: &[String]) {
        for (width, cell) in self.widths.iter_mut().zip(cells) {
            let widest = cell.split('\n').map(UnicodeWidthStr::width).max().unwrap_or(0);
            *width = widest.min(MAX_WIDTH).max(*width);
        }
    }

    fn head(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.framed {
            self.rule(["┌", "─", "┬", "┐"], out)?;
        }
        let titles: Vec<String> = self.columns.iter().map(|(title, _)| title.to_uppercase()).collect();
        self.row(&titles, out)?;
        if self.framed {
            self.rule(["╞", "═", "╪", "╡"], out)?;
        }
        Ok(())
    }

    fn foot(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.framed { self.rule(["└", "─", "┴", "┘"], out) } else { Ok(()) }
    }

    fn rule(&self, [left, line, middle, right]: [&str; 4], out: &mut dyn Write) -> io::Result<()> {
        let lines: Vec<String> = self.widths.iter().map(|width| line.repeat(width.saturating_add(2))).collect();
        writeln!(out, "{left}{}{right}", lines.join(middle))
    }

    /// Writes a row; it has as many lines as its highest cell.
    fn row(&self, cells: &[String], out: &mut dyn Write) -> io::Result<()> {
        let mut lines: Vec<_> = cells.iter().map(|cell| cell.split('\n')).collect();
        let height = cells.iter().map(|cell| cell.split('\n').count()).max().unwrap_or(0);
        for _ in 0..height {
            let parts: Vec<&str> = lines.iter_mut().map(|cell| cell.next().unwrap_or_default()).collect();
            self.line(&parts, out)?;
        }
        Ok(())
    }

    /// Writes a line without trailing blanks.
    fn line(&self, parts: &[&str], out: &mut dyn Write) -> io::Result<()> {
        let mut blanks = String::new();
        for (number, ((part, width), (_, right))) in parts.iter().zip(&self.widths).zip(self.columns).enumerate() {
            if self.framed {
                write!(out, "{blanks}{} ", if number > 0 { "┆" } else { "│" })?;
                blanks.clear();
            }
            let missing = " ".repeat(width.saturating_sub(part.width()));
            if *right {
                blanks.push_str(&missing);
            }
            let text = part.trim_end();
            if !text.is_empty() {
                write!(out, "{blanks}{text}")?;
                blanks.clear();
            }
            blanks.push_str(&part[text.len()..]);
            if !*right {
                blanks.push_str(&missing);
            }
            blanks.push_str(if self.framed { " " } else { "  " });
        }
        if self.framed { writeln!(out, "{blanks}│") } else { writeln!(out) }
    }
}

#[cfg(test)]
mod tests {
    use comfy_table::presets::{NOTHING, UTF8_FULL_CONDENSED};
    use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};

    use super::*;

    const COLUMNS: [Column; 3] = [("key", false), ("bytes", true), ("value", false)];

    fn by_comfy_table(form: InspectForm, rows: &[Vec<String>]) -> String {
        let mut table = Table::new();
        table.load_preset(if form == InspectForm::Table { UTF8_FULL_CONDENSED } else { NOTHING });
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(COLUMNS.iter().map(|(title, _)| Cell::new(title.to_uppercase())));
        for row in rows {
            table.add_row(row);
        }
        for (index, (_, number)) in COLUMNS.iter().enumerate() {
            let column = table.column_mut(index).unwrap();
            if *number {
                column.set_cell_alignment(CellAlignment::Right);
            }
            if form != InspectForm::Table {
                column.set_padding((0, 2));
            }
        }
        let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        format!("{}\n", lines.join("\n"))
    }

    #[test]
    fn rows_look_as_those_of_comfy_table() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let all = [
            row(["/a", "1", "short"]),
            row(["schön/日本", "1000000", "two\nlines and\n  three"]),
            row(["", "", ""]),
            row(["a longer key than the title", "7", "trailing  "]),
        ];
        for form in [InspectForm::Table, InspectForm::Simple] {
            for count in 0..=all.len() {
                assert_eq!(rows(form, &COLUMNS, &all[..count]), by_comfy_table(form, &all[..count]));
            }
        }
    }

    #[test]
    fn one_huge_cell_does_not_make_all_lines_huge() {
        let huge = vec!["x".repeat(1 << 20), "1".to_owned(), String::new()];
        let small = vec!["y".to_owned(), "2".to_owned(), String::new()];
        for form in [InspectForm::Table, InspectForm::Simple] {
            let text = rows(form, &COLUMNS, &[huge.clone(), small.clone(), small.clone()]);
            assert!(text.len() < (1 << 20) + 20_000, "{}", text.len());
        }
    }
}
