//! Rows under titles, in columns as wide as their widest cell.
//!
//! Columns are measured before the first row is printed, so rows are gone through twice instead of being held: a forged snapshot has a million members. A table of the library
//! `comfy-table`, which holds all cells, looks the same; a test compares the two.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use crate::cli::args_inspect::InspectForm;
use crate::cli::failure::Failure;
use crate::cli::output::Lines;

/// A column: its title, and whether it holds numbers, which stand to the right.
pub type Column = (&'static str, bool);

/// What a cell is filled up to at most, in columns of a terminal: one key of a megabyte would otherwise make all lines as long. A longer cell sticks out.
const MAX_WIDTH: usize = 512;

/// Takes a row; false when nobody reads any more.
pub type Take<'t> = &'t mut dyn FnMut(&[String]) -> Result<bool, Failure>;

/// Prints rows in columns; with lines around them for a table. Nothing but the titles when there are no rows. `each` hands all rows to what it is given, in order; it is called
/// twice, and the rows must be the same.
///
/// # Errors
/// Those of `each`, or when stdout cannot be written.
pub fn print(
    form: InspectForm,
    columns: &[Column],
    mut each: impl FnMut(Take<'_>) -> Result<(), Failure>,
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

/// The same as text, for a few rows.
pub fn rows(form: InspectForm, columns: &[Column], rows: &[Vec<String>]) -> String {
    let mut sheet = Sheet::new(form, columns);
    rows.iter().for_each(|cells| sheet.measure(cells));
    let mut text = Vec::new();
    let mut write = || {
        sheet.head(&mut text)?;
        rows.iter().try_for_each(|cells| sheet.row(cells, &mut text))?;
        sheet.foot(&mut text)
    };
    // Memory can always be written to.
    drop::<io::Result<()>>(write());
    String::from_utf8_lossy(&text).into_owned()
}

/// Columns that know their width.
struct Sheet<'c> {
    columns: &'c [Column],
    widths: Vec<usize>,
    /// Whether there are lines around the cells.
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

    /// A row has as many lines as its highest cell.
    fn row(&self, cells: &[String], out: &mut dyn Write) -> io::Result<()> {
        let mut lines: Vec<_> = cells.iter().map(|cell| cell.split('\n')).collect();
        let height = cells.iter().map(|cell| cell.split('\n').count()).max().unwrap_or(0);
        for _ in 0..height {
            let parts: Vec<&str> = lines.iter_mut().map(|cell| cell.next().unwrap_or_default()).collect();
            self.line(&parts, out)?;
        }
        Ok(())
    }

    /// A line, without blanks at its end.
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
