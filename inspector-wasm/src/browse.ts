// Types of the answers about the store in a snapshot. Keys are text in their displayed form: plain, or in quotes with escapes, as the terminal prints them.

/** Facts about an open store at the revision of its keys. */
export interface StoreFacts {
  /** The revision of the keys. */
  revision: bigint;
  /** The latest revision that can be read. */
  latest: bigint;
  /** The oldest revision that can be read. */
  oldest: bigint;
  /** Number of keys that are live at the revision. */
  live: number;
  /** Number of keys that are deleted at the revision and still have entries. */
  deleted: number;
  /** Number of places that could not be read, so that answers may be incomplete. */
  lost: bigint;
  /** The first place that could not be read. */
  firstLost: Finding | null;
  /** Bytes of the database. */
  databaseBytes: bigint;
  /** Whether there are Kubernetes objects. */
  hasObjects: boolean;
}

/** A key at the revision. `id` is its index in all keys, including deleted ones. */
export interface KeyRow {
  id: number;
  key: string;
  revision: bigint;
  deleted: boolean;
  createRevision: bigint;
  version: bigint;
  lease: bigint;
  valueBytes: number;
  /** Number of its entries, including tombstones. */
  revisions: number;
  /** Bytes of all its entries in the database. */
  bytes: bigint;
  /** Bytes of its older entries. */
  historyBytes: bigint;
  /** Whether its value is shown only on request. */
  secret: boolean;
  /** The page with its newest entry; 0 if that is inside another page. */
  page: bigint;
}

/** The result of a search. */
export interface Found {
  /** Number of keys in the list. */
  total: number;
  /** Number of live keys that match. */
  live: number;
  deleted: number;
  /** The words of the search, to mark them in the keys. */
  words: FoundWord[];
  /** What is wrong with the search; the list is then unchanged. */
  problem: SearchProblem | null;
  /** Number of secrets whose values were not searched. */
  unsearched: bigint;
  /** Number of places that could not be read for the search. */
  lost: bigint;
}

/** A text that a matching key contains. */
export interface FoundWord {
  text: string;
  /** Whether case matters. */
  cased: boolean;
  /** Whether the key begins with it. */
  start: boolean;
}

/** An invalid part of a search, and what is wrong with it. */
export interface SearchProblem {
  text: string;
  why: string;
}

/** A description of the store. */
export interface About {
  /** Approximate time of the latest revision; null if no object contains a time. */
  taken: RevisionTime | null;
  /** Number of live Kubernetes objects. */
  objects: bigint;
  /** Kinds of objects, the largest first. */
  kinds: KindUse[];
  /** The default quota of etcd, in bytes. */
  quota: bigint;
}

/** The space used by the objects of a kind. */
export interface KindUse {
  kind: string;
  /** The prefix of their keys. */
  prefix: string;
  sum: UsageSum;
}

/** A line of the tree of keys by `/`. */
export interface TreeRow {
  depth: number;
  /** The part of the key that this line adds. */
  name: string;
  /** Whether the line is a folder; otherwise it is a key. */
  folder: boolean;
  open: boolean;
  keys: number;
  /** The key itself, or the first one in the folder. */
  first: KeyRow;
}

/** A write or deletion of a key. Revisions are main revisions. */
export interface KeyEvent {
  revision: bigint;
  sub: bigint;
  deletion: boolean;
  createRevision: bigint;
  version: bigint;
  lease: bigint;
  valueBytes: bigint;
  /** The page and index of the entry, for `valueAt`. */
  page: bigint;
  index: number;
}

/** The stored events of a key, oldest first. */
export interface KeyEvents {
  events: KeyEvent[];
  /** Number of places that could not be read, so that events may be missing. */
  lost: bigint;
}

/** Sums over keys. Bytes are those of entries, without unused space in pages. */
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
  /** The part after the requested prefix. */
  name: string;
  /** Whether the group contains further groups; otherwise it is a key. */
  folder: boolean;
  sum: UsageSum;
}

/** The space used by a Kubernetes namespace, across all resources. */
export interface NamespaceUse {
  name: string;
  sum: UsageSum;
}

/** The space used below a prefix. */
export interface UsageAnswer {
  prefix: string;
  total: UsageSum;
  /** Folders and keys, the largest first, at most a thousand. */
  groups: UsageGroup[];
  /** Kubernetes namespaces, the largest first, at most a thousand; none below `/registry/`, where they are groups. */
  namespaces: NamespaceUse[];
  /** The sum and the number of all other groups. */
  rest: UsageSum;
  restCount: number;
  /** The keys with the largest values. */
  largest: KeyRow[];
  /** The keys that were written most often. */
  busiest: KeyRow[];
}

/** Numbers of keys that differ between two stores. */
export interface Differences {
  added: number;
  removed: number;
  changed: number;
  /** Number of live keys that are equal on both sides. */
  unchanged: number;
  /** Number of places of the other file that could not be read. */
  lost: bigint;
  /** The revision of the other side. */
  revision: bigint;
  /** The noise that is known before values were compared. */
  noise: ChangeNoise;
  /** Whether both files are of one cluster; null for two revisions of one file. */
  cluster: ClusterCheck | null;
}

/** Changes that say little. They are counted, and listed only on request. */
export interface ChangeNoise {
  added: number;
  removed: number;
  changed: number;
  leases: bigint;
  events: bigint;
  /** Number of objects that differ in managedFields alone. */
  managedFields: bigint;
  /** Number of objects whose fields are alike. */
  alike: bigint;
  /** Number of changed objects whose values were not compared yet. */
  left: number;
}

/** Whether two files are of one cluster. */
export interface ClusterCheck {
  /** `same`; `other` by the uid of kube-system; `otherMembers` if no member is on both sides; or `unknown`. */
  relation: string;
  /** What identifies the cluster of this file. */
  here: string;
  there: string;
}

/** The listed changes. */
export interface ChangeList {
  /** Number of lines, including headings of groups. */
  total: number;
  /** Number of keys that match the search, even if their kind is not listed. */
  added: number;
  removed: number;
  changed: number;
  /** Number of groups; 0 if changes are not grouped. */
  groups: number;
  /** What is wrong with the search; the list is then unchanged. */
  problem: SearchProblem | null;
}

/** The heading of a group of changes. */
export interface ChangeGroupRow {
  /** The type as kubectl names it, or the prefix of keys that are not objects; empty for keys without a slash. */
  name: string;
  /** The namespace; empty for objects of the whole cluster. */
  namespace: string;
  /** Whether the group consists of Kubernetes objects. */
  objects: boolean;
  open: boolean;
  added: number;
  removed: number;
  changed: number;
}

/** How a key changed from the earlier to the later side. */
export type ChangeKind = "added" | "removed" | "changed";

/** A key that differs between both sides. */
export interface ChangeRow {
  kind: ChangeKind;
  key: string;
  secret: boolean;
  /** The key on the earlier side; null if it was added. */
  before: Side | null;
  after: Side | null;
}

/** A key on one side of a comparison. */
export interface Side {
  revision: bigint;
  createRevision: bigint;
  version: bigint;
  lease: bigint;
  valueBytes: number;
}

/** The contents of the small buckets. */
export interface Cluster {
  members: ClusterMember[];
  /** IDs of removed members, in hexadecimal. */
  removed: string[];
  leases: ClusterLease[];
  authEnabled: boolean;
  authRevision: bigint;
  users: ClusterUser[];
  roles: ClusterRole[];
  alarms: ClusterAlarm[];
  settings: ClusterSetting[];
  /** Number of entries that the lists leave out. A forged file can have a million members. */
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
  /** Number of live keys attached to it. */
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

/** A permission for a key or a range of keys. */
export interface ClusterPermission {
  access: string;
  key: string;
  /** The end of the range; empty for one key, `\x00` in quotes for `key` and all later keys. */
  rangeEnd: string;
}

/** An alarm. */
export interface ClusterAlarm {
  member: string;
  kind: string;
}

/** An entry of the bucket `meta`, `cluster` or `auth`, decoded. */
export interface ClusterSetting {
  bucket: string;
  key: string;
  value: string;
}

/** A decoded page of the database. */
export interface PageView {
  page: bigint;
  offset: bigint;
  /** `meta`, `freelist`, `branch`, `leaf`, or what is wrong with it. */
  kind: string;
  /** Number of pages that it spans, including its overflow. */
  span: bigint;
  /** Number of all elements. */
  count: bigint;
  /** The first fields, in the order of their bytes. */
  fields: PageField[];
  /** Whether fields were left out. */
  more: boolean;
  /** Ranges of bytes with secrets, which are shown only on request. */
  hidden: HiddenBytes[];
  /** Whether the page could be decoded, so that secrets in it are known. */
  readable: boolean;
}

/** A range of bytes, from the start of the page. */
export interface HiddenBytes {
  at: number;
  len: number;
}

/** A field: some bytes of a page and their meaning. */
export interface PageField {
  /** The offset from the start of the page. */
  at: number;
  len: number;
  name: string;
  value: string;
  /** The nesting depth: the parts of an element are one deeper. */
  depth: number;
  /** The page that it points to, or null. */
  link: bigint | null;
  /** Whether `value` contains bytes of a secret. */
  secret: boolean;
  /** The key whose revision the field contains; null if it is very long. */
  key: string | null;
}

/** A part of the database. `lost` is in no tree and not in the freelist; `unknown` continues other pages, or is lost. */
export type DatabasePart = "meta" | "freelist" | "bucketList" | "bucket" | "free" | "lost" | "unknown" | "outside";

/** A part of the database with its number of pages. */
export interface MapPart {
  part: DatabasePart;
  /** The bucket, of a bucket's tree; null if many buckets share this part. */
  bucket: string | null;
  pages: bigint;
}

/** The place of a page in the database. */
export interface PagePlace {
  part: DatabasePart;
  /** The bucket whose tree contains it. */
  bucket: string | null;
  /** The page that points to it, or to the page that it continues. */
  parent: bigint | null;
  /** The page that it continues, if it is an overflow page. */
  continues: bigint | null;
}

/** A field of a protobuf message, decoded without a schema. */
export interface MessageField {
  number: number;
  depth: number;
  /** `varint`, `fixed32`, `fixed64`, `text`, `bytes` or `message`. */
  wire: string;
  value: string;
}
