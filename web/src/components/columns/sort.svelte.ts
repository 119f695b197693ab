/** The column by which rows are sorted, and the direction. */
export class Sort<Id extends string> {
  by: Id;
  down: boolean;
  readonly #first: { by: Id; down: boolean };

  constructor(by: Id, down = false) {
    this.#first = { by, down };
    this.by = $state(by);
    this.down = $state(down);
  }

  /** Whether the order is the initial one. */
  get plain(): boolean {
    return this.by === this.#first.by && this.down === this.#first.down;
  }

  /** Sorts by a column, or reverses the order if it is already sorted by it. Numbers begin with the largest, which people look for. */
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

  /** Returns the `aria-sort` of a column. */
  aria(id: Id): "ascending" | "descending" | undefined {
    return this.by !== id ? undefined : this.down ? "descending" : "ascending";
  }
}

/** A value by which rows are sorted. */
export type Rank = string | number | bigint;

/** Returns rows in order. Equal rows keep their order. */
export function sorted<Row>(rows: readonly Row[], of: (row: Row) => Rank, down: boolean): Row[] {
  const sign = down ? -1 : 1;
  return rows
    .map((row) => ({ row, rank: of(row) }))
    .sort((a, b) => (a.rank < b.rank ? -sign : a.rank > b.rank ? sign : 0))
    .map(({ row }) => row);
}
