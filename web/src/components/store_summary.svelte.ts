import type { About, Cluster, UsageAnswer } from "../generated/etcdsnap_inspector.js";
import type { Store } from "../store.svelte.ts";

/** Facts from the keys of a file, for Overview. Loads them once the store is open; does not open it. */
export class StoreSummary {
  about = $state.raw<About | null>(null);
  cluster = $state.raw<Cluster | null>(null);
  /** The largest prefixes, if there are no Kubernetes objects. */
  usage = $state.raw<UsageAnswer | null>(null);
  /** Whether missing facts will stay unknown, because the keys cannot be read or a call failed. */
  ended = $state(false);
  #round = 0;

  /** Loads the facts if the store is open. */
  load(store: Store): void {
    this.#round += 1;
    const round = this.#round;
    this.ended = store.state === "failed" || store.state === "cancelled";
    if (store.state !== "open") {
      [this.about, this.cluster, this.usage] = [null, null, null];
      return;
    }
    const isLate = (): boolean => round !== this.#round;
    const loadFacts = async (): Promise<void> => {
      const [about, cluster] = await Promise.all([store.call("about", {}), store.call("cluster", {})]);
      if (isLate()) return;
      [this.about, this.cluster] = [about, cluster];
      if (about.objects > 0n) return;
      let found = await store.call("usage", { prefix: "" });
      // A folder that contains only one folder is skipped.
      for (let only = found.groups[0]; found.groups.length === 1 && only?.folder === true && !isLate(); only = found.groups[0]) found = await store.call("usage", { prefix: only.prefix });
      if (!isLate()) this.usage = found;
    };
    // The views themselves report errors.
    loadFacts().catch(() => {
      if (!isLate()) this.ended = true;
    });
  }
}
