import type { Status, UsageGroup, UsageSum } from "../../generated/etcdsnap_inspector.js";

/** Which bytes the treemap shows. */
export type Measure = "all" | "live" | "history";

export const MEASURES: { id: Measure; label: string }[] = [
  { id: "all", label: "All" },
  { id: "live", label: "Live" },
  { id: "history", label: "History" },
];

export function measuredBytes({ liveBytes, historyBytes }: UsageSum, measure: Measure): bigint {
  return measure === "live" ? liveBytes : measure === "history" ? historyBytes : liveBytes + historyBytes;
}

/** Returns the share of history in the shown bytes, from 0 to 1. */
export function historyShare(sum: UsageSum, measure: Measure): number {
  const whole = measuredBytes(sum, measure);
  return measure === "live" || whole === 0n ? 0 : Number(sum.historyBytes) / Number(whole);
}

/** Returns the bytes of the free pages of a database; null while the status is unknown. */
export function freeBytes(status: Status | null): bigint | null {
  return status === null ? null : status.freePages * BigInt(status.pageSize);
}

/** Formats a share in percent: `12 %`, `< 1 %`. */
export function share(part: bigint, whole: bigint): string {
  if (part === 0n || whole === 0n) return "0 %";
  const percent = (Number(part) / Number(whole)) * 100;
  return percent < 1 ? "< 1 %" : `${percent > 99 && part < whole ? Math.floor(percent) : Math.round(percent)} %`;
}

export function addSums(a: UsageSum, b: UsageSum): UsageSum {
  return {
    keys: a.keys + b.keys,
    deletedKeys: a.deletedKeys + b.deletedKeys,
    revisions: a.revisions + b.revisions,
    tombstones: a.tombstones + b.tombstones,
    liveBytes: a.liveBytes + b.liveBytes,
    historyBytes: a.historyBytes + b.historyBytes,
  };
}

export const EMPTY_SUM: UsageSum = { keys: 0n, deletedKeys: 0n, revisions: 0n, tombstones: 0n, liveBytes: 0n, historyBytes: 0n };

/** Returns the part of a group's name after the prefix. A key may be equal to the prefix. */
export function nameOf(group: UsageGroup, asked: string): string {
  return group.prefix === asked ? "the key itself" : group.name;
}
