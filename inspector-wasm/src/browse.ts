// Types of what the store inside a snapshot answers. Keys are text: as they are, or in quotes with escapes, as the terminal prints them.

/** An open store, at the revision its keys were read at. */
export interface StoreFacts {
  /** The revision the keys are of. */
  revision: bigint;
  /** The latest that can be asked for. */
  latest: bigint;
  /** The oldest that can be asked for. */
  oldest: bigint;
  /** Keys that live there. */
  live: number;
  /** Keys that are deleted there and still have entries. */
  deleted: number;
  /** Places that could not be read: answers may lack something. */
  lost: bigint;
  /** The first of them. */
  firstLost: Finding | null;
  /** Bytes of the database. */
  databaseBytes: bigint;
  /** Whether there are objects of Kubernetes. */
  hasObjects: boolean;
}

/** A key at the revision. `id` is its place in the order of all keys, deleted ones counted. */
export interface KeyRow {
  id: number;
  key: string;
  revision: bigint;
  deleted: boolean;
  createRevision: bigint;
  version: bigint;
  lease: bigint;
  valueBytes: number;
  /** Its entries, tombstones among them. */
  revisions: number;
  /** What all its entries take in the database. */
  bytes: bigint;
  /** Of which older entries take so much. */
  historyBytes: bigint;
  /** Whether its value is to be shown only on request. */
  secret: boolean;
}

/** What a search found. */
export interface Found {
  /** Keys in the list. */
  total: number;
  /** Keys that live among all that it found. */
  live: number;
  deleted: number;
  /** To mark them in the keys. */
  words: FoundWord[];
  /** What is wrong with the search; the list is as it was then. */
  problem: SearchProblem | null;
  /** Secrets whose values were not searched. */
  unsearched: bigint;
  /** Places that could not be read for it. */
  lost: bigint;
}

/** A text that a key has in it. */
export interface FoundWord {
  text: string;
  /** Whether capitals count. */
  cased: boolean;
  /** Whether the key begins with it. */
  start: boolean;
}

/** A part of a search that is wrong, and why. */
export interface SearchProblem {
  text: string;
  why: string;
}

/** What the store is. */
export interface About {
  /** About when the latest revision was written; null where no object tells it. */
  taken: RevisionTime | null;
  /** Objects of Kubernetes that live; 0 in a store of something else. */
  objects: bigint;
  /** Kinds of objects, the largest first. */
  kinds: KindUse[];
  /** Bytes that etcd lets a database have unless it is told otherwise. */
  quota: bigint;
}

/** What the objects of a kind take. */
export interface KindUse {
  kind: string;
  /** What their keys begin with. */
  prefix: string;
  sum: UsageSum;
}

/** A line of the tree of keys by `/`. */
export interface TreeRow {
  depth: number;
  /** The part of the key that this line adds. */
  name: string;
  /** A folder, with the number of keys below it; otherwise a key. */
  folder: boolean;
  open: boolean;
  keys: number;
  /** The key itself, or the first one in the folder. */
  first: KeyRow;
}

/** What happened to a key. Revisions are main revisions. */
export interface KeyEvent {
  revision: bigint;
  sub: bigint;
  deletion: boolean;
  createRevision: bigint;
  version: bigint;
  lease: bigint;
  valueBytes: bigint;
  /** Where the entry is: for `valueAt`. */
  page: bigint;
  index: number;
}

/** All that happened to a key, oldest first. */
export interface KeyPast {
  events: KeyEvent[];
  /** Places of the file that could not be read: events may be missing. */
  lost: bigint;
}

/** Sums over keys. Bytes are those of entries, without the free room of pages. */
export interface UsageSum {
  keys: bigint;
  deletedKeys: bigint;
  revisions: bigint;
  tombstones: bigint;
  liveBytes: bigint;
  historyBytes: bigint;
}

/** Keys with a common prefix. */
export interface UsageGroup {
  prefix: string;
  /** The part behind the prefix asked for. */
  name: string;
  /** Whether it can be asked for in turn; otherwise these are keys. */
  folder: boolean;
  sum: UsageSum;
}

/** A namespace of Kubernetes, summed up over all resources. */
export interface NamespaceUse {
  name: string;
  sum: UsageSum;
}

/** Who takes the room below a prefix. */
export interface UsageAnswer {
  prefix: string;
  total: UsageSum;
  /** Folders and keys, the largest first, at most a thousand. */
  groups: UsageGroup[];
  /** Namespaces of Kubernetes, the largest first, at most a thousand; none below `/registry/`, where they are groups. */
  namespaces: NamespaceUse[];
  /** The others, summed up, and how many they are. */
  rest: UsageSum;
  restCount: number;
  /** The keys with the largest values. */
  largest: KeyRow[];
  /** The keys that were written most often. */
  busiest: KeyRow[];
}

/** How two stores differ. */
export interface Differences {
  added: number;
  removed: number;
  changed: number;
  /** Keys that live on both sides alike. */
  alike: number;
  /** Places of the other file that could not be read. */
  lost: bigint;
  /** The other side's revision. */
  revision: bigint;
}

/** What became of a key from one side to the other. */
export type ChangeKind = "added" | "removed" | "changed";

/** A key that is not alike on both sides. */
export interface ChangeRow {
  kind: ChangeKind;
  key: string;
  secret: boolean;
  /** Revision, lease and size here, before; null when it was added. */
  before: Side | null;
  after: Side | null;
}

/** One side of a change. */
export interface Side {
  revision: bigint;
  lease: bigint;
  valueBytes: number;
}

/** What the small buckets say. */
export interface Cluster {
  members: ClusterMember[];
  /** Ids of members that were removed, in hexadecimal. */
  removed: string[];
  leases: ClusterLease[];
  authEnabled: boolean;
  authRevision: bigint;
  users: ClusterUser[];
  roles: ClusterRole[];
  alarms: ClusterAlarm[];
  marks: ClusterMark[];
  /** Entries for which the lists have no room: a forged file has a million members. */
  leftOut: bigint;
}

/** A member. */
export interface ClusterMember {
  id: string;
  name: string;
  peerUrls: string[];
  clientUrls: string[];
  isLearner: boolean;
}

/** A lease; times in seconds. */
export interface ClusterLease {
  id: string;
  ttl: bigint;
  remainingTtl: bigint;
  /** Live keys that it holds. */
  keys: number;
}

/** A user. */
export interface ClusterUser {
  name: string;
  roles: string[];
  /** Whether it has a password; its hash is never shown. */
  password: boolean;
}

/** A role. */
export interface ClusterRole {
  name: string;
  permissions: ClusterPermission[];
}

/** A permission over a key, or a range of keys. */
export interface ClusterPermission {
  access: string;
  key: string;
  /** The end of the range, empty for one key; `\x00` quoted for all from `key` on. */
  rangeEnd: string;
}

/** An alarm. */
export interface ClusterAlarm {
  member: string;
  kind: string;
}

/** An entry of `meta`, `cluster` or `auth`, in words. */
export interface ClusterMark {
  bucket: string;
  key: string;
  value: string;
}

/** A page of the database, taken apart. */
export interface PageView {
  page: bigint;
  offset: bigint;
  /** `meta`, `freelist`, `branch`, `leaf`, or what is wrong with it. */
  kind: string;
  /** Pages that it takes, its overflow counted. */
  span: bigint;
  /** Elements, in all. */
  count: bigint;
  /** The first of its fields, in the order of their bytes. */
  fields: PageField[];
  /** Whether fields were left out. */
  more: boolean;
  /** Its bytes that hold secrets, to be shown only on request. */
  hidden: HiddenBytes[];
  /** Whether it has a structure by which secrets in it are known. */
  readable: boolean;
}

/** Bytes of a page, from its start. */
export interface HiddenBytes {
  at: number;
  len: number;
}

/** Some bytes of a page and what they are. */
export interface PageField {
  /** From the start of the page. */
  at: number;
  len: number;
  name: string;
  value: string;
  /** How deep it is nested: an element's parts are one deeper. */
  depth: number;
  /** The page that it points to, or null. */
  link: bigint | null;
  /** Whether `value` says bytes of a secret. */
  secret: boolean;
}

/** A protobuf message read without its schema. */
export interface MessageField {
  number: number;
  depth: number;
  /** `varint`, `fixed32`, `fixed64`, `text`, `bytes` or `message`. */
  wire: string;
  value: string;
}
