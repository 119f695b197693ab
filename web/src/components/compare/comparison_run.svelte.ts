import { count, plural } from "../../format.ts";
import type { ChangeKind, ChangeList, ChangeNoise, Differences } from "../../generated/etcdsnap_inspector.js";
import type { Session } from "../../session.svelte.ts";
import { CallStopped } from "../../store.svelte.ts";
import type { ChangeLine, Differing } from "../../worker/calls.ts";

/** The other side of a comparison. */
export interface ComparisonTarget {
  /** The other file; null for another revision of this one. */
  other: Session | null;
  /** The revision of the other side; 0 for the latest. */
  revision: bigint;
}

/** The state of a session that a comparison depends on. */
function versionOf({ store }: Session): string {
  return `${store.version} ${store.decryptVersion}`;
}

/** A comparison: first of the keys, then of the values of changed objects, which shows which changes are noise. */
export class ComparisonRun {
  readonly target: ComparisonTarget;
  readonly version: string;
  readonly answer: Promise<Differences>;
  /** Number of changed objects whose values are compared; 0 until the keys are compared. */
  objects = $state(0);
  /** Number of those that are left. */
  left = $state(0);
  #skipped = false;

  constructor(session: Session, target: ComparisonTarget) {
    this.target = target;
    this.version = versionOf(session);
    this.answer = this.#run(session);
  }

  /** Stops comparing values. Changes that are not known to be noise are listed. */
  skipValues(): void {
    this.#skipped = true;
  }

  async #run(session: Session): Promise<Differences> {
    const { other, revision } = this.target;
    const { store } = session;
    const found = await store.call("compare", { other: other?.file ?? null, revision });
    let { noise } = found;
    this.objects = noise.left;
    while (noise.left > 0 && !this.#skipped) {
      this.left = noise.left;
      noise = await store.call("compareValues", {});
      // The worker has the changes of the newest comparison only.
      if (last.get(session) !== this) throw new CallStopped("Another comparison was started.");
    }
    return { ...found, noise };
  }
}

/** The last comparison of each session. The worker keeps its result, so that returning to the view reads nothing again. */
const last = new WeakMap<Session, ComparisonRun>();

export function lastTarget(session: Session): ComparisonTarget | null {
  return last.get(session)?.target ?? null;
}

/** Compares, or returns the last comparison if it was the same. */
export function compare(session: Session, target: ComparisonTarget): ComparisonRun {
  const before = last.get(session);
  if (before !== undefined && before.target.other === target.other && before.target.revision === target.revision && before.version === versionOf(session)) return before;
  // An unfinished comparison would delay this one.
  session.store.stop("compare");
  const run = new ComparisonRun(session, target);
  last.set(session, run);
  run.answer.catch(() => {
    if (last.get(session) === run) last.delete(session);
  });
  return run;
}

/** Lists changes; kinds and counts are those that the page shows. */
export async function listChanges({ store }: Session, differing: Differing): Promise<ChangeList> {
  const { kinds, turned } = differing;
  const list = await store.call("changeList", { differing: { ...differing, kinds: turned ? kinds.map(reversedKind) : kinds } });
  return turned ? reversed(list) : list;
}

/** Returns lines of the list; with `all`, as if every group were open. */
export async function changeLines({ store }: Session, turned: boolean, from: number, count: number, all: boolean): Promise<ChangeLine[]> {
  const lines = await store.call("changes", { from, count, all });
  return turned ? lines.map(reversedLine) : lines;
}

/** Returns a result with the older side first, if the other side is the older one. */
export function inTime(found: Differences, otherFirst: boolean): Differences {
  return otherFirst ? { ...reversed(found), noise: reversed(found.noise) } : found;
}

/** Reverses the sides of counts. */
function reversed<Counts extends { added: number; removed: number }>(counts: Counts): Counts {
  return { ...counts, added: counts.removed, removed: counts.added };
}

function reversedKind(kind: ChangeKind): ChangeKind {
  return kind === "added" ? "removed" : kind === "removed" ? "added" : "changed";
}

function reversedLine(line: ChangeLine): ChangeLine {
  return "kind" in line ? { ...line, kind: reversedKind(line.kind), before: line.after, after: line.before } : reversed(line);
}

/** Summarizes the result in one sentence. Noise counts as unchanged, and is named beside the sentence. */
export function comparisonSentence({ added, removed, changed, unchanged, noise }: Differences): string {
  const parts = [
    { number: added - noise.added, word: "added" },
    { number: removed - noise.removed, word: "removed" },
    { number: changed - noise.changed, word: "changed" },
  ].filter(({ number }) => number > 0);
  const [first, ...others] = parts;
  if (first === undefined) return noiseCount(noise) === 0 ? "Both sides have the same keys and values." : "Both sides have the same keys and values, apart from noise.";
  const start = `${count(first.number)} ${first.number === 1 ? "key was" : "keys were"} ${first.word}`;
  const what = [start, ...others.map(({ number, word }) => `${count(number)} ${word}`)].join(", ");
  return `${what}; ${unchanged === 0 ? "nothing" : count(unchanged)} unchanged.`;
}

export function noiseCount({ added, removed, changed }: ChangeNoise): number {
  return added + removed + changed;
}

/** Names what the noise consists of: `2 Leases, 1 Event`. */
export function noiseText({ leases, events, managedFields, alike }: ChangeNoise): string {
  return [
    { number: leases, text: plural(leases, "Lease") },
    { number: events, text: plural(events, "Event") },
    { number: managedFields, text: plural(managedFields, "object that differs in managedFields alone", "objects that differ in managedFields alone") },
    { number: alike, text: plural(alike, "object whose fields are alike", "objects whose fields are alike") },
  ]
    .filter(({ number }) => number > 0n)
    .map(({ text }) => text)
    .join(", ");
}
