import type { ChangeKind } from "../../generated/etcdsnap_inspector.js";
import { perSession } from "../../per_session.ts";
import type { Differing } from "../../worker/calls.ts";
import { Sort } from "../columns/sort.svelte.ts";
import { KINDS } from "./change_signs.ts";

/** Which changes of a comparison are listed, and how. */
export class ChangeSelection {
  kinds = $state.raw<ReadonlySet<ChangeKind>>(new Set(KINDS));
  /** A search for keys. */
  text = $state("");
  /** Whether noise is listed. */
  noise = $state(false);
  grouped = $state(false);
  readonly sort = new Sort<Differing["by"]>("key");

  constructor(grouped: boolean) {
    this.grouped = grouped;
  }

  toggle(kind: ChangeKind): void {
    const next = new Set(this.kinds);
    if (!next.delete(kind)) next.add(kind);
    this.kinds = next;
  }

  /** Returns the request for the worker. `turned` tells whether the other side is the earlier one. */
  differing(text: string, turned: boolean): Differing {
    return { kinds: KINDS.filter((kind) => this.kinds.has(kind)), text, noise: this.noise, grouped: this.grouped, by: this.sort.by, down: this.sort.down, turned };
  }
}

/** Returns the selection of a session: by default grouped if there are Kubernetes objects. */
export const changeSelectionOf = perSession((session) => new ChangeSelection(session.store.facts?.hasObjects === true));
