import type { Status, StoreFacts, UsageSum } from "../../generated/etcdsnap_inspector.js";
import { freeBytes } from "./measure.ts";

/** A step that frees space. */
export interface SpaceStep {
  title: string;
  /** Bytes that the step frees, computed from the snapshot; null if unknown. */
  frees: bigint | null;
  words: string;
  /** Commands for a terminal. */
  text: string;
}

/** Returns the steps in order. At an older revision they have no numbers, because later entries cannot be told apart from old versions. */
export function spaceSteps(facts: StoreFacts, sum: UsageSum, status: Status | null): SpaceStep[] {
  const latest = facts.revision === facts.latest;
  const free = freeBytes(status);
  const history = latest ? sum.historyBytes : null;
  return [
    {
      title: "Compact the history",
      frees: history,
      words: "Removes old versions. The file keeps its size; the freed pages are used for new entries. A Kubernetes API server does this every five minutes.",
      text: `rev=$(etcdctl endpoint status --write-out=json | grep -o '"revision":[0-9]*' | head -n 1 | grep -o '[0-9]*')\netcdctl compact "$rev"`,
    },
    {
      title: "Defragment each member",
      frees: free === null || history === null ? null : free + history,
      words: "Rewrites a member's file without free pages, including those that the compaction freed. The member does not answer meanwhile, so defragment one member after the other, the leader last.",
      text: "etcdctl defrag --endpoints=HOST:2379",
    },
    {
      title: "Clear the NOSPACE alarm",
      frees: null,
      words: "Needed if the quota was reached: etcd refuses all writes until the alarm is cleared. Free space first.",
      text: "etcdctl alarm list\netcdctl alarm disarm",
    },
    {
      title: "Compact and defragment this file",
      frees: free === null || history === null ? null : free + history,
      words: "Writes a new snapshot without old versions and free pages. This file stays unchanged.",
      text: "etcdsnap compact SNAPSHOT.db -o SMALLER.db",
    },
  ];
}
