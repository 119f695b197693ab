/** By which column rows are sorted, and which way. */
export class Sort<Id extends string> {
  by: Id;
  down: boolean;
  readonly #first: { by: Id; down: boolean };

  constructor(by: Id, down = false) {
    this.#first = { by, down };
    this.by = $state(by);
    this.down = $state(down);
  }

  /** Whether nobody asked for another order. */
  get plain(): boolean {
    return this.by === this.#first.by && this.down === this.#first.down;
  }

  /** Sorts by a column; by the same one the other way round. Of numbers the largest come first, because they are what is looked for. */
  press(by: Id, number: boolean): void {
    if (this.by === by) this.down = !this.down;
    else {
      this.by = by;
      this.down = number;
    }
  }

  reset(): void {
    this.by = this.#first.by;
    this.down = this.#first.down;
  }

  /** What `aria-sort` says of a column. */
  aria(id: Id): "ascending" | "descending" | undefined {
    return this.by !== id ? undefined : this.down ? "descending" : "ascending";
  }
}

/** What a row is sorted by. */
export type Rank = string | number | bigint;

/** Rows in order; those that are alike stay as they were. */
export function sorted<Row>(rows: readonly Row[], of: (row: Row) => Rank, down: boolean): Row[] {
  const sign = down ? -1 : 1;
  return rows
    .map((row) => ({ row, rank: of(row) }))
    .sort((a, b) => (a.rank < b.rank ? -sign : a.rank > b.rank ? sign : 0))
    .map(({ row }) => row);
}
