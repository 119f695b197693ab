// Types of all values that the wasm passes to JavaScript. 64-bit numbers are always `bigint`.

/** The verdict on a file, which follows from its findings. */
export type Verdict = "sound" | "warnings" | "damaged";
/** The severity of a finding. */
export type Severity = "warning" | "damage";

/** The report on a file. */
export interface Report {
  verdict: Verdict;
  findings: Finding[];
  findingCounts: Record<string, bigint>;
  sha256: Trailer;
  status: Status | null;
  lost: LostHistory | null;
  decrypted?: Decrypted;
}

/** Encrypted values by the key that they need, if an EncryptionConfiguration was given. */
export interface Decrypted {
  opened: EncryptedValues[];
  unopened: EncryptedValues[];
}

/** Number of values that an API server encrypted with a key. */
export interface EncryptedValues {
  provider: string;
  name: string;
  values: bigint;
}

/** A range of main revisions, including both ends; `to` is null if the end is unknown. */
export interface RevisionRange {
  from: bigint;
  to: bigint | null;
}

/** The lost part of the history of keys. */
export interface LostHistory {
  missing: RevisionRange[];
  missingCount: bigint;
  unreadable: RevisionRange[];
  keys: string[];
  keyCount: bigint;
  prefixes: LostPrefix[];
}

/** Affected keys with a common prefix. */
export interface LostPrefix {
  prefix: string;
  keys: bigint;
}

/** Affected keys of a kind in a namespace; both are empty for keys that are not Kubernetes objects. */
export interface LostKind {
  kind: string;
  namespace: string;
  keys: bigint;
}

/** One problem, and where it is. */
export interface Finding {
  severity: Severity;
  code: string;
  page: bigint | null;
  offset: bigint | null;
  key?: string;
  message: string;
  /** The code of the damage of which this is only a consequence. */
  because?: string;
}

/** The SHA-256 at the end of the file, and the computed one. */
export interface Trailer {
  present: boolean;
  expected: string | null;
  actual: string | null;
}

/** Numbers about the contents of a snapshot. */
export interface Status {
  hash: number;
  revision: bigint;
  totalKey: bigint;
  totalSize: bigint;
  version: string;
  totalEntries: bigint;
  revisions: bigint;
  tombstones: bigint;
  phantoms: bigint;
  compactedRevision: bigint | null;
  scheduledCompactRevision: bigint | null;
  consistentIndex: bigint | null;
  term: bigint | null;
  clusterVersion: string | null;
  members: bigint;
  leases: bigint;
  pageSize: number;
  pages: bigint;
  freePages: bigint;
  fileSize: bigint;
  buckets: BucketStatus[];
  encrypted?: EncryptedValues[];
  complete: boolean;
}

/** A top-level bucket. */
export interface BucketStatus {
  name: string;
  entries: bigint;
  bytes: bigint;
  pages: bigint;
}

/** First facts about a file. */
export interface FileSummary {
  kind: string;
  fileSize: bigint;
  pageSize: number | null;
  totalSize: bigint | null;
  txid: bigint | null;
  buckets: string[];
  trailer: boolean;
}

/** A finding code with its meaning and advice. */
export interface CodeInfo {
  code: string;
  severity: Severity;
  meaning: string;
  action: string;
}

/** Thrown by `finish` and `summarize`. */
export interface ScanError extends Error {
  kind: "consumed" | "read" | "cancelled" | "memory" | "other";
}

/** Thrown by `Unpacker`: the data is damaged, its format is not supported, or the file cannot be read. */
export interface UnpackError extends Error {
  kind: "broken" | "unsupported" | "read";
}
