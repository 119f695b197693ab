import type { RevisionTime } from "./generated/etcdsnap_inspector.js";

/** Formats times in UTC, as the terminal prints them. */

/** Formats a time for display: `2026-03-09 10:04:12 UTC`. */
export function stamp(seconds: bigint): string {
  return `${iso(seconds).slice(0, 19).replace("T", " ")} UTC`;
}

/** Formats a time as RFC 3339: `2026-03-09T10:04:12Z`; empty if it is out of range. */
export function iso(seconds: bigint): string {
  const date = new Date(Number(seconds) * 1000);
  return Number.isNaN(date.getTime()) ? "" : `${date.toISOString().slice(0, 19)}Z`;
}

/** Describes when a revision was written, with the uncertainty. */
export function about({ seconds, within }: RevisionTime): string {
  return within === null ? `about ${stamp(seconds)} or later` : `${stamp(seconds)} (± ${span(within)})`;
}

/** Formats seconds in the largest unit that is exact to a few percent: `20 s`, `12 min`, `3 h`, `40 d`. */
export function span(seconds: bigint): string {
  const value = Number(seconds);
  if (value < 120) return `${value} s`;
  if (value < 7200) return `${Math.ceil(value / 60)} min`;
  if (value < 172_800) return `${Math.ceil(value / 3600)} h`;
  return `${Math.ceil(value / 86_400)} d`;
}
