import { escaped } from "../printable.ts";
import { csvLine, withoutFormulas } from "./csv_text.ts";
import { keyOf } from "./key_bytes.ts";

export type ListFormat = "csv" | "ndjson";

/** A value in a saved list; null and undefined for none. */
export type Cell = string | number | bigint | boolean | null | undefined;

/** A column of a saved list. */
export interface SavedColumn<Row> {
  /** Its name in JSON, as the terminal's `-w json` has it. `a.version` is member `version` of an object `a`. In CSV it becomes `version_a`. */
  name: string;
  of: (row: Row) => Cell;
  /** Whether the value is a key or a part of one, in its displayed form. */
  key?: boolean;
}

/** A list that can be saved. */
export interface SavedList<Row> {
  /** What the list contains, for the name of the file. */
  what: string;
  columns: SavedColumn<Row>[];
  /** Number of rows, as far as known. */
  total: number;
  /** Returns the rows, some at a time. */
  rows: () => AsyncIterable<Row[]> | Iterable<Row[]>;
}

/** Rows requested at a time. */
const ROWS = 1000;
/** Characters collected until they are moved into the blob, which the browser can keep on the disk. */
const PIECE = 1 << 20;

/** Requests all rows, some at a time. */
export async function* inPieces<Row>(load: (from: number, count: number) => Promise<Row[]>): AsyncGenerator<Row[]> {
  for (let from = 0; ; from += ROWS) {
    const rows = await load(from, ROWS);
    yield rows;
    if (rows.length < ROWS) return;
  }
}

/** Writes a list as a file. Calls `progress` with the number of rows so far; if that returns false, it stops and returns null. */
export async function listFile<Row>({ columns, rows }: SavedList<Row>, format: ListFormat, progress: (done: number) => boolean): Promise<Blob | null> {
  const parts: Blob[] = [];
  const type = format === "csv" ? "text/csv" : "application/x-ndjson";
  let text = format === "csv" ? csvLine(columns.flatMap(({ name, key }) => headers(name, key === true))) : "";
  let done = 0;
  for await (const piece of rows()) {
    text += piece.map((row) => (format === "csv" ? csvRow(columns, row) : jsonRow(columns, row))).join("");
    if (text.length > PIECE) {
      parts.push(new Blob([text]));
      text = "";
    }
    done += piece.length;
    if (!progress(done)) return null;
  }
  return new Blob([...parts, text], { type });
}

/** Returns the names of a column in CSV: a column of keys is followed by one that says which cells are in base64. */
function headers(name: string, key: boolean): string[] {
  const header = name
    .split(".")
    .toReversed()
    .map((part) => part.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`))
    .join("_");
  return key ? [header, `${header}_encoding`] : [header];
}

function csvRow<Row>(columns: SavedColumn<Row>[], row: Row): string {
  const cells = columns.flatMap(({ of, key }): string[] => {
    const value = of(row);
    if (value === null || value === undefined) return key === true ? ["", ""] : [""];
    if (key !== true) return [typeof value === "string" ? withoutFormulas(value) : String(value)];
    const found = keyOf(String(value));
    return "text" in found ? [withoutFormulas(found.text), "text"] : [withoutFormulas(found.base64), "base64"];
  });
  return csvLine(cells);
}

/** Members that are empty or false are left out, as in the terminal. */
function jsonRow<Row>(columns: SavedColumn<Row>[], row: Row): string {
  const outer: Record<string, unknown> = {};
  for (const { name, of, key } of columns) {
    const value = of(row);
    if (value === null || value === undefined || value === false) continue;
    const path = name.split(".");
    const last = path.pop() ?? name;
    const into = path.reduce((object, part) => (object[part] ??= {}) as Record<string, unknown>, outer);
    if (key !== true) into[last] = value;
    else {
      const found = keyOf(String(value));
      if ("text" in found) into[last] = found.text;
      else into[`${last}Base64`] = found.base64;
    }
  }
  return `${line(outer)}\n`;
}

/** Returns JSON on one line. A `bigint` becomes a plain number. */
function line(value: unknown): string {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return escaped(JSON.stringify(value));
  return `{${Object.entries(value).map(([name, inner]) => `${JSON.stringify(name)}:${line(inner)}`).join(",")}}`;
}
