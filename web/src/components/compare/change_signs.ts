import type { ChangeKind } from "../../generated/etcdsnap_inspector.js";

/** The sign of each kind of change. */
export const SIGNS: Readonly<Record<ChangeKind, string>> = { added: "+", removed: "−", changed: "~" };

/** The kinds of changes in the order of the page. */
export const KINDS = ["added", "removed", "changed"] as const satisfies readonly ChangeKind[];
