import type { ObjectKinds, ObjectList, ObjectRow } from "../../generated/etcdsnap_inspector.js";
import { iso } from "../../moments.ts";
import { perSession } from "../../per_session.ts";
import type { Session } from "../../session.svelte.ts";
import { problemOf, type Store } from "../../store.svelte.ts";
import { inPieces, type SavedList } from "../../saving/list_file.ts";
import type { ObjectOrder, ObjectScope } from "../../worker/calls.ts";
import { Sort } from "../columns/sort.svelte.ts";

/** Rows loaded with a new list: as many as a VirtualList loads at a time. */
const FIRST = 100;

/** Returns the object browser of a file. */
export const objectBrowserOf = perSession((session) => new ObjectBrowserState(session));

/** The list of objects on the screen. */
export interface ShownObjects {
  list: ObjectList;
  /** The scope of the list. */
  scope: ObjectScope;
  /** The query that the list answers, including the revision. */
  query: string;
  version: number;
}

const NOTHING: ShownObjects = {
  list: { total: 0, titles: [], sortable: false, now: null },
  scope: { kind: null, namespace: null, text: "", show: "live" },
  query: "",
  version: 0,
};

/** The state of the objects view: filters, order, and the list. */
export class ObjectBrowserState {
  readonly session: Session;
  text = $state("");
  show = $state<ObjectScope["show"]>("live");
  wide = $state(false);
  /** Sorted by the index of a column; "" for the order of the keys. */
  readonly sort = new Sort<string>("");

  kinds = $state.raw<ObjectKinds | null>(null);
  shown = $state.raw<ShownObjects>(NOTHING);
  cursor = $state(-1);
  /** Ids of the selected objects. */
  selectedIds = $state.raw<ReadonlySet<number>>(new Set());
  problem = $state<string | null>(null);

  #again = false;
  #work: Promise<void> | null = null;
  #first: ObjectRow[] | null = null;
  #kindsOf = "";

  constructor(session: Session) {
    this.session = session;
  }

  get store(): Store {
    return this.session.store;
  }

  get scope(): ObjectScope {
    const { kind, namespace } = this.session;
    return { kind, namespace, text: this.text, show: this.show };
  }

  get order(): ObjectOrder {
    return { wide: this.wide, column: this.sort.by === "" ? null : Number(this.sort.by), down: this.sort.down };
  }

  /** The query for the list, as a text that can be compared. */
  get query(): string {
    return JSON.stringify([this.store.version, this.store.decryptVersion, this.scope, this.order]);
  }

  /** Loads the list for the current query. While an answer is pending, only the newest further query is kept. */
  refresh(): Promise<void> {
    this.#again = true;
    this.#work ??= this.#loop();
    return this.#work;
  }

  async #loop(): Promise<void> {
    await null;
    while (this.#again) {
      this.#again = false;
      try {
        if (this.query !== this.shown.query) await this.#ask();
        this.problem = null;
      } catch (error) {
        this.problem = problemOf(error);
      }
    }
    this.#work = null;
  }

  async #ask(): Promise<void> {
    const { store, query, scope, order } = this;
    const kindsOf = JSON.stringify([store.version, store.decryptVersion, scope.kind, scope.namespace]);
    if (kindsOf !== this.#kindsOf) {
      this.kinds = await store.call("objectKinds", { kind: scope.kind, namespace: scope.namespace });
      this.#kindsOf = kindsOf;
    }
    const [list, rows] = await Promise.all([store.call("objectList", { scope, order }), store.call("objectRows", { from: 0, count: FIRST })]);
    this.#first = rows;
    this.cursor = -1;
    this.selectedIds = new Set();
    this.shown = { list, scope, query, version: this.shown.version + 1 };
  }

  readonly rows = async (from: number, count: number): Promise<ObjectRow[]> => {
    if (from === 0 && count === FIRST && this.#first !== null) return this.#first;
    try {
      return await this.store.call("objectRows", { from, count });
    } catch (error) {
      this.problem = problemOf(error);
      throw error;
    }
  };

  /** Returns the list as it is on the screen, to save it. */
  saved(): SavedList<ObjectRow> {
    const { store, shown } = this;
    const { titles, total } = shown.list;
    // kubectl's first columns are those of the object's place.
    const cells = titles.map((title, at) => ({ title, at })).filter(({ title }) => !["TYPE", "NAMESPACE", "NAME"].includes(title));
    return {
      what: [shown.scope.namespace, shown.scope.kind ?? "objects"].filter((part) => part !== null).join("."),
      total,
      columns: [
        { name: "type", of: ({ type }) => type },
        { name: "namespace", of: ({ namespace }) => namespace || null },
        { name: "name", of: ({ name }) => name },
        ...cells.map(({ title, at }) => ({ name: camelCase(title), of: ({ cells }: ObjectRow) => cells[at] })),
        { name: "modRevision", of: ({ revision }) => revision },
        { name: "deleted", of: ({ deleted }) => deleted },
        { name: "written", of: ({ seconds }) => (seconds === null ? null : iso(seconds)) },
        { name: "problem", of: ({ problem }) => problem },
        { name: "key", of: ({ key }) => key, key: true },
      ],
      rows: () => inPieces((from, count) => store.call("objectRows", { from, count })),
    };
  }

  /** Selects the first object of the list once it is loaded, and opens it if `open`. */
  async first(open: boolean): Promise<void> {
    await this.refresh();
    if (this.shown.list.total === 0) return;
    this.cursor = 0;
    const [first] = open ? await this.rows(0, FIRST).catch(() => []) : [];
    if (first !== undefined) this.session.key = first.key;
  }

  /** Chooses a kind; null for all. Each kind has its own columns, so the order is reset. */
  choose(kind: string | null): void {
    this.session.kind = kind;
    this.sort.reset();
  }

  toggleSelected(id: number): void {
    const next = new Set(this.selectedIds);
    if (!next.delete(id)) next.add(id);
    this.selectedIds = next;
  }
}

/** Returns the title of a column as a name in JSON: `UP-TO-DATE` becomes `upToDate`. */
function camelCase(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, " ")
    .trim()
    .replace(/ ([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
