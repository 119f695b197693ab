import { count, plural } from "./format.ts";
import type { Report } from "./generated/etcdsnap_inspector.js";
import type { Session } from "./session.svelte.ts";

/** The three verdicts, and the states before and without one. */
export type Tone = "sound" | "warnings" | "damaged" | "busy" | "stopped";

/** The sign of each tone. It accompanies the colour everywhere, so that colour alone never carries the meaning. */
export const SIGNS: Record<Tone, string> = { sound: "✓", warnings: "!", damaged: "✗", busy: "…", stopped: "–" };

export function toneOf(session: Session): Tone {
  if (session.report !== null) return session.report.verdict;
  return session.state === "working" || session.state === "waiting" ? "busy" : "stopped";
}

/** Describes the state of a session in a word or two. */
export function toneWord(session: Session): string {
  if (session.report !== null) return session.report.verdict;
  switch (session.state) {
    case "waiting":
      return "waiting";
    case "working":
      return `${session.progress.percent} %`;
    case "failed":
      return "not read";
    default:
      return "cancelled";
  }
}

/** Tells whether the file is not a snapshot at all. */
export function isForeign(report: Report): boolean {
  return report.findings.some((finding) => finding.code === "not-a-snapshot");
}

/** Says in one sentence what the verdict means for the user. */
export function verdictSentence(report: Report): string {
  if (isForeign(report)) return "This is not an etcd snapshot.";
  switch (report.verdict) {
    case "sound":
      return "This snapshot can be restored.";
    case "warnings":
      return "This snapshot can be restored; read the warnings first.";
    case "damaged":
      return "Do not restore from this file yet.";
  }
}

/** Lists the evidence for the verdict in short clauses. */
export function evidence(report: Report): string[] {
  const { sha256, status, findingCounts } = report;
  const out: string[] = [];
  if (sha256.present && sha256.actual !== null) {
    out.push(sha256.expected === sha256.actual ? "SHA-256 matches" : "SHA-256 does not match");
  } else if (!isForeign(report)) out.push("no SHA-256 in the file");
  const other = Object.entries(findingCounts).filter(([code]) => !OF_THE_TRAILER.has(code) && code !== "not-a-snapshot");
  const sum = other.reduce((total, [, number]) => total + number, 0n);
  if (sum > 0n) out.push(plural(sum, "finding in the database", "findings in the database"));
  else if (status !== null && status.complete) out.push("structure sound");
  if (status !== null) {
    out.push(status.version === "" ? "written before etcd 3.6" : `storage version ${status.version}`);
    if (!status.complete) out.push("part of it could not be read");
  }
  return out;
}

const OF_THE_TRAILER = new Set(["trailer-missing", "sha256-mismatch", "file-truncated", "file-lengthened"]);

/** The findings with one code. */
export interface CodeGroup {
  code: string;
  total: bigint;
  /** Indexes of the stored findings in the report. */
  indexes: number[];
}

/** Groups findings by code: damage before warnings, otherwise in the order of the report. */
export function groupByCode(report: Report): CodeGroup[] {
  const groups = new Map<string, CodeGroup>();
  report.findings.forEach((finding, place) => {
    const group = groups.get(finding.code);
    if (group !== undefined) group.indexes.push(place);
    else groups.set(finding.code, { code: finding.code, total: report.findingCounts[finding.code] ?? 1n, indexes: [place] });
  });
  const weight = (group: CodeGroup) => (report.findings[group.indexes[0] ?? 0]?.severity === "damage" ? 0 : 1);
  return [...groups.values()].sort((a, b) => weight(a) - weight(b));
}

/** Tells whether all findings of a group are consequences of other damage. */
export function isConsequence(report: Report, { indexes }: CodeGroup): boolean {
  return indexes.every((place) => report.findings[place]?.because !== undefined);
}

/** Describes where a finding is: `page 77, offset 315 392 (0x4d000)`. */
export function findingPlace(report: Report, index: number): string {
  const finding = report.findings[index];
  if (finding === undefined) return "";
  const parts: string[] = [];
  if (finding.page !== null) parts.push(`page ${count(finding.page)}`);
  if (finding.offset !== null) parts.push(`offset ${count(finding.offset)} (0x${finding.offset.toString(16)})`);
  return parts.join(", ");
}

/** Returns a finding as one line of text, for the clipboard. */
export function findingText(report: Report, index: number): string {
  const finding = report.findings[index];
  if (finding === undefined) return "";
  const where = findingPlace(report, index);
  const key = finding.key === undefined ? "" : `, key ${finding.key}`;
  const because = finding.because === undefined ? "" : `; follows from ${finding.because}`;
  return `${finding.severity} ${finding.code}: ${finding.message}${where === "" ? "" : ` (${where}${key})`}${because}`;
}
