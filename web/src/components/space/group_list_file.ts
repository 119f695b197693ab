import type { UsageSum } from "../../generated/etcdsnap_inspector.js";
import type { SavedColumn } from "../../saving/list_file.ts";

/** A group of keys, or the sum of several. */
export interface SavedGroup {
  kind: string;
  /** The prefix or namespace; null for a sum of groups. */
  name: string | null;
  sum: UsageSum;
}

/** Returns the columns of groups that are prefixes or namespaces. */
export function savedColumns(unit: "prefix" | "namespace"): SavedColumn<SavedGroup>[] {
  const sums = ["keys", "deletedKeys", "revisions", "tombstones", "liveBytes", "historyBytes"] as const;
  return [{ name: "kind", of: ({ kind }) => kind }, { name: unit, of: ({ name }) => name, key: true }, ...sums.map((name) => ({ name, of: ({ sum }: SavedGroup) => sum[name] }))];
}
