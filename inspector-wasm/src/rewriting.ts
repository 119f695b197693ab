// Types of a new file that is made of another one.

/** What is made of a file. */
export type CopyOrder =
  | { kind: "redact"; hideNames: boolean; keepSize: boolean }
  | { kind: "compact"; revision: bigint }
  | { kind: "salvage"; provenOnly: boolean; resetAuth: boolean };

/** What was made; of the three reports it has one. */
export interface CopyMade {
  /** Bytes of its database. */
  bytes: bigint;
  /** Entries of the history in the old file; 0 for a salvage. */
  entriesBefore: bigint;
  /** And in the new one. */
  entries: bigint;
  redacted: Redacted | null;
  /** The revision of a compaction. */
  compacted: bigint | null;
  salvaged: Salvaged | null;
}

/** What was replaced. */
export interface Redacted {
  kinds: RedactedKind[];
  /** Values that are no objects of Kubernetes, replaced whole. */
  others: bigint;
  /** Values that an API server encrypted, replaced. */
  encrypted: bigint;
  /** Hashes of passwords. */
  passwords: bigint;
  usersLeftOut: bigint;
}

/** Texts that were replaced in the objects of a kind. */
export interface RedactedKind {
  kind: string;
  values: bigint;
  replaced: bigint;
}

/** What a salvage lacks, and what is in doubt. */
export interface Salvaged {
  /** Nothing is missing and nothing in doubt. */
  whole: boolean;
  revision: bigint;
  missingRevisions: bigint;
  unreadPlaces: bigint;
  endIsLost: boolean;
  /** Entries that were left out. */
  leftOut: bigint;
  brokenKeys: bigint;
  doubtfulKeys: bigint;
  unproven: bigint;
  raisedTo: bigint | null;
  /** Buckets that are not those of the tree, or not all of them. */
  buckets: string[];
  authWasReset: boolean;
}
