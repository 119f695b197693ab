import type { Finding, KeyRow, Report } from "./generated/etcdsnap_inspector.js";
import type { Session } from "./session.svelte.ts";

const known = new WeakMap<Report, ReadonlyMap<bigint, Finding>>();

/** Returns the damaged pages that a report lists, each with its first finding. */
function damagedPages(report: Report): ReadonlyMap<bigint, Finding> {
  let pages = known.get(report);
  if (pages === undefined) {
    const damage = report.findings.filter(({ severity, page }) => severity === "damage" && page !== null);
    pages = new Map(damage.toReversed().map((finding) => [finding.page ?? 0n, finding]));
    known.set(report, pages);
  }
  return pages;
}

/** Returns why the newest entry of a key is in doubt: the damage of the page that contains it. The older tree is intact. */
export function doubtOf({ report, store }: Session, { page }: KeyRow): Finding | undefined {
  return report === null || store.older || report.verdict !== "damaged" ? undefined : damagedPages(report).get(page);
}
