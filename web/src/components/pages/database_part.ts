import type { DatabasePart } from "../../generated/etcdsnap_inspector.js";

/** What the pages of each part are. */
const PARTS: Record<DatabasePart, string> = {
  meta: "meta page",
  freelist: "freelist",
  bucketList: "list of buckets",
  bucket: "bucket",
  free: "free",
  lost: "in no tree and not in the freelist",
  unknown: "continues another page, or is in no tree",
  outside: "not a page of this file",
};

/** Names a part of the database. */
export function partName({ part, bucket }: { part: DatabasePart; bucket: string | null }): string {
  if (part !== "bucket") return PARTS[part];
  return bucket === null ? "other buckets" : `bucket ${bucket}`;
}
