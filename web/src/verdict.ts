import { count, plural } from "./format.ts";
import type { Report } from "./generated/etcdsnap_inspector.js";
import type { Session } from "./session.svelte.ts";

/** The three signals, and the two states that are none of them. */
export type Tone = "sound" | "warnings" | "damaged" | "busy" | "stopped";

/** The sign of a tone, which stands beside its word wherever its colour does. */
export const SIGNS: Record<Tone, string> = { sound: "✓", warnings: "!", damaged: "✗", busy: "…", stopped: "–" };

export function tone(session: Session): Tone {
  if (session.report !== null) return session.report.verdict;
  return session.state === "working" || session.state === "waiting" ? "busy" : "stopped";
}

/** A tone in a word or two. */
export function toneWord(session: Session): string {
  if (session.report !== null) return session.report.verdict;
  switch (session.state) {
    case "waiting":
      return "waiting";
    case "working":
      return `${session.pace.percent} %`;
    case "failed":
      return "not read";
    default:
      return "cancelled";
  }
}

/** Whether the file is something else than a snapshot. */
export function isForeign(report: Report): boolean {
  return report.findings.some((finding) => finding.code === "not-a-snapshot");
}

/** What the verdict means for the person who holds the file: the words after `Sound.` and the like. */
export function sentence(report: Report): string {
  if (isForeign(report)) return "This is no etcd snapshot.";
  switch (report.verdict) {
    case "sound":
      return "This snapshot can be restored.";
    case "warnings":
      return "This snapshot can be restored; read the warnings first.";
    case "damaged":
      return "Do not rely on this file before you have read what is wrong.";
  }
}

/** The evidence for the verdict, in short clauses. */
export function evidence(report: Report): string[] {
  const { sha256, status, findingCounts } = report;
  const out: string[] = [];
  if (sha256.present && sha256.actual !== null) {
    out.push(sha256.expected === sha256.actual ? "sha256 matches" : "sha256 does not match");
  } else if (!isForeign(report)) out.push("no sha256 in the file");
  const other = Object.entries(findingCounts).filter(([code]) => !OF_THE_TRAILER.has(code) && code !== "not-a-snapshot");
  const sum = other.reduce((total, [, number]) => total + number, 0n);
  if (sum > 0n) out.push(plural(sum, "finding in the database", "findings in the database"));
  else if (status !== null && status.complete) out.push("structure sound");
  if (status !== null) {
    out.push(status.version === "" ? "written before etcd 3.6" : `storage version ${status.version}`);
    if (!status.complete) out.push("not all of it could be read");
  }
  return out;
}

const OF_THE_TRAILER = new Set(["trailer-missing", "sha256-mismatch", "file-truncated", "file-lengthened"]);

/** Findings of one code. */
export interface Group {
  code: string;
  total: bigint;
  /** Places in the report of those kept. */
  places: number[];
}

/** Findings by code: damage before warnings, then in the order of the report. */
export function grouped(report: Report): Group[] {
  const groups = new Map<string, Group>();
  report.findings.forEach((finding, place) => {
    const group = groups.get(finding.code);
    if (group !== undefined) group.places.push(place);
    else groups.set(finding.code, { code: finding.code, total: report.findingCounts[finding.code] ?? 1n, places: [place] });
  });
  const weight = (group: Group) => (report.findings[group.places[0] ?? 0]?.severity === "damage" ? 0 : 1);
  return [...groups.values()].sort((a, b) => weight(a) - weight(b));
}

/** Whether all findings of a group only follow from other damage. */
export function isConsequence(report: Report, { places }: Group): boolean {
  return places.every((place) => report.findings[place]?.because !== undefined);
}

/** Where a finding is, in words: `page 77, bytes 315 392 to 319 487`. */
export function place(report: Report, index: number): string {
  const finding = report.findings[index];
  if (finding === undefined) return "";
  const parts: string[] = [];
  if (finding.page !== null) parts.push(`page ${count(finding.page)}`);
  if (finding.offset !== null) parts.push(`offset ${count(finding.offset)} (0x${finding.offset.toString(16)})`);
  return parts.join(", ");
}

/** A finding as text to hand on. */
export function findingText(report: Report, index: number): string {
  const finding = report.findings[index];
  if (finding === undefined) return "";
  const where = place(report, index);
  const key = finding.key === undefined ? "" : `, key ${finding.key}`;
  const because = finding.because === undefined ? "" : `; follows from ${finding.because}`;
  return `${finding.severity} ${finding.code}: ${finding.message}${where === "" ? "" : ` (${where}${key})`}${because}`;
}
