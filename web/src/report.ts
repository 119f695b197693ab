import { save } from "./files.ts";
import { hash } from "./format.ts";
import { toJson } from "./json.ts";
import type { Session } from "./session.svelte.ts";
import { evidence, toneWord } from "./verdict.ts";

/** Saves the report as `etcdsnap verify -w json` prints it. */
export function saveReport(session: Session): void {
  if (session.report === null) return;
  save(`${session.file.name}.report.json`, `${toJson({ file: session.file.name, ...session.report })}\n`);
}

/** Summarizes the report in a few lines, for a chat or a ticket. */
export function plainSummary(session: Session): string {
  const { report, name } = session;
  const lines = [`${name}: ${toneWord(session)}`];
  if (report === null) return lines.join("\n");
  lines.push(evidence(report).join(", "));
  const { status, sha256 } = report;
  if (status !== null) {
    lines.push(
      `hash ${hash(status.hash)}, revision ${status.revision}, ${status.totalKey} keys, ${status.totalSize} bytes, version ${status.version || "none"}`,
    );
  }
  if (sha256.actual !== null) lines.push(`sha256 ${sha256.actual}`);
  for (const [code, total] of Object.entries(report.findingCounts)) lines.push(`${code}: ${total}`);
  return lines.join("\n");
}
