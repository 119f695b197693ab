import type { Widths } from "./widths.svelte.ts";

/** A column of a virtual list. */
export interface Column<Id extends string> {
  id: Id;
  label: string;
  hint?: string;
  number?: boolean;
  /** In CSS pixels; null for the one that takes the room that is left. */
  width: number | null;
  /** It is left out of a list that is narrower than so many pixels. */
  from?: number;
}

/** The room that the column without a width has at least. */
const FLEXIBLE = 96;
/** Between columns, and at both ends of a row. As in ListHead.svelte. */
const GAP = 14;

/** The columns there is room for. All of them once a person has set widths: the list scrolls sideways then. */
export function shownOf<Id extends string>(columns: readonly Column<Id>[], breadth: number, widths: Widths): Column<Id>[] {
  return columns.filter(({ id, from = 0 }) => (widths.moved ? widths.set[id] !== undefined : breadth >= from));
}

/** `grid-template-columns` of each row. */
export function tracksOf<Id extends string>(columns: readonly Column<Id>[], widths: Widths): string {
  return columns
    .map(({ id, width }) => widths.set[id] ?? width)
    .map((width) => (width === null ? `minmax(${FLEXIBLE}px, 1fr)` : `${width}px`))
    .join(" ");
}

/** What a row needs at least, in pixels. */
export function leastOf<Id extends string>(columns: readonly Column<Id>[], widths: Widths): number {
  return columns.reduce((sum, { id, width }) => sum + GAP + (widths.set[id] ?? width ?? FLEXIBLE), GAP);
}
