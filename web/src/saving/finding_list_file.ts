import type { Finding, Report } from "../generated/etcdsnap_inspector.js";
import type { SavedColumn, SavedList } from "./list_file.ts";

/** The members of a finding in the report. */
const COLUMNS: SavedColumn<Finding>[] = [
  { name: "severity", of: ({ severity }) => severity },
  { name: "code", of: ({ code }) => code },
  { name: "page", of: ({ page }) => page },
  { name: "offset", of: ({ offset }) => offset },
  { name: "key", of: ({ key }) => key },
  { name: "message", of: ({ message }) => message },
  { name: "because", of: ({ because }) => because },
];

/** Returns the findings of a report as a list to save. */
export function findingListFile({ findings }: Report): SavedList<Finding> {
  return { what: "findings", columns: COLUMNS, total: findings.length, rows: () => [findings] };
}
