import type { About, ChangeKind, ChangeRow, Cluster, Differences, EncryptionState, Found, KeyPast, KeyRow, ManifestAnswer, MessageField, ObjectChanges, ObjectKinds, ObjectList, ObjectRow, ObjectText, PageView, RelatedObjects, RevisionTime, StoreFacts, TreeRow, UsageAnswer } from "../generated/etcdsnap_inspector.js";

/** Which of the keys that a search finds stand in the list. */
export type Show = "all" | "live" | "deleted";

/** In which order. Keys that are alike in it stand in the order of their bytes. */
export interface Order {
  by: "key" | "size" | "revision" | "created" | "version" | "lease";
  down: boolean;
}

/** Which keys that differ are shown, and in which order. */
export interface Differing {
  kinds: ChangeKind[];
  /** `revision` and `size` are those of the later side, where there is one. */
  by: "key" | "kind" | "revision" | "size" | "growth";
  down: boolean;
  /** The other side is shown as the earlier one. */
  turned: boolean;
}

/** Which objects of Kubernetes. */
export interface ObjectScope {
  /** The type, by its id; null for all. */
  kind: string | null;
  /** Null for all, and for objects that are in none. */
  namespace: string | null;
  /** Part of `namespace/name`, in any case. */
  text: string;
  show: "live" | "deleted" | "all";
}

/** How a list of objects is shown. */
export interface ObjectOrder {
  /** The columns of `kubectl -o wide`, too. */
  wide: boolean;
  /** The number of a column; null for the order of the keys. */
  column: number | null;
  down: boolean;
}

/** What of an object is shown. */
export interface ObjectShowing {
  secrets: boolean;
  managedFields: boolean;
}

/** Which manifests are wanted. */
export interface ManifestAsk {
  /** Objects by their ids, which are written whoever makes them; null for those of the scope. */
  ids: number[] | null;
  scope: ObjectScope;
  secrets: boolean;
  /** Objects that a controller makes, too. */
  owned: boolean;
  /** Of all namespaces, objects that are in none, too. */
  clusterWide: boolean;
  /** An archive instead of one text. */
  zip: boolean;
  /** The name of the snapshot. */
  file: string;
}

/** What can be asked of an open store: each call with what it takes and what it answers. Ids are those of `KeyRow`. */
export interface Calls {
  /** Reads the keys anew at another revision. All ids change, and the list and the tree begin anew. */
  at: [{ revision: bigint }, StoreFacts];
  /** Makes what a line of words and conditions finds the list. One that is about values reads the whole file. */
  search: [{ line: string; show: Show; order: Order }, Found];
  /** Part of the list. */
  rows: [{ from: number; count: number }, KeyRow[]];
  /** Begins the tree of the live keys anew, its root open; answers how many lines it has. */
  tree: [Record<never, never>, number];
  /** Part of the tree. */
  lines: [{ from: number; count: number }, TreeRow[]];
  /** Opens or closes the folder at a line; answers how many lines the tree has now. */
  toggle: [{ line: number }, number];
  /** Opens the folders above a key; answers its line, or null when the tree has no such key. */
  reveal: [{ id: number }, { line: number; total: number } | null];
  /** The key of that name, typed as it is shown. */
  find: [{ key: string }, KeyRow | null];
  /** Its value at the revision. */
  value: [{ id: number }, Uint8Array<ArrayBuffer>];
  /** All that is kept of its past, oldest first, later than the revision too. */
  history: [{ id: number }, KeyPast];
  /** The value of one event. */
  valueAt: [{ page: bigint; index: number }, Uint8Array<ArrayBuffer>];
  /** A protobuf message without its schema; null when the bytes are none. */
  message: [{ bytes: Uint8Array }, MessageField[] | null];
  /** What the store is: of when, of Kubernetes or not, what it holds most of. */
  about: [Record<never, never>, About];
  /** Who takes the room below a prefix, as the terminal types it; "" for all. */
  usage: [{ prefix: string }, UsageAnswer];
  /** Compares with another file (or, without one, with another revision of this): this is the earlier side. 0 is the latest. */
  compare: [{ other: File | null; revision: bigint }, Differences];
  /** Part of the differences. */
  changes: [{ from: number; count: number; differing: Differing }, ChangeRow[]];
  /** Both values of a key that differs; null where there is none. */
  sides: [{ key: string }, { before: Uint8Array<ArrayBuffer> | null; after: Uint8Array<ArrayBuffer> | null }];
  cluster: [Record<never, never>, Cluster];
  page: [{ page: bigint }, PageView];
  /** The raw bytes of a page, its overflow included, at most 64 KiB. */
  pageBytes: [{ page: bigint }, Uint8Array<ArrayBuffer>];
  /** What objects of Kubernetes there are: kinds in a namespace, and namespaces with objects of a kind. */
  objectKinds: [{ kind: string | null; namespace: string | null }, ObjectKinds];
  /** Makes this the list of objects. Deleted ones are looked for with their last states, for which the whole file is read once. */
  objectList: [{ scope: ObjectScope; order: ObjectOrder }, ObjectList];
  /** Part of it. */
  objectRows: [{ from: number; count: number }, ObjectRow[]];
  /** The object in a value that stood under a key at a revision; null where it is none. */
  objectText: [{ key: string; bytes: Uint8Array; revision: bigint; showing: ObjectShowing }, ObjectText | null];
  /** An encrypted value, as far as it can be opened. */
  openedValue: [{ key: string; bytes: Uint8Array }, Uint8Array<ArrayBuffer> | null];
  /** The fields that differ between two values under a key. */
  objectChanges: [{ key: string; old: Uint8Array; new: Uint8Array; showing: ObjectShowing }, ObjectChanges];
  /** What belongs to an object, by its uid. */
  related: [{ uid: string }, RelatedObjects];
  /** About when each of some revisions was written; null where nothing tells it. */
  times: [{ revisions: bigint[] }, (RevisionTime | null)[]];
  /** Takes an EncryptionConfiguration, whose keys stay in the worker, and tries it on all values; null takes it back. */
  decrypt: [{ configuration: File | string | null }, EncryptionState];
  /** Objects as manifests. */
  manifests: [ManifestAsk, { blob: Blob; answer: ManifestAnswer }];
  hashkv: [{ revision: bigint }, { hash: number; revision: bigint; compactRevision: bigint }];
}

export type CallName = keyof Calls;
export type Ask<K extends CallName> = Calls[K][0];
export type Answer<K extends CallName> = Calls[K][1];

/** One call on its way to the worker. */
export interface Call {
  number: number;
  name: CallName;
  ask: unknown;
}

/** Says that the answer to a call is not waited for any longer. */
export interface Stop {
  stop: number;
}

/** What the worker of an open store tells: `opened` once, then an answer for each call, until it `broke` in the midst of one. */
export type StoreMessage =
  | { kind: "progress"; done: number; total: number }
  | { kind: "opened"; facts: StoreFacts }
  | { kind: "answer"; number: number; answer: unknown }
  | { kind: "refused"; number: number; message: string }
  | { kind: "broke"; number: number; reason: string };
