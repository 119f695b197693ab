import { UNPRINTABLE_CLASS } from "../printable.ts";

/** Invisible characters that some spreadsheets skip in front of a formula. */
const SKIPPED = `(?:(?![\\t\\r\\n])(?: |${UNPRINTABLE_CLASS}))*`;
/** Characters by which spreadsheets recognize a formula, and the apostrophe, which is itself put in front of those. */
const FORMULA = "=+\\-@\\uff1d\\uff0b\\uff0d\\uff20'";
/** A formula at the start of a cell, and one after a character at which a spreadsheet with another separator begins a cell. */
const FORMULAS = new RegExp(`^(?=${SKIPPED}[${FORMULA}\\t\\r\\n])|(?<=[;\\t\\r\\n])(?=(?:"|(?![\\t\\r\\n])(?: |${UNPRINTABLE_CLASS}))*[${FORMULA}])`, "gu");

/** Puts an apostrophe wherever a cell could start like a formula, so that a spreadsheet does not run it. The same rule as in the terminal's `export` (agent/src/export/csv.rs). */
export function withoutFormulas(text: string): string {
  return text.replace(FORMULAS, "'");
}

/** Returns a line of comma-separated values (RFC 4180). */
export function csvLine(cells: readonly string[]): string {
  return `${cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(",")}\n`;
}
