import { count, plural } from "./format.ts";
import type { LostHistory, RevisionRange } from "./generated/etcdsnap_inspector.js";

/** Most ranges or prefixes in a sentence. */
const FIRST = 5;

/** Describes the lost history of keys, in the same sentences as the terminal. */
export function lostSentences(lost: LostHistory): string[] {
  const out: string[] = [];
  if (lost.missingCount > 0n) {
    out.push(`${plural(lost.missingCount, "revision is", "revisions are")} missing: ${ranges(lost.missing)}.`);
  }
  if (lost.unreadable.length > 0) {
    out.push(`Unreadable pages held the retained entries of revisions ${ranges(lost.unreadable)}.`);
  }
  if (lost.keyCount > 0n) {
    const prefixes = lost.prefixes.map(({ prefix, keys }) => `${prefix || "other keys"} (${count(keys)})`);
    out.push(`${plural(lost.keyCount, "key shows", "keys show")} gaps in their history: ${first(prefixes)}.`);
  }
  out.push("A key that lost all its entries cannot be named.");
  return out;
}

function ranges(ranges: RevisionRange[]): string {
  return first(
    ranges.map(({ from, to }) => {
      if (to === null) return from > 1n ? `${count(from)} up to the last` : "up to the last";
      return to === from ? count(to) : `${count(from)} to ${count(to)}`;
    }),
  );
}

function first(items: string[]): string {
  const more = items.length - FIRST;
  return more > 0 ? `${items.slice(0, FIRST).join(", ")} and ${plural(more, "more", "more")}` : items.join(", ");
}
