// Types of the answers about Kubernetes objects. A type is named by its plural and its group: `pods`, `deployments.apps`.

/** A type of objects, with their number at the revision. */
export interface ObjectKind {
  /** The plural, and the group after a dot. */
  id: string;
  plural: string;
  group: string;
  /** Such as `Deployment`; empty if unknown. */
  kind: string;
  namespaced: boolean;
  live: number;
  /** Number of deleted objects that still have entries. */
  deleted: number;
}

/** A namespace, with the number of its objects. */
export interface ObjectNamespace {
  name: string;
  live: number;
  deleted: number;
}

/** Numbers of objects: by kind in the requested namespace, and by namespace for the requested kind. */
export interface ObjectKinds {
  kinds: ObjectKind[];
  namespaces: ObjectNamespace[];
  /** Number of kinds and namespaces that the lists leave out. */
  leftOut: number;
}

/** The list of selected objects. */
export interface ObjectList {
  total: number;
  /** Titles of the columns, as in kubectl. */
  titles: string[];
  /** Whether the list can be sorted by its columns. Long lists are always in the order of their keys. */
  sortable: boolean;
  /** Approximate time of the revision in seconds since 1970, from which ages are computed; null if unknown. */
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
  /** Approximate time of that revision in seconds since 1970; null if unknown. */
  seconds: bigint | null;
  /** Why it cannot be read; null if it can. */
  problem: string | null;
}

/** An object as text. */
export interface ObjectText {
  /** The YAML as kubectl prints it; null if the object cannot be read. */
  yaml: string | null;
  apiVersion: string;
  kind: string;
  /** Whether managedFields was left out. */
  folded: boolean;
  /** Whether it contains secret values. */
  secret: boolean;
  /** Whether secret values are hidden. */
  hidden: boolean;
  /** Remarks about the object. */
  remarks: string[];
  /** Why it cannot be read. */
  problem: string | null;
  /** The key that decrypted it, such as `aescbc:v1, key key1`; null if it is not encrypted. */
  opened: string | null;
  uid: string;
  owners: ObjectOwner[];
  /** The Helm release that it contains. */
  release: HelmRelease | null;
}

/** An owner of an object. */
export interface ObjectOwner {
  kind: string;
  name: string;
  /** Its key; null if the object is not in the snapshot. */
  key: string | null;
}

/** A revision of a Helm release. */
export interface HelmRelease {
  name: string;
  revision: bigint;
  status: string;
  updated: string;
  chart: string;
  appVersion: string;
  /** The values from `--set` and `--values`, as YAML. */
  values: string;
  /** The installed manifests; null while secrets are hidden. */
  manifest: string | null;
  /** The notes of the chart; null while secrets are hidden. */
  notes: string | null;
}

/** The difference between two values of an object. */
export interface ObjectChanges {
  fields: ObjectField[];
  /** Number of changed fields that are left out. */
  more: bigint;
  /** Whether managedFields differs and is left out. */
  folded: boolean;
  remarks: string[];
  /** Why the values cannot be compared. */
  problem: string | null;
}

/** A field that differs. */
export interface ObjectField {
  path: string;
  old: string | null;
  new: string | null;
  /** Whether the values are secret and hidden. */
  hidden: boolean;
}

/** The approximate time of a revision. */
export interface RevisionTime {
  /** Seconds since 1970. */
  seconds: bigint;
  /** The possible error in seconds, earlier or later; null if unbounded. */
  within: bigint | null;
}

/** Which encrypted values a configuration decrypts, including old versions. */
export interface EncryptionState {
  /** The keys of the configuration, without their secrets. */
  keys: EncryptionKey[];
  opened: EncryptionCount[];
  unopened: EncryptionCount[];
  /** Number of undecrypted values beyond those listed. */
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
  /** Why they stay encrypted; null if they are decrypted. */
  why: string | null;
}

/** A report about the written manifests. */
export interface ManifestAnswer {
  /** Number of written objects. */
  written: bigint;
  /** Numbers of written objects by type. */
  text: string;
  /** What was left out and why, and warnings. */
  lines: string[];
  /** The commands that apply the manifests. */
  commands: string[];
}

/** The dependents and Events of an object. */
export interface RelatedObjects {
  /** The objects that it owns. */
  dependents: ObjectOwner[];
  events: RelatedEvent[];
  /** Whether there are more candidates than were read. */
  more: boolean;
  /** Number of places that could not be read. */
  lost: bigint;
}

/** An Event about an object. */
export interface RelatedEvent {
  key: string;
  type: string;
  reason: string;
  message: string;
  /** Time when it was last seen, in seconds since 1970. */
  last: bigint | null;
  count: bigint;
}
