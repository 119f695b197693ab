// Types of what is told about Kubernetes' objects. A type is named by its plural and its group: `pods`, `deployments.apps`.

/** A type of objects, with how many there are at the revision. */
export interface ObjectKind {
  /** Its plural, and its group behind a point. */
  id: string;
  plural: string;
  group: string;
  /** Such as `Deployment`; empty where nothing says it. */
  kind: string;
  namespaced: boolean;
  live: number;
  /** Deleted ones that still have entries. */
  deleted: number;
}

/** A namespace, with how many objects there are in it. */
export interface ObjectNamespace {
  name: string;
  live: number;
  deleted: number;
}

/** What objects there are. Kinds count those of the namespace asked for, namespaces those of the kind. */
export interface ObjectKinds {
  kinds: ObjectKind[];
  namespaces: ObjectNamespace[];
  /** Kinds and namespaces for which the lists have no room. */
  leftOut: number;
}

/** A list of objects that was chosen. */
export interface ObjectList {
  total: number;
  /** Titles of the cells, as kubectl has them. */
  titles: string[];
  /** Whether it can be sorted by any of them: longer lists stand in the order of their keys. */
  sortable: boolean;
  /** About when the revision was written, in seconds since 1970, to which ages count; null when nothing tells it. */
  now: bigint | null;
}

/** An object in a list. `id` and `key` are those of `KeyRow`. */
export interface ObjectRow {
  id: number;
  key: string;
  /** The type, as `ObjectKind.id`. */
  type: string;
  namespace: string;
  name: string;
  cells: string[];
  deleted: boolean;
  /** The revision that wrote it, or deleted it. */
  revision: bigint;
  /** About when that was, in seconds since 1970; null when nothing tells it. */
  seconds: bigint | null;
  /** Why it cannot be read; null when it can. */
  problem: string | null;
}

/** An object as text. */
export interface ObjectText {
  /** As kubectl prints it; null when it cannot be read. */
  yaml: string | null;
  apiVersion: string;
  kind: string;
  /** Whether who set which field was left out. */
  folded: boolean;
  /** Whether it has something secret in it. */
  secret: boolean;
  /** Whether that is hidden. */
  hidden: boolean;
  /** What there is to say of it. */
  remarks: string[];
  /** Why it cannot be read. */
  problem: string | null;
  /** The key that decrypted it, such as `aescbc:v1, key key1`; null where it is stored plain. */
  opened: string | null;
  uid: string;
  owners: ObjectOwner[];
  /** The release of Helm in it. */
  release: HelmRelease | null;
}

/** An owner of an object. */
export interface ObjectOwner {
  kind: string;
  name: string;
  /** Its key, unless it is not there. */
  key: string | null;
}

/** A revision of a release of Helm. */
export interface HelmRelease {
  name: string;
  revision: bigint;
  status: string;
  updated: string;
  chart: string;
  appVersion: string;
  /** What was given with `--set` and `--values`, as YAML. */
  values: string;
  /** What was installed; null while secrets are hidden. */
  manifest: string | null;
  /** What the chart says; null while secrets are hidden. */
  notes: string | null;
}

/** What differs between two values of an object. */
export interface ObjectChanges {
  fields: ObjectField[];
  /** More fields for which there was no room. */
  more: bigint;
  /** Whether who set which field differs and is left out. */
  folded: boolean;
  remarks: string[];
  /** Why they cannot be compared. */
  problem: string | null;
}

/** A field that differs. */
export interface ObjectField {
  path: string;
  old: string | null;
  new: string | null;
  /** Whether the values are secret and not shown. */
  hidden: boolean;
}

/** About when a revision was written. */
export interface RevisionTime {
  /** Since 1970. */
  seconds: bigint;
  /** How many seconds earlier or later it may have been; null where nothing bounds it. */
  within: bigint | null;
}

/** Which encrypted values a configuration opens, older ones counted. */
export interface EncryptionState {
  /** The keys of the configuration, without their secrets. */
  keys: EncryptionKey[];
  opened: EncryptionCount[];
  unopened: EncryptionCount[];
  /** Values beyond those that are told. */
  others: bigint;
}

/** A key of a configuration. */
export interface EncryptionKey {
  provider: string;
  name: string;
}

/** Values that need a key. */
export interface EncryptionCount {
  provider: string;
  name: string;
  values: bigint;
  /** Why they stay encrypted; null for those that open. */
  why: string | null;
}

/** Manifests that were written. */
export interface ManifestAnswer {
  /** How many objects. */
  written: bigint;
  /** How many of which types. */
  text: string;
  /** What was left out, and why; what a person has to know. */
  lines: string[];
  /** What applies them. */
  commands: string[];
}

/** What belongs to an object. */
export interface RelatedObjects {
  /** Objects that it owns. */
  dependents: ObjectOwner[];
  events: RelatedEvent[];
  /** Whether there are more than were looked at. */
  more: boolean;
  /** Places of the file that could not be read. */
  lost: bigint;
}

/** An Event about an object. */
export interface RelatedEvent {
  key: string;
  type: string;
  reason: string;
  message: string;
  /** When it was last seen, in seconds since 1970. */
  last: bigint | null;
  count: bigint;
}
