import type { About, Cluster, UsageAnswer } from "../generated/etcdsnap_inspector.js";
import type { Store } from "../store.svelte.ts";

/** What the keys say of a whole file. It reads nothing by itself: it waits until they are read. */
export class Summary {
  about = $state.raw<About | null>(null);
  cluster = $state.raw<Cluster | null>(null);
  /** The largest prefixes, where there are no objects of Kubernetes. */
  usage = $state.raw<UsageAnswer | null>(null);
  /** Whether nothing more will be known: the keys cannot be read, or not all of it could be answered. */
  ended = $state(false);
  #round = 0;

  /** Asks a store, once it is open. */
  follow(store: Store): void {
    this.#round += 1;
    const round = this.#round;
    this.ended = store.state === "failed" || store.state === "cancelled";
    if (store.state !== "open") {
      [this.about, this.cluster, this.usage] = [null, null, null];
      return;
    }
    const isLate = (): boolean => round !== this.#round;
    const load = async (): Promise<void> => {
      const [about, cluster] = await Promise.all([store.call("about", {}), store.call("cluster", {})]);
      if (isLate()) return;
      [this.about, this.cluster] = [about, cluster];
      if (about.objects > 0n) return;
      let found = await store.call("usage", { prefix: "" });
      // A folder that holds nothing but one folder says nothing.
      for (let only = found.groups[0]; found.groups.length === 1 && only?.folder === true && !isLate(); only = found.groups[0]) found = await store.call("usage", { prefix: only.prefix });
      if (!isLate()) this.usage = found;
    };
    // What fails says so in its own view.
    load().catch(() => {
      if (!isLate()) this.ended = true;
    });
  }
}
