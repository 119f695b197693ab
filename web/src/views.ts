import type { Component } from "svelte";
import Cluster from "./components/cluster/Cluster.svelte";
import Compare from "./components/compare/Compare.svelte";
import Findings from "./components/Findings.svelte";
import Keys from "./components/keys/Keys.svelte";
import Overview from "./components/Overview.svelte";
import Pages from "./components/pages/Pages.svelte";
import Restore from "./components/restore/Restore.svelte";
import Space from "./components/space/Space.svelte";
import type { Session } from "./session.svelte.ts";

export type ViewId = "overview" | "keys" | "space" | "compare" | "cluster" | "findings" | "pages" | "restore";

/** A view of the page. The order of `views` is the order of the shortcut keys `1 2 …`. */
export interface View {
  id: ViewId;
  label: string;
  component: Component<{ session: Session }>;
  /** A number that the navigation shows beside the label. */
  badge?: (session: Session) => bigint;
}

export const views: View[] = [
  { id: "overview", label: "Overview", component: Overview },
  { id: "keys", label: "Keys", component: Keys },
  { id: "space", label: "Space", component: Space },
  { id: "compare", label: "Compare", component: Compare },
  { id: "cluster", label: "Cluster", component: Cluster },
  { id: "findings", label: "Findings", component: Findings, badge: (session) => findingCount(session) },
  { id: "pages", label: "Pages", component: Pages },
  { id: "restore", label: "Restore", component: Restore },
];

/** Returns the number of findings, including those that the report counts but does not list. */
export function findingCount({ report }: Session): bigint {
  return report === null ? 0n : Object.values(report.findingCounts).reduce((sum, count) => sum + count, 0n);
}
