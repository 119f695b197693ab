import type { ChangeKind, ChangeRow, Differences } from "../../generated/etcdsnap_inspector.js";
import { count } from "../../format.ts";
import type { Session } from "../../session.svelte.ts";

/** What is compared with what. */
export interface Pair {
  /** The other file; null for another revision of this one. */
  other: Session | null;
  /** The other side's revision; 0 for the latest. */
  revision: bigint;
}

interface Asked extends Pair {
  version: number;
  answer: Promise<Differences>;
}

/** The last comparison of each session. Its worker still has it, so that coming back to the view reads nothing anew. */
const last = new WeakMap<Session, Asked>();

export function lastPair(session: Session): Pair | null {
  return last.get(session) ?? null;
}

/** Compares, or gives the answer once more when nothing else was asked meanwhile. */
export function compare(session: Session, { other, revision }: Pair): Promise<Differences> {
  const { store } = session;
  const before = last.get(session);
  if (before !== undefined && before.other === other && before.revision === revision && before.version === store.version) return before.answer;
  // What was compared before and is not done yet would keep the worker.
  store.stop("compare");
  const answer = store.call("compare", { other: other?.file ?? null, revision });
  const asked = { other, revision, version: store.version, answer };
  last.set(session, asked);
  answer.catch(() => {
    if (last.get(session) === asked) last.delete(session);
  });
  return answer;
}

/** Of two revisions of one file the older is shown as the earlier side, whichever the store was asked for. */
export function turned(found: Differences): Differences {
  return { ...found, added: found.removed, removed: found.added };
}

export function turnedKind(kind: ChangeKind): ChangeKind {
  return kind === "added" ? "removed" : kind === "removed" ? "added" : "changed";
}

export function turnedRow(row: ChangeRow): ChangeRow {
  return { ...row, kind: turnedKind(row.kind), before: row.after, after: row.before };
}

/** The outcome in one sentence. */
export function sentence({ added, removed, changed, alike }: Differences): string {
  const parts = [
    { number: added, word: "added" },
    { number: removed, word: "removed" },
    { number: changed, word: "changed" },
  ].filter(({ number }) => number > 0);
  const [first, ...others] = parts;
  if (first === undefined) return "Both hold the same keys and values.";
  const start = `${count(first.number)} ${first.number === 1 ? "key was" : "keys were"} ${first.word}`;
  const what = [start, ...others.map(({ number, word }) => `${count(number)} ${word}`)].join(", ");
  return `${what}; ${alike === 0 ? "none is" : alike === 1 ? "1 is" : `${count(alike)} are`} alike.`;
}
