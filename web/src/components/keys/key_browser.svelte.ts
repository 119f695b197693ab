import type { Found, KeyRow, TreeRow } from "../../generated/etcdsnap_inspector.js";
import { perSession } from "../../per_session.ts";
import type { Session } from "../../session.svelte.ts";
import { problemOf, CallStopped, type Store } from "../../store.svelte.ts";
import { KEY_COLUMNS } from "../../saving/key_columns.ts";
import { inPieces, type SavedList } from "../../saving/list_file.ts";
import type { Order, Show } from "../../worker/calls.ts";
import { Sort } from "../columns/sort.svelte.ts";

/** Rows loaded with a new list: as many as a VirtualList loads at a time. */
const FIRST = 100;
/** Lines searched at first for the folder above a line, and at most in one step. */
const ABOVE = 100;
const MOST_ABOVE = 4000;

/** The initial width of the list in percent. */
export const SHARE = 55;

/** What the screen shows: the list of a search, or the tree, whose `total` is its number of lines. If a search has an error, the old list stays. */
export interface Shown extends Found {
  /** "nothing" until the first answer. */
  kind: "nothing" | "tree" | "list";
  /** The query that this answers, including the revision. */
  query: string;
  /** Increases whenever rows change. */
  version: number;
}

/** Returns the key browser of a file. */
export const keyBrowserOf = perSession((session) => new KeyBrowserState(session));

/** The state of the keys view: the search, its result, and the selected key. */
export class KeyBrowserState {
  readonly session: Session;
  /** The search: words and conditions in core's syntax. */
  text = $state("");
  /** Lists only live or only deleted keys; null for all found keys, or for live keys without a search. */
  only = $state<"live" | "deleted" | null>(null);
  /** Whether the search field takes the focus when it appears. */
  focusSearch = false;
  layout = $state<"tree" | "list">("tree");
  readonly sort = new Sort<Order["by"]>("key");

  shown = $state.raw<Shown>({ kind: "nothing", total: 0, live: 0, deleted: 0, words: [], problem: null, unsearched: 0n, lost: 0n, query: "", version: 0 });
  /** The selected rows of the list and of the tree. */
  listCursor = $state(-1);
  treeCursor = $state(-1);
  problem = $state<string | null>(null);

  /** The selected key, once it is found; null if the file does not contain it. */
  row = $state.raw<KeyRow | null>(null);
  /** The selected key, if the file does not contain it. */
  missing = $state<string | null>(null);
  tab = $state<"value" | "history">("value");

  /** The revision that is being read; otherwise null. */
  reading = $state.raw<bigint | null>(null);

  /** The width of the list in percent, beside the value. */
  share = $state(SHARE);

  #again = false;
  #work: Promise<void> | null = null;
  /** The pending query, and whether it reads the whole file. */
  #asked: { query: string; reads: boolean } | null = null;
  /** The first rows of `shown`. */
  #first: { rows: KeyRow[] | null; lines: TreeRow[] | null } = { rows: null, lines: null };
  /** The store's version for which the tree was loaded, and its number of lines. */
  #tree = { version: -1, total: 0 };
  #rowVersion = -1;
  #next: bigint | null = null;

  constructor(session: Session) {
    this.session = session;
  }

  get store(): Store {
    return this.session.store;
  }

  /** Which keys are listed. */
  get show(): Show {
    return this.only ?? (this.text.trim() === "" ? "live" : "all");
  }

  /** Whether the search reads the whole file. */
  get readsValues(): boolean {
    return /\bvalue\s*!?[~:]/.test(this.text);
  }

  /** Whether there is no search, filter or order. */
  get plain(): boolean {
    return this.text.trim() === "" && this.only === null && this.sort.plain;
  }

  get flat(): boolean {
    return this.layout === "list" || !this.plain;
  }

  /** The current query, as a text that can be compared. */
  get query(): string {
    if (!this.flat) return `${this.store.version} tree`;
    return `${this.store.version} ${JSON.stringify([this.text, this.show, this.sort.by, this.sort.down])}`;
  }

  /** Clears search, filter and order. */
  clear(): void {
    this.sort.reset();
    this.text = "";
    this.only = null;
  }

  /** Loads the result of the current query. While an answer is pending, only the newest further query is kept. Resolves once none is left. */
  refresh(): Promise<void> {
    this.#again = true;
    // The result of an older search is no longer needed.
    if (this.#asked?.reads === true && this.#asked.query !== this.query) this.store.stop("search");
    this.#work ??= this.#loop();
    return this.#work;
  }

  async #loop(): Promise<void> {
    // Gives `refresh` time to store the promise.
    await null;
    while (this.#again) {
      this.#again = false;
      try {
        if (this.query !== this.shown.query) await this.#ask();
        this.problem = null;
      } catch (error) {
        this.problem = error instanceof CallStopped && !this.#again ? "The search of the values was cancelled." : problemOf(error);
      }
    }
    this.#asked = null;
    this.#work = null;
  }

  async #ask(): Promise<void> {
    const { store, query, text: line, show } = this;
    this.#asked = { query, reads: this.readsValues };
    if (this.flat) {
      const order = { by: this.sort.by, down: this.sort.down };
      const [found, rows] = await Promise.all([store.call("search", { line, show, order }), store.call("rows", { from: 0, count: FIRST })]);
      if (found.problem !== null) {
        this.shown = { ...this.shown, total: this.shown.kind === "list" ? found.total : this.shown.total, query, problem: found.problem };
        return;
      }
      this.#first = { rows, lines: null };
      this.listCursor = -1;
      this.#show("list", query, found);
      return;
    }
    if (this.#tree.version !== store.version) {
      const version = store.version;
      const [total, lines] = await Promise.all([store.call("tree", {}), store.call("lines", { from: 0, count: FIRST })]);
      this.#tree = { version, total };
      this.#first = { rows: null, lines };
      this.treeCursor = -1;
    }
    const { live, deleted } = store.facts ?? { live: 0, deleted: 0 };
    this.#show("tree", query, { total: this.#tree.total, live, deleted, words: [], problem: null, unsearched: 0n, lost: 0n });
    // Shows the selected key in the tree, too.
    if (this.row !== null && this.#rowVersion === store.version) await this.#reveal(this.row);
  }

  #show(kind: "tree" | "list", query: string, found: Found): void {
    this.shown = { ...found, kind, query, version: this.shown.version + 1 };
  }

  readonly rows = async (from: number, count: number): Promise<KeyRow[]> => {
    if (from === 0 && count === FIRST && this.#first.rows !== null) return this.#first.rows;
    return this.#recordProblem(() => this.store.call("rows", { from, count }));
  };

  readonly lines = async (from: number, count: number): Promise<TreeRow[]> => {
    if (from === 0 && count === FIRST && this.#first.lines !== null) return this.#first.lines;
    return this.#recordProblem(() => this.store.call("lines", { from, count }));
  };

  /** Returns the listed keys as a list to save; for the tree, all live keys. */
  saved(): SavedList<KeyRow> {
    const { store, shown } = this;
    const isTree = shown.kind === "tree";
    return {
      what: "keys",
      columns: KEY_COLUMNS,
      total: isTree ? shown.live : shown.total,
      rows: async function* () {
        if (isTree) await store.call("search", { line: "", show: "live", order: { by: "key", down: false } });
        yield* inPieces((from, count) => store.call("rows", { from, count }));
      },
    };
  }

  /** Records errors as `problem`, because the lists do not show them. */
  async #recordProblem<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await question();
    } catch (error) {
      this.problem = problemOf(error);
      throw error;
    }
  }

  /** Updates the number of lines of the tree. */
  #setLineCount(total: number): void {
    this.#tree.total = total;
    this.#first = { ...this.#first, lines: null };
    if (this.shown.kind === "tree") this.shown = { ...this.shown, total, version: this.shown.version + 1 };
  }

  /** Opens or closes the folder at a line. */
  async toggle(line: number): Promise<void> {
    try {
      this.#setLineCount(await this.store.call("toggle", { line }));
    } catch (error) {
      this.problem = problemOf(error);
    }
  }

  /** Selects a key in the tree and opens the folders above it. */
  async #reveal({ id }: KeyRow): Promise<void> {
    const found = await this.store.call("reveal", { id });
    if (found === null) return;
    this.#setLineCount(found.total);
    this.treeCursor = found.line;
  }

  /** Returns the line of the folder that contains a line; null at the top. */
  async parent(line: number, depth: number): Promise<number | null> {
    let to = line;
    let count = ABOVE;
    while (depth > 0 && to > 0) {
      const from = Math.max(0, to - count);
      const lines = await this.store.call("lines", { from, count: to - from });
      const at = lines.findLastIndex((row) => row.depth < depth);
      if (at >= 0) return from + at;
      to = from;
      count = Math.min(count * 2, MOST_ABOVE);
    }
    return null;
  }

  /** Selects the first result once it is loaded, and opens it if `open`. */
  async first(open: boolean): Promise<void> {
    await this.refresh();
    if (this.shown.kind !== "list" || this.shown.total === 0) {
      this.treeCursor = Math.max(0, this.treeCursor);
      return;
    }
    this.listCursor = 0;
    const [row] = open ? await this.rows(0, FIRST).catch(() => []) : [];
    if (row !== undefined) this.open(row);
  }

  /** Selects a key. */
  open(row: KeyRow): void {
    this.row = row;
    this.#rowVersion = this.store.version;
    this.missing = null;
    this.session.key = row.key;
  }

  close(): void {
    this.session.key = null;
    this.row = null;
    this.missing = null;
  }

  /** Finds the selected key if only its name is known, or if its id has changed. */
  async find(): Promise<void> {
    const { key } = this.session;
    const { version } = this.store;
    if (key === null) {
      this.row = null;
      this.missing = null;
      return;
    }
    if (this.row?.key === key && this.#rowVersion === version) return;
    try {
      await this.refresh();
      const row = await this.store.call("find", { key });
      if (this.session.key !== key || this.store.version !== version) return;
      this.row = row;
      this.#rowVersion = version;
      this.missing = row === null ? key : null;
      if (row !== null && this.shown.kind === "tree") await this.#reveal(row);
    } catch (error) {
      this.problem = problemOf(error);
    }
  }

  /** Reads the keys at a revision. Meanwhile, only the newest further request is kept. */
  async at(revision: bigint): Promise<void> {
    this.#next = revision;
    if (this.reading !== null) return;
    try {
      while (this.#next !== null) {
        const next: bigint = this.#next;
        this.#next = null;
        if (next === this.store.facts?.revision) continue;
        this.reading = next;
        await this.store.at(next);
      }
      this.problem = null;
    } catch (error) {
      this.#next = null;
      this.problem = problemOf(error);
    } finally {
      this.reading = null;
    }
  }
}
