import type { Store } from "../../store.svelte.ts";

/** Returns the lines of the YAML of the Kubernetes object in a value; null if there is none. Leaves out managedFields, and the resourceVersion, which always differs. */
export async function objectLines(store: Store, key: string, bytes: Uint8Array, secrets: boolean): Promise<string[] | null> {
  if (store.facts?.hasObjects !== true) return null;
  const object = await store.call("objectText", { key, bytes, revision: 0n, showing: { secrets, managedFields: false } });
  const yaml = object?.yaml ?? null;
  return yaml === null ? null : yaml.replace(/\n$/, "").split("\n");
}
