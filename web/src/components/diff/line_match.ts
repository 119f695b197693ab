import { diffArrays } from "diff";

/** A line of a diff. Line numbers start at 1; null on the side without the line. */
export interface DiffLine {
  kind: "same" | "removed" | "added";
  before: number | null;
  after: number | null;
  text: string;
  /** The part that differs from the corresponding line; empty without one. */
  from: number;
  to: number;
}

/** The diff of two texts. */
export interface DiffResult {
  rows: DiffLine[];
  added: number;
  removed: number;
  /** Whether the texts differ too much to match lines: all old lines are removed, then all new ones added. */
  coarse: boolean;
}

/** The time limit in milliseconds, because the user waits. */
const MILLISECONDS = 300;
const MOST_EDITS = 4000;

/** Computes the diff of two texts. */
export function diffLines(before: string[], after: string[]): DiffResult {
  // Equal lines at both ends need not be matched.
  const head = countEqual(Math.min(before.length, after.length), (at) => before[at] === after[at]);
  const tail = countEqual(Math.min(before.length, after.length) - head, (at) => before.at(-1 - at) === after.at(-1 - at));
  const old = before.slice(head, before.length - tail);
  const young = after.slice(head, after.length - tail);
  const found = diffArrays(old, young, { timeout: MILLISECONDS, maxEditLength: MOST_EDITS });
  const parts = found ?? [
    { value: old, removed: true, added: false },
    { value: young, removed: false, added: true },
  ];

  const out: DiffResult = { rows: [], added: 0, removed: 0, coarse: found === undefined };
  let [left, right] = [0, 0];
  const put = (kind: DiffLine["kind"], text: string): void => {
    if (kind !== "added") left += 1;
    if (kind !== "removed") right += 1;
    out.rows.push({ kind, text, before: kind === "added" ? null : left, after: kind === "removed" ? null : right, from: 0, to: 0 });
  };
  for (const text of before.slice(0, head)) put("same", text);
  for (const part of parts) {
    const kind = part.added ? "added" : part.removed ? "removed" : "same";
    if (kind !== "same") out[kind] += part.value.length;
    for (const text of part.value) put(kind, text);
  }
  for (const text of before.slice(before.length - tail)) put("same", text);
  if (!out.coarse) markPairs(out.rows);
  return out;
}

/** Counts indexes from 0 for which `alike` holds. */
function countEqual(most: number, alike: (at: number) => boolean): number {
  let at = 0;
  while (at < most && alike(at)) at += 1;
  return at;
}

/** Pairs removed lines with added ones where their numbers are equal, and marks the difference in each pair. */
function markPairs(rows: DiffLine[]): void {
  for (let at = 0; at < rows.length; ) {
    const removed = countKind(rows, at, "removed");
    const added = countKind(rows, at + removed, "added");
    if (removed === added) for (let index = at; index < at + removed; index += 1) markPair(rows[index], rows[index + removed]);
    at += Math.max(1, removed + added);
  }
}

function countKind(rows: DiffLine[], from: number, kind: DiffLine["kind"]): number {
  let at = from;
  while (rows[at]?.kind === kind) at += 1;
  return at - from;
}

function markPair(old: DiffLine | undefined, young: DiffLine | undefined): void {
  if (old === undefined || young === undefined) return;
  const [a, b] = [old.text, young.text];
  let head = countEqual(Math.min(a.length, b.length), (at) => a[at] === b[at]);
  let tail = countEqual(Math.min(a.length, b.length) - head, (at) => a.at(-1 - at) === b.at(-1 - at));
  // Lines with little in common are different lines, not a changed one.
  if ((head + tail) * 3 < Math.max(a.length, b.length)) return;
  // Does not split a surrogate pair.
  if (/[\ud800-\udbff]/.test(a[head - 1] ?? "")) head -= 1;
  if (/[\udc00-\udfff]/.test(a.at(-tail) ?? "")) tail -= 1;
  [old.from, old.to] = [head, a.length - tail];
  [young.from, young.to] = [head, b.length - tail];
}
