import type { ClusterPermission } from "../../generated/etcdsnap_inspector.js";

/** The end of a range that has none, as etcd writes it: one zero byte. */
const NO_END = '"\\x00"';

/** The keys of a permission, as a person would say it. */
export function keysOf({ key, rangeEnd }: ClusterPermission): string {
  if (rangeEnd === "") return `one key: ${key}`;
  if (rangeEnd === NO_END) return key === "" || key === NO_END ? "all keys" : `from ${key} on`;
  return next(key) === rangeEnd ? `prefix ${key}` : `from ${key} to before ${rangeEnd}`;
}

/** The first key behind all that begin with a key: its last character raised by one. Only for keys that show as they are. */
function next(key: string): string | null {
  const last = key.charCodeAt(key.length - 1);
  return key.startsWith('"') || !(last >= 0x21 && last < 0x7e) ? null : key.slice(0, -1) + String.fromCharCode(last + 1);
}
