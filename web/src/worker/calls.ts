import type { About, ChangeGroupRow, ChangeKind, ChangeList, ChangeNoise, ChangeRow, Cluster, Differences, EncryptionState, Found, KeyEvents, KeyRow, ManifestAnswer, MapPart, MessageField, ObjectChanges, ObjectKinds, ObjectList, ObjectRow, ObjectText, PagePlace, PageView, RelatedObjects, RevisionTime, StoreFacts, TreeRow, UsageAnswer } from "../generated/etcdsnap_inspector.js";

/** Which of the found keys are listed. */
export type Show = "all" | "live" | "deleted";

/** The order of the list. Keys that are equal in it are sorted by their bytes. */
export interface Order {
  by: "key" | "size" | "revision" | "created" | "version" | "lease";
  down: boolean;
}

/** Which changed keys are listed, and in which order. */
export interface Differing {
  kinds: ChangeKind[];
  /** A search for keys; a condition on values is refused. */
  text: string;
  /** Whether noise is listed. */
  noise: boolean;
  /** Whether changes are grouped by type and namespace. */
  grouped: boolean;
  /** `revision` and `size` are those of the later side, if the key exists there. */
  by: "key" | "kind" | "revision" | "size" | "growth";
  down: boolean;
  /** Whether the other side is shown as the earlier one. */
  turned: boolean;
}

/** A line of the list of changes: the heading of a group, or a change. */
export type ChangeLine = ChangeRow | ChangeGroupRow;

/** Selects Kubernetes objects. */
export interface ObjectScope {
  /** The id of the type; null for all types. */
  kind: string | null;
  /** The namespace; null for all, including cluster-scoped objects. */
  namespace: string | null;
  /** Part of `namespace/name`; case is ignored. */
  text: string;
  show: "live" | "deleted" | "all";
}

/** Columns and order of a list of objects. */
export interface ObjectOrder {
  /** Whether the list has the columns of `kubectl -o wide`. */
  wide: boolean;
  /** The index of the column to sort by; null for the order of the keys. */
  column: number | null;
  down: boolean;
}

/** Which parts of an object are shown. */
export interface ObjectShowing {
  secrets: boolean;
  managedFields: boolean;
}

/** Which objects to write as manifests, and how. */
export interface ManifestAsk {
  /** Ids of objects, which are written even if a controller would create them; null for the objects of `scope`. */
  ids: number[] | null;
  scope: ObjectScope;
  secrets: boolean;
  /** Whether to include objects that a controller creates. */
  owned: boolean;
  /** Whether a scope of all namespaces includes cluster-scoped objects. */
  clusterWide: boolean;
  /** Whether to write a zip archive instead of one text. */
  zip: boolean;
  /** The file name of the snapshot. */
  file: string;
}

/** The calls of an open store, each with its arguments and its answer. Ids are those of `KeyRow`. */
export interface Calls {
  /** Reads the keys as of another revision. All ids change, and the list and the tree are reset. */
  at: [{ revision: bigint }, StoreFacts];
  /** Lists the keys that match words and conditions. A condition on values reads the whole file. */
  search: [{ line: string; show: Show; order: Order }, Found];
  /** Returns rows of the list. */
  rows: [{ from: number; count: number }, KeyRow[]];
  /** Resets the tree of live keys, with only its root open; returns the number of its lines. */
  tree: [Record<never, never>, number];
  /** Returns lines of the tree. */
  lines: [{ from: number; count: number }, TreeRow[]];
  /** Opens or closes the folder at a line; returns the new number of lines. */
  toggle: [{ line: number }, number];
  /** Opens the folders above a key; returns its line, or null if the tree does not contain the key. */
  reveal: [{ id: number }, { line: number; total: number } | null];
  /** Returns the key with a name in its displayed form. */
  find: [{ key: string }, KeyRow | null];
  /** Returns the value of a key at the current revision. */
  value: [{ id: number }, Uint8Array<ArrayBuffer>];
  /** Returns the stored events of a key, oldest first, including those after the current revision. */
  history: [{ id: number }, KeyEvents];
  /** Returns the value that an event wrote. */
  valueAt: [{ page: bigint; index: number }, Uint8Array<ArrayBuffer>];
  /** Decodes a protobuf message without its schema; null if the bytes are not a message. */
  message: [{ bytes: Uint8Array }, MessageField[] | null];
  /** Describes the store: when it was taken, whether it is from Kubernetes, and its largest kinds. */
  about: [Record<never, never>, About];
  /** Returns the space used below a prefix, which has its displayed form; "" for all keys. */
  usage: [{ prefix: string }, UsageAnswer];
  /** Compares this file, as the earlier side, with another file, or with another revision of itself. Revision 0 is the latest. */
  compare: [{ other: File | null; revision: bigint }, Differences];
  /** Compares the values of the next changed objects, to find out which changes are noise. Repeat until none is left. */
  compareValues: [Record<never, never>, ChangeNoise];
  /** Lists changes. */
  changeList: [{ differing: Differing }, ChangeList];
  /** Opens or closes the group whose heading is at a line; returns the new number of lines. */
  toggleChanges: [{ line: number }, number];
  /** Returns lines of the list of changes; with `all`, as if every group were open. */
  changes: [{ from: number; count: number; all: boolean }, ChangeLine[]];
  /** Returns both values of a changed key; null on a side without the key. */
  sides: [{ key: string }, { before: Uint8Array<ArrayBuffer> | null; after: Uint8Array<ArrayBuffer> | null }];
  cluster: [Record<never, never>, Cluster];
  page: [{ page: bigint }, PageView];
  /** Finds the bucket to which a page belongs, and the page that points to it. */
  pagePlace: [{ page: bigint }, PagePlace];
  /** Finds the part of the database to which each page belongs: for each page the index of its part. */
  pageMap: [Record<never, never>, { parts: MapPart[]; pages: Uint8Array<ArrayBuffer> }];
  /** Returns the raw bytes of a page including its overflow, at most 64 KiB. */
  pageBytes: [{ page: bigint }, Uint8Array<ArrayBuffer>];
  /** Counts Kubernetes objects: the kinds in a namespace, and the namespaces that contain a kind. */
  objectKinds: [{ kind: string | null; namespace: string | null }, ObjectKinds];
  /** Lists objects. Deleted objects need their last states, for which the whole file is read once. */
  objectList: [{ scope: ObjectScope; order: ObjectOrder }, ObjectList];
  /** Returns rows of the list of objects. */
  objectRows: [{ from: number; count: number }, ObjectRow[]];
  /** Returns the object in a value that a key had at a revision; null if the value is not an object. */
  objectText: [{ key: string; bytes: Uint8Array; revision: bigint; showing: ObjectShowing }, ObjectText | null];
  /** Returns a decrypted value; null if the value is not encrypted or cannot be decrypted. */
  openedValue: [{ key: string; bytes: Uint8Array }, Uint8Array<ArrayBuffer> | null];
  /** Returns the fields that differ between two values of a key. */
  objectChanges: [{ key: string; old: Uint8Array; new: Uint8Array; showing: ObjectShowing }, ObjectChanges];
  /** Returns the dependents and Events of an object, found by its uid. */
  related: [{ uid: string }, RelatedObjects];
  /** Returns the approximate time of each revision; null if unknown. */
  times: [{ revisions: bigint[] }, (RevisionTime | null)[]];
  /** Tries an EncryptionConfiguration on all values; null removes it. Its keys stay in the worker. */
  decrypt: [{ configuration: File | string | null }, EncryptionState];
  /** Writes objects as manifests. */
  manifests: [ManifestAsk, { blob: Blob; answer: ManifestAnswer }];
  hashkv: [{ revision: bigint }, { hash: number; revision: bigint; compactRevision: bigint }];
}

export type CallName = keyof Calls;
export type Ask<K extends CallName> = Calls[K][0];
export type Answer<K extends CallName> = Calls[K][1];

/** The message that carries a call to the worker. */
export interface Call {
  number: number;
  name: CallName;
  ask: unknown;
}

/** The message that stops a call: its answer is no longer needed. */
export interface Stop {
  stop: number;
}

/** Messages from the worker of a store: `opened` once, then an answer to each call, or `broke` if a call stopped the worker. */
export type StoreMessage =
  | { kind: "progress"; done: number; total: number }
  | { kind: "opened"; facts: StoreFacts }
  | { kind: "answer"; number: number; answer: unknown }
  | { kind: "refused"; number: number; message: string }
  | { kind: "broke"; number: number; reason: string };
