import type { Component } from "svelte";
import Findings from "./components/Findings.svelte";
import Overview from "./components/Overview.svelte";
import type { Session } from "./session.svelte.ts";

export type ViewId = "overview" | "findings";

/** A room of the rail. The order is that of the keys `1 2 …`. */
export interface View {
  id: ViewId;
  label: string;
  component: Component<{ session: Session }>;
  /** What the rail shows beside the label. */
  badge?: (session: Session) => bigint;
}

export const views: View[] = [
  { id: "overview", label: "Overview", component: Overview },
  { id: "findings", label: "Findings", component: Findings, badge: (session) => findingCount(session) },
];

/** How many findings there were, those not kept included. */
export function findingCount({ report }: Session): bigint {
  return report === null ? 0n : Object.values(report.findingCounts).reduce((sum, count) => sum + count, 0n);
}
