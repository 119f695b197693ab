/** The minimum width of a column, so that its edge can still be dragged. */
export const LEAST = 32;
export const MOST = 2000;
/** The step of an arrow key. */
export const STEP = 16;

/** The widths of a table's columns in CSS pixels. Until the user resizes one, the browser lays out the table. */
export class Widths {
  set = $state.raw<Readonly<Record<string, number>>>({});
  /** The widths before the first change. */
  #natural: Readonly<Record<string, number>> = {};

  /** Whether the user has resized a column. */
  get moved(): boolean {
    return Object.keys(this.set).length > 0;
  }

  /** The width of all columns together. */
  get whole(): number {
    return Object.values(this.set).reduce((sum, width) => sum + width, 0);
  }

  /** Resizes a column. All others keep their current width in `head`, so that the edge stays under the pointer. */
  move(id: string, width: number, head: Element): void {
    if (!this.moved) {
      const cells = [...head.querySelectorAll<HTMLElement>("[data-head]")];
      this.#natural = Object.fromEntries(cells.map((cell) => [cell.dataset["head"] ?? "", Math.round(cell.getBoundingClientRect().width)]));
    }
    this.set = { ...this.#natural, ...this.set, [id]: width };
  }

  /** Restores the original width of a column. */
  reset(id: string): void {
    const natural = this.#natural[id];
    if (natural === undefined || !this.moved) return;
    const next = { ...this.set, [id]: natural };
    this.set = Object.entries(next).every(([name, width]) => this.#natural[name] === width) ? {} : next;
  }

  /** Applies the widths to a table. */
  readonly table = (table: HTMLTableElement): void => {
    const { set, moved, whole } = this;
    table.toggleAttribute("data-widths", moved);
    table.style.width = moved ? `${whole}px` : "";
    for (const cell of table.querySelectorAll<HTMLElement>("[data-head]")) {
      const width = set[cell.dataset["head"] ?? ""];
      cell.style.width = width === undefined ? "" : `${width}px`;
    }
  };
}

const tables = new Map<string, Widths>();

/** Returns the widths of the table with a name. They last until the page is closed. */
export function widthsOf(table: string): Widths {
  let widths = tables.get(table);
  if (widths === undefined) {
    widths = new Widths();
    tables.set(table, widths);
  }
  return widths;
}
