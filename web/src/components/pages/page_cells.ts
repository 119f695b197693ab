import type { MapPart } from "../../generated/etcdsnap_inspector.js";

/** The answer of the call `pageMap`. */
export interface PageMap {
  parts: MapPart[];
  pages: Uint8Array;
}

/** A cell of the map: one or more pages. */
export interface Cell {
  from: number;
  to: number;
  /** The index of the part to which most of its pages belong. */
  part: number;
  /** The first damaged page in it; null if there is none. */
  damaged: number | null;
}

/** Divides all pages into at most `most` cells with the same number of pages. */
export function cellsOf({ parts, pages }: PageMap, damaged: ReadonlySet<number>, most: number): Cell[] {
  const each = Math.max(1, Math.ceil(pages.length / Math.max(1, most)));
  const cells: Cell[] = [];
  for (let from = 0; from < pages.length; from += each) {
    const to = Math.min(pages.length, from + each);
    const counts = new Uint32Array(parts.length);
    let [part, first]: [number, number | null] = [pages[from] ?? 0, null];
    for (let page = from; page < to; page += 1) {
      const own = pages[page] ?? 0;
      counts[own] = (counts[own] ?? 0) + 1;
      if ((counts[own] ?? 0) > (counts[part] ?? 0)) part = own;
      if (first === null && damaged.has(page)) first = page;
    }
    cells.push({ from, to, part, damaged: first });
  }
  return cells;
}
