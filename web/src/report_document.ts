import { changeSelectionOf } from "./components/compare/change_selection.svelte.ts";
import { changeLines, compare, comparisonSentence, inTime, lastTarget, listChanges, noiseCount, noiseText } from "./components/compare/comparison_run.svelte.ts";
import { share } from "./components/space/measure.ts";
import { spaceSteps } from "./components/space/space_steps.ts";
import { saveBlob } from "./files.ts";
import { age, count, hash, plural, size } from "./format.ts";
import { lostSentences } from "./lost.ts";
import { about as moment } from "./moments.ts";
import { printable } from "./printable.ts";
import type { Session } from "./session.svelte.ts";
import { evidence, isForeign, findingPlace, verdictSentence } from "./verdict.ts";

/** A readable report in one self-contained file: what the views show, with the commands that help. */

type Part = { kind: "heading" | "words" | "code"; text: string } | { kind: "table"; head: string[]; rows: string[][] };

/** Most rows in a table. */
const MOST = 100;

/** Saves the report of a file as an HTML page or as Markdown. */
export async function saveDocument(session: Session, form: "html" | "md"): Promise<void> {
  const parts = await partsOf(session);
  const title = `etcdsnap report: ${session.name}`;
  const text = form === "html" ? toHtml(title, parts) : toMarkdown(title, parts);
  saveBlob(`${session.file.name}.report.${form}`.replaceAll("/", "-"), new Blob([text], { type: form === "html" ? "text/html" : "text/markdown" }));
}

async function partsOf(session: Session): Promise<Part[]> {
  const { report, store } = session;
  if (report === null) return [];
  const { status } = report;
  const parts: Part[] = [
    { kind: "words", text: `${report.verdict.toUpperCase()}. ${verdictSentence(report)}` },
    { kind: "words", text: `${evidence(report).join(" · ")}. Made ${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC by etcdsnap v${__VERSION__}.` },
  ];
  if (isForeign(report)) return [...parts, ...findings(session)];
  const open = store.state === "open";
  const [about, cluster, usage] = open ? await Promise.all([store.call("about", {}), store.call("cluster", {}), store.call("usage", { prefix: "" })]) : [null, null, null];
  const rows: string[][] = [["File size", `${count(session.file.size)} bytes`]];
  if (about !== null) rows.push(["State as of about", about.taken === null ? "unknown" : `${moment(about.taken)}, ${age(about.taken.seconds)}`], ["Contents", about.objects > 0n ? `Kubernetes: ${plural(about.objects, "object")}` : "no Kubernetes objects"]);
  if (status !== null) {
    rows.push(["Hash", hash(status.hash)], ["Revision", count(status.revision)], ["Compacted", status.compactedRevision === null ? "never" : count(status.compactedRevision)], ["Keys", count(status.totalKey)], ["Revisions stored", count(status.revisions)], ["Storage version", status.version || "none (etcd before 3.6)"], ["Database", `${count(status.totalSize)} bytes`], ["Free pages", `${count(status.freePages)} of ${count(status.pages)}`]);
  }
  if (report.sha256.actual !== null) rows.push(["SHA-256", report.sha256.actual]);
  if (cluster !== null) rows.push(["Members", cluster.members.map(({ name, id }) => name || id).join(", ") || "none"], ["Alarms", cluster.alarms.map(({ kind, member }) => `${kind} on ${member}`).join(", ") || "none"]);
  parts.push({ kind: "table", head: ["", ""], rows }, ...findings(session), ...lost(session));
  if (about !== null && usage !== null && store.facts !== null) {
    const whole = usage.total.liveBytes + usage.total.historyBytes;
    const groups = about.objects > 0n ? about.kinds.map(({ kind, sum }) => ({ name: kind, sum })) : usage.groups.map(({ prefix, sum }) => ({ name: prefix, sum }));
    parts.push({ kind: "heading", text: "Space" }, { kind: "table", head: [about.objects > 0n ? "Kind" : "Prefix", "Keys", "Live", "History", "Share"], rows: groups.slice(0, MOST).map(({ name, sum }) => [name, count(sum.keys), size(sum.liveBytes), size(sum.historyBytes), share(sum.liveBytes + sum.historyBytes, whole)]) });
    for (const { title, frees, words, text } of spaceSteps(store.facts, usage.total, status)) parts.push({ kind: "words", text: `${title}${frees === null ? "" : ` (frees ${size(frees)})`}. ${words}` }, { kind: "code", text });
    parts.push(...(await differences(session, store.facts.revision)));
  }
  return parts;
}

function findings(session: Session): Part[] {
  const { report } = session;
  if (report === null || report.findings.length === 0) return [];
  const rows = report.findings.slice(0, MOST).map((finding, index) => [finding.severity, finding.code, findingPlace(report, index), finding.message]);
  return [{ kind: "heading", text: "Findings" }, { kind: "table", head: ["Severity", "Code", "Where", "What is wrong"], rows }, ...more(report.findings.length)];
}

function lost({ report, lostKinds }: Session): Part[] {
  if (report === null || report.lost === null) return [];
  const parts: Part[] = [{ kind: "heading", text: "What is lost" }, ...lostSentences(report.lost).map((text): Part => ({ kind: "words", text }))];
  if (lostKinds.length > 0) parts.push({ kind: "table", head: ["Kind", "Namespace", "Keys affected"], rows: lostKinds.slice(0, MOST).map(({ kind, namespace, keys }) => [kind || "other keys", namespace, count(keys)]) });
  return parts;
}

/** Describes the last comparison, if there was one. */
async function differences(session: Session, revision: bigint): Promise<Part[]> {
  const target = lastTarget(session);
  if (target === null) return [];
  try {
    const found = await compare(session, target).answer;
    const otherFirst = target.other === null || session.side === null ? found.revision < revision : session.side === "later";
    const result = inTime(found, otherFirst);
    // The same list as in Compare, because the worker keeps only one.
    const selection = changeSelectionOf(session);
    const differing = selection.differing(selection.text, otherFirst);
    const list = await listChanges(session, differing);
    const lines = await changeLines(session, otherFirst, 0, MOST, true);
    const rows = lines.flatMap((line) => ("kind" in line ? [[line.kind, line.key]] : []));
    const sides = [`${session.name}, revision ${count(revision)}`, `${target.other?.name ?? session.name}, revision ${count(found.revision)}`];
    const [from, to] = otherFirst ? sides.toReversed() : sides;
    const noise = noiseCount(result.noise) === 0 ? "" : ` Noise: ${noiseText(result.noise)}.`;
    const left = differing.kinds.reduce((sum, kind) => sum + list[kind], 0) - rows.length;
    return [{ kind: "heading", text: "Differences" }, { kind: "words", text: `From ${from}, to ${to}. ${comparisonSentence(result)}${noise}` }, { kind: "table", head: ["Change", "Key"], rows }, ...more(left + MOST)];
  } catch {
    // The comparison was cancelled, or a file is gone: the report does without it.
    return [];
  }
}

function more(total: number): Part[] {
  return total > MOST ? [{ kind: "words", text: `And ${count(total - MOST)} more.` }] : [];
}

const ESCAPES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

function escaped(text: string): string {
  return printable(text).replaceAll(/[&<>"]/g, (sign) => ESCAPES[sign] ?? sign);
}

const STYLE = "body{font:14px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;margin:.5rem 0}td,th{text-align:start;vertical-align:top;padding:.15rem 1rem .15rem 0;border-bottom:1px solid #ccc;overflow-wrap:anywhere}pre{background:#f3f3f0;padding:.5rem .8rem;white-space:pre-wrap}h2{margin-top:1.6rem}";

function toHtml(title: string, parts: Part[]): string {
  const cells = (row: string[], tag: "td" | "th"): string => `<tr>${row.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join("")}</tr>`;
  const body = parts.map((part) => {
    switch (part.kind) {
      case "heading":
        return `<h2>${escaped(part.text)}</h2>`;
      case "words":
        return `<p>${escaped(part.text)}</p>`;
      case "code":
        return `<pre>${part.text.split("\n").map(escaped).join("\n")}</pre>`;
      case "table":
        return `<table>${part.head.every((cell) => cell === "") ? "" : `<thead>${cells(part.head, "th")}</thead>`}<tbody>${part.rows.map((row) => cells(row, "td")).join("\n")}</tbody></table>`;
    }
  });
  return `<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">\n<title>${escaped(title)}</title>\n<style>${STYLE}</style>\n<h1>${escaped(title)}</h1>\n${body.join("\n")}\n</html>\n`;
}

function toMarkdown(title: string, parts: Part[]): string {
  const plain = (text: string): string => printable(text).replaceAll(/[\\`*_[\]<>|#]/g, "\\$&");
  const row = (cells: string[]): string => `| ${cells.map(plain).join(" | ")} |`;
  const body = parts.map((part) => {
    switch (part.kind) {
      case "heading":
        return `## ${plain(part.text)}`;
      case "words":
        return plain(part.text);
      case "code":
        return `\`\`\`sh\n${part.text.split("\n").map(printable).join("\n")}\n\`\`\``;
      case "table":
        return [row(part.head), `|${part.head.map(() => " --- |").join("")}`, ...part.rows.map(row)].join("\n");
    }
  });
  return `# ${plain(title)}\n\n${body.join("\n\n")}\n`;
}
