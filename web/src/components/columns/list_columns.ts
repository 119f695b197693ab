import type { Widths } from "./widths.svelte.ts";

/** A column of a virtual list. */
export interface Column<Id extends string> {
  id: Id;
  label: string;
  hint?: string;
  number?: boolean;
  /** The width in CSS pixels; null for the column that takes the remaining width. */
  width: number | null;
  /** The minimum width of the list, in pixels, for this column to be shown. */
  from?: number;
}

/** The minimum width of the column without a width. */
const FLEXIBLE = 96;
/** The gap between columns and at both ends of a row. As in style.css. */
const GAP = 14;

/** Returns the columns that fit. Once the user has resized a column, the set stays the same and the list scrolls sideways. */
export function visibleColumns<Id extends string>(columns: readonly Column<Id>[], listWidth: number, widths: Widths): Column<Id>[] {
  return columns.filter(({ id, from = 0 }) => (widths.moved ? widths.set[id] !== undefined : listWidth >= from));
}

/** Returns the `grid-template-columns` of a row. */
export function gridColumnsOf<Id extends string>(columns: readonly Column<Id>[], widths: Widths): string {
  return columns
    .map(({ id, width }) => widths.set[id] ?? width)
    .map((width) => (width === null ? `minmax(${FLEXIBLE}px, 1fr)` : `${width}px`))
    .join(" ");
}

/** Returns the minimum width of a row in pixels. */
export function minWidthOf<Id extends string>(columns: readonly Column<Id>[], widths: Widths): number {
  return columns.reduce((sum, { id, width }) => sum + GAP + (widths.set[id] ?? width ?? FLEXIBLE), GAP);
}
