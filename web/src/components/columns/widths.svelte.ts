/** No column is narrower, or a person could not take hold of it again. */
export const LEAST = 32;
export const MOST = 2000;
/** What an arrow key adds. */
export const STEP = 16;

/** Widths of a table's columns in CSS pixels, once a person has moved one of them; until then the table lays itself out. */
export class Widths {
  set = $state.raw<Readonly<Record<string, number>>>({});
  /** What they were before any was moved. */
  #natural: Readonly<Record<string, number>> = {};

  /** Whether a person has moved any. */
  get moved(): boolean {
    return Object.keys(this.set).length > 0;
  }

  /** Of all columns. */
  get whole(): number {
    return Object.values(this.set).reduce((sum, width) => sum + width, 0);
  }

  /** Moves a column's end. All others keep the width that they have in `head` then: otherwise the end would not stay under the pointer. */
  move(id: string, width: number, head: Element): void {
    if (!this.moved) {
      const cells = [...head.querySelectorAll<HTMLElement>("[data-head]")];
      this.#natural = Object.fromEntries(cells.map((cell) => [cell.dataset["head"] ?? "", Math.round(cell.getBoundingClientRect().width)]));
    }
    this.set = { ...this.#natural, ...this.set, [id]: width };
  }

  /** Gives a column the width that it had. */
  reset(id: string): void {
    const natural = this.#natural[id];
    if (natural === undefined || !this.moved) return;
    const next = { ...this.set, [id]: natural };
    this.set = Object.entries(next).every(([name, width]) => this.#natural[name] === width) ? {} : next;
  }

  /** Lays out a table by them. */
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

/** The widths of a table, by its name: they stay as long as the page is open. */
export function widthsOf(table: string): Widths {
  let widths = tables.get(table);
  if (widths === undefined) {
    widths = new Widths();
    tables.set(table, widths);
  }
  return widths;
}
