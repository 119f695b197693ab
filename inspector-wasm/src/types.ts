// Types of everything that crosses the boundary. 64-bit numbers are `bigint`, always.

/** What follows from the findings of a file. */
export type Verdict = "sound" | "warnings" | "damaged";
/** How much a finding weighs. */
export type Severity = "warning" | "damage";

/** All that one scan found out about a file. */
export interface Report {
  verdict: Verdict;
  findings: Finding[];
  findingCounts: Record<string, bigint>;
  sha256: Trailer;
  status: Status | null;
  lost: LostHistory | null;
  decrypted?: Decrypted;
}

/** Encrypted values by the key that they need, where something was given that opens them. */
export interface Decrypted {
  opened: EncryptedValues[];
  unopened: EncryptedValues[];
}

/** Values that an API server encrypted, with what they need. */
export interface EncryptedValues {
  provider: string;
  name: string;
  values: bigint;
}

/** Main revisions, both ends counted; `to` is null when nothing says where the range ends. */
export interface RevisionRange {
  from: bigint;
  to: bigint | null;
}

/** What of the history of keys is gone. */
export interface LostHistory {
  missing: RevisionRange[];
  missingCount: bigint;
  unreadable: RevisionRange[];
  keys: string[];
  keyCount: bigint;
  prefixes: LostPrefix[];
}

/** Keys that are affected, by what their names begin with. */
export interface LostPrefix {
  prefix: string;
  keys: bigint;
}

/** Keys that are affected, of one kind in one namespace; both are empty for what is no object of Kubernetes. */
export interface LostKind {
  kind: string;
  namespace: string;
  keys: bigint;
}

/** One thing that is wrong, and where. */
export interface Finding {
  severity: Severity;
  code: string;
  page: bigint | null;
  offset: bigint | null;
  key?: string;
  message: string;
  /** The code of the damage of which this is a mere consequence. */
  because?: string;
}

/** What is known of the SHA-256 behind the database. */
export interface Trailer {
  present: boolean;
  expected: string | null;
  actual: string | null;
}

/** What a snapshot holds, in numbers. */
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

/** One top-level bucket. */
export interface BucketStatus {
  name: string;
  entries: bigint;
  bytes: bigint;
  pages: bigint;
}

/** First facts about a file. */
export interface Peek {
  kind: string;
  fileSize: bigint;
  pageSize: number | null;
  totalSize: bigint | null;
  txid: bigint | null;
  buckets: string[];
  trailer: boolean;
}

/** A finding code with its words. */
export interface CodeInfo {
  code: string;
  severity: Severity;
  meaning: string;
  action: string;
}

/** What `finish` and `peek` throw. */
export interface ScanError extends Error {
  kind: "consumed" | "read" | "cancelled" | "memory" | "other";
}

/** What an `Unpacker` throws: the data is damaged, or not of a kind that is read here, or the file cannot be read. */
export interface UnpackError extends Error {
  kind: "broken" | "unsupported" | "read";
}
