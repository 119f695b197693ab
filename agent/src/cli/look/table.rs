//! Rows under titles.

use comfy_table::presets::{NOTHING, UTF8_FULL_CONDENSED};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};

use crate::cli::args_look::LookForm;

/// A column: its title, and whether it holds numbers, which stand to the right.
pub type Column = (&'static str, bool);

/// The rows in columns; with lines around them for a table. Nothing but the titles when there are no rows.
pub fn rows(form: LookForm, columns: &[Column], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(if form == LookForm::Table { UTF8_FULL_CONDENSED } else { NOTHING });
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|(title, _)| Cell::new(title.to_uppercase())));
    for row in rows {
        table.add_row(row);
    }
    for (index, (_, number)) in columns.iter().enumerate() {
        if let Some(column) = table.column_mut(index) {
            if *number {
                column.set_cell_alignment(CellAlignment::Right);
            }
            if form != LookForm::Table {
                column.set_padding((0, 2));
            }
        }
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    format!("{}\n", lines.join("\n"))
}
