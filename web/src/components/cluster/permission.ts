import type { ClusterPermission } from "../../generated/etcdsnap_inspector.js";

/** The end of an open range, as etcd stores it: one zero byte. */
const NO_END = '"\\x00"';

/** Describes the keys of a permission in words. */
export function describeKeys({ key, rangeEnd }: ClusterPermission): string {
  if (rangeEnd === "") return `one key: ${key}`;
  if (rangeEnd === NO_END) return key === "" || key === NO_END ? "all keys" : `from ${key} on`;
  return prefixEnd(key) === rangeEnd ? `prefix ${key}` : `from ${key} to before ${rangeEnd}`;
}

/** Returns the first key after all keys with a prefix: the prefix with its last character increased by one. Null if the key is displayed in quotes. */
function prefixEnd(key: string): string | null {
  const last = key.charCodeAt(key.length - 1);
  return key.startsWith('"') || !(last >= 0x21 && last < 0x7e) ? null : key.slice(0, -1) + String.fromCharCode(last + 1);
}
