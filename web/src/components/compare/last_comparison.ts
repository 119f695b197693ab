import type { ChangeKind, ChangeRow, Differences } from "../../generated/etcdsnap_inspector.js";
import { count } from "../../format.ts";
import type { Session } from "../../session.svelte.ts";

/** The other side of a comparison. */
export interface ComparisonTarget {
  /** The other file; null for another revision of this one. */
  other: Session | null;
  /** The revision of the other side; 0 for the latest. */
  revision: bigint;
}

interface Asked extends ComparisonTarget {
  version: number;
  answer: Promise<Differences>;
}

/** The last comparison of each session. The worker keeps its result, so that returning to the view reads nothing again. */
const last = new WeakMap<Session, Asked>();

export function lastTarget(session: Session): ComparisonTarget | null {
  return last.get(session) ?? null;
}

/** Compares, or returns the last answer if it was for the same comparison. */
export function compare(session: Session, { other, revision }: ComparisonTarget): Promise<Differences> {
  const { store } = session;
  const before = last.get(session);
  if (before !== undefined && before.other === other && before.revision === revision && before.version === store.version) return before.answer;
  // An unfinished comparison would delay this one.
  store.stop("compare");
  const answer = store.call("compare", { other: other?.file ?? null, revision });
  const asked = { other, revision, version: store.version, answer };
  last.set(session, asked);
  answer.catch(() => {
    if (last.get(session) === asked) last.delete(session);
  });
  return answer;
}

/** Reverses the sides of a result, to show the older side first. */
export function reversed(found: Differences): Differences {
  return { ...found, added: found.removed, removed: found.added };
}

export function reversedKind(kind: ChangeKind): ChangeKind {
  return kind === "added" ? "removed" : kind === "removed" ? "added" : "changed";
}

export function reversedRow(row: ChangeRow): ChangeRow {
  return { ...row, kind: reversedKind(row.kind), before: row.after, after: row.before };
}

/** Summarizes the result in one sentence. */
export function comparisonSentence({ added, removed, changed, unchanged }: Differences): string {
  const parts = [
    { number: added, word: "added" },
    { number: removed, word: "removed" },
    { number: changed, word: "changed" },
  ].filter(({ number }) => number > 0);
  const [first, ...others] = parts;
  if (first === undefined) return "Both sides have the same keys and values.";
  const start = `${count(first.number)} ${first.number === 1 ? "key was" : "keys were"} ${first.word}`;
  const what = [start, ...others.map(({ number, word }) => `${count(number)} ${word}`)].join(", ");
  return `${what}; ${unchanged === 0 ? "nothing" : count(unchanged)} unchanged.`;
}
