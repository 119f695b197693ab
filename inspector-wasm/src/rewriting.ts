// Types for new files made from another file.

/** Which new file to make. */
export type CopyOrder =
  | { kind: "redact"; hideNames: boolean; keepSize: boolean }
  | { kind: "compact"; revision: bigint }
  | { kind: "salvage"; provenOnly: boolean; resetAuth: boolean };

/** A report about a new file. Exactly one of the last three members is set. */
export interface CopyMade {
  /** Bytes of its database. */
  bytes: bigint;
  /** Entries of the history in the old file; 0 for a salvage. */
  entriesBefore: bigint;
  /** Entries of the history in the new file. */
  entries: bigint;
  redacted: Redacted | null;
  /** The revision of a compaction. */
  compacted: bigint | null;
  salvaged: Salvaged | null;
}

/** What was replaced. */
export interface Redacted {
  kinds: RedactedKind[];
  /** Number of values that are not Kubernetes objects, which are replaced completely. */
  others: bigint;
  /** Number of replaced values that an API server had encrypted. */
  encrypted: bigint;
  /** Number of replaced password hashes. */
  passwords: bigint;
  usersLeftOut: bigint;
}

/** Replaced texts in the objects of a kind. */
export interface RedactedKind {
  kind: string;
  values: bigint;
  replaced: bigint;
}

/** What a salvaged file lacks, and what is in doubt. */
export interface Salvaged {
  /** Whether nothing is missing and nothing is in doubt. */
  whole: boolean;
  revision: bigint;
  missingRevisions: bigint;
  unreadPlaces: bigint;
  endIsLost: boolean;
  /** Number of entries that were left out. */
  leftOut: bigint;
  brokenKeys: bigint;
  doubtfulKeys: bigint;
  unproven: bigint;
  raisedTo: bigint | null;
  /** Buckets that are incomplete or from an older state. */
  buckets: string[];
  authWasReset: boolean;
}
