import type { Store } from "../../store.svelte.ts";

/** The YAML of the object of Kubernetes in a value, line by line, without who set which field, and without its revision, which differs whenever something does; null where there is none. */
export async function objectLines(store: Store, key: string, bytes: Uint8Array, secrets: boolean): Promise<string[] | null> {
  if (store.facts?.hasObjects !== true) return null;
  const object = await store.call("objectText", { key, bytes, revision: 0n, showing: { secrets, managedFields: false } });
  const yaml = object?.yaml ?? null;
  return yaml === null ? null : yaml.replace(/\n$/, "").split("\n");
}
