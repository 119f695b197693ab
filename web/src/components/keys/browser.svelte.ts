import type { Found, KeyRow, TreeRow } from "../../generated/etcdsnap_inspector.js";
import { perSession } from "../../per_session.ts";
import type { Session } from "../../session.svelte.ts";
import { Stopped, type Store } from "../../store.svelte.ts";
import type { Order, Show } from "../../worker/calls.ts";
import { Sort } from "../columns/sort.svelte.ts";
import { problemOf } from "./latest_request.svelte.ts";

/** Rows asked for with a new list, so that it is there at once: as many as a VirtualList asks for at a time. */
const FIRST = 100;
/** The line of a folder is looked for in so many lines above at first, then in more and more. */
const ABOVE = 100;
const MOST_ABOVE = 4000;

/** The share that the list has until somebody moves the divider. */
export const SHARE = 55;

/** What is on the screen: the flat list of a search, or the tree, whose total are its lines. What is wrong with a search is told beside what was found before. */
export interface Shown extends Found {
  /** Nothing was asked yet, the tree, or the list. */
  kind: "nothing" | "tree" | "list";
  /** Says for what it was asked, the revision included. */
  wish: string;
  /** Grows whenever rows change. */
  version: number;
}

/** The browser of a file's keys. */
export const browserOf = perSession((session) => new Browser(session));

/** What is looked for among the keys of a file, what was found, and the key in hand. */
export class Browser {
  readonly session: Session;
  /** What is looked for: words and conditions, as core reads them. */
  text = $state("");
  /** Which of the keys that are found are listed; null for all of a search, and for those that live where nothing is looked for. */
  only = $state<"live" | "deleted" | null>(null);
  /** Whether the search takes the focus as soon as it is on the screen. */
  enters = false;
  layout = $state<"tree" | "list">("tree");
  readonly sort = new Sort<Order["by"]>("key");

  shown = $state.raw<Shown>({ kind: "nothing", total: 0, live: 0, deleted: 0, words: [], problem: null, unsearched: 0n, lost: 0n, wish: "", version: 0 });
  /** The selected row of the list, and of the tree. */
  listCursor = $state(-1);
  treeCursor = $state(-1);
  problem = $state<string | null>(null);

  /** The key in hand, once it is found; null also when there is none of that name. */
  row = $state.raw<KeyRow | null>(null);
  /** The key that was looked for in vain. */
  missing = $state<string | null>(null);
  tab = $state<"value" | "history">("value");

  /** The revision that is being read; null while none is. */
  reading = $state.raw<bigint | null>(null);

  /** Part of the room that the list has beside the value, in hundredths. */
  share = $state(SHARE);

  #again = false;
  #work: Promise<void> | null = null;
  /** What is being asked for, and whether the whole file is read for it. */
  #asked: { wish: string; reads: boolean } | null = null;
  /** The first rows, as long as they are those of `shown`. */
  #first: { rows: KeyRow[] | null; lines: TreeRow[] | null } = { rows: null, lines: null };
  /** The version of the store that the tree is of, and its lines. */
  #tree = { version: -1, total: 0 };
  #rowVersion = -1;
  #next: bigint | null = null;

  constructor(session: Session) {
    this.session = session;
  }

  get store(): Store {
    return this.session.store;
  }

  /** Which keys the list has. */
  get show(): Show {
    return this.only ?? (this.text.trim() === "" ? "live" : "all");
  }

  /** Whether the whole file is read to answer. */
  get readsValues(): boolean {
    return /\bvalue\s*!?[~:]/.test(this.text);
  }

  /** Whether nothing is asked of the keys but to live, in their own order. */
  get plain(): boolean {
    return this.text.trim() === "" && this.only === null && this.sort.plain;
  }

  get flat(): boolean {
    return this.layout === "list" || !this.plain;
  }

  /** What is to be shown, in a form that can be compared. */
  get wish(): string {
    if (!this.flat) return `${this.store.version} tree`;
    return `${this.store.version} ${JSON.stringify([this.text, this.show, this.sort.by, this.sort.down])}`;
  }

  /** Asks for no more than that keys live. */
  clear(): void {
    this.sort.reset();
    this.text = "";
    this.only = null;
  }

  /** Shows what is wished. While an answer is on its way only the last of further wishes is kept; resolves when none is left. */
  refresh(): Promise<void> {
    this.#again = true;
    // Nobody waits any longer for what is read for another search.
    if (this.#asked?.reads === true && this.#asked.wish !== this.wish) this.store.stop("search");
    this.#work ??= this.#loop();
    return this.#work;
  }

  async #loop(): Promise<void> {
    // Never done before it is noted as begun.
    await null;
    while (this.#again) {
      this.#again = false;
      try {
        if (this.wish !== this.shown.wish) await this.#ask();
        this.problem = null;
      } catch (error) {
        this.problem = error instanceof Stopped && !this.#again ? "The search in the values was cancelled." : problemOf(error);
      }
    }
    this.#asked = null;
    this.#work = null;
  }

  async #ask(): Promise<void> {
    const { store, wish, text: line, show } = this;
    this.#asked = { wish, reads: this.readsValues };
    if (this.flat) {
      const order = { by: this.sort.by, down: this.sort.down };
      const [found, rows] = await Promise.all([store.call("search", { line, show, order }), store.call("rows", { from: 0, count: FIRST })]);
      if (found.problem !== null) {
        this.shown = { ...this.shown, total: this.shown.kind === "list" ? found.total : this.shown.total, wish, problem: found.problem };
        return;
      }
      this.#first = { rows, lines: null };
      this.listCursor = -1;
      this.#show("list", wish, found);
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
    this.#show("tree", wish, { total: this.#tree.total, live, deleted, words: [], problem: null, unsearched: 0n, lost: 0n });
    // What was found and opened is in sight in the tree, too.
    if (this.row !== null && this.#rowVersion === store.version) await this.#reveal(this.row);
  }

  #show(kind: "tree" | "list", wish: string, found: Found): void {
    this.shown = { ...found, kind, wish, version: this.shown.version + 1 };
  }

  readonly rows = async (from: number, count: number): Promise<KeyRow[]> => {
    if (from === 0 && count === FIRST && this.#first.rows !== null) return this.#first.rows;
    return this.#told(() => this.store.call("rows", { from, count }));
  };

  readonly lines = async (from: number, count: number): Promise<TreeRow[]> => {
    if (from === 0 && count === FIRST && this.#first.lines !== null) return this.#first.lines;
    return this.#told(() => this.store.call("lines", { from, count }));
  };

  /** Tells what went wrong; the lists themselves are silent about it. */
  async #told<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await question();
    } catch (error) {
      this.problem = problemOf(error);
      throw error;
    }
  }

  /** The tree has other lines now. */
  #grown(total: number): void {
    this.#tree.total = total;
    this.#first = { ...this.#first, lines: null };
    if (this.shown.kind === "tree") this.shown = { ...this.shown, total, version: this.shown.version + 1 };
  }

  /** Opens or closes the folder at a line. */
  async toggle(line: number): Promise<void> {
    try {
      this.#grown(await this.store.call("toggle", { line }));
    } catch (error) {
      this.problem = problemOf(error);
    }
  }

  /** Selects the key in hand in the tree, and opens the folders above it. */
  async #reveal({ id }: KeyRow): Promise<void> {
    const found = await this.store.call("reveal", { id });
    if (found === null) return;
    this.#grown(found.total);
    this.treeCursor = found.line;
  }

  /** The line of the folder that a line is in; null at the top. */
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

  /** Selects the first that was found, once it is found, and opens it when it is a key. */
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

  /** Takes a key in hand. */
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

  /** Finds the key in hand when only its name is known, or its place has changed. */
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

  /** Reads the keys at a revision. While one is read, only the last of further wishes is kept. */
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
