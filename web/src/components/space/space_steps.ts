import type { Status, StoreFacts, UsageSum } from "../../generated/etcdsnap_inspector.js";

/** A step against a full database. */
export interface SpaceStep {
  title: string;
  /** Bytes that it gives back, by what the snapshot holds; null where the snapshot does not say. */
  gives: bigint | null;
  words: string;
  /** Lines for a terminal. */
  text: string;
}

/** The steps in the order in which they are taken. Those of a snapshot at an older revision have no numbers: later entries are not told apart from old versions. */
export function spaceSteps(facts: StoreFacts, sum: UsageSum, status: Status | null): SpaceStep[] {
  const latest = facts.revision === facts.latest;
  const free = status === null ? null : status.freePages * BigInt(status.pageSize);
  const history = latest ? sum.historyBytes : null;
  return [
    {
      title: "Compact the history",
      gives: history,
      words: "Old versions go; the file keeps its size, and their pages are free for new entries. An API server of Kubernetes does so every five minutes.",
      text: `rev=$(etcdctl endpoint status --write-out=json | grep -o '"revision":[0-9]*' | head -n 1 | grep -o '[0-9]*')\netcdctl compact "$rev"`,
    },
    {
      title: "Give free pages back to the disk",
      gives: free === null || history === null ? null : free + history,
      words: "A defragmentation writes each member's file anew: after a compaction it gives back what that freed, too. A member answers nobody while it runs, so take one after the other, the leader last.",
      text: "etcdctl defrag --endpoints=HOST:2379",
    },
    {
      title: "Let it write again",
      gives: null,
      words: "Once there is room, where the quota was reached: etcd refuses every write until the alarm is taken away.",
      text: "etcdctl alarm list\netcdctl alarm disarm",
    },
    {
      title: "The same for this file",
      gives: free === null || history === null ? null : free + history,
      words: "A new snapshot without old versions and free pages; this one stays as it is.",
      text: "etcdsnap compact SNAPSHOT.db -o SMALLER.db",
    },
  ];
}
