import type { KeyEvent, KeyRow, RevisionTime } from "../generated/etcdsnap_inspector.js";
import { iso } from "../moments.ts";
import type { SavedColumn } from "./list_file.ts";

/** Formats the ID of a lease like etcdctl; null for none. */
export function leaseOf(lease: bigint): string | null {
  return lease === 0n ? null : BigInt.asUintN(64, lease).toString(16);
}

/** The columns of keys, as `etcdsnap keys -w json` and `etcdsnap export` have them. */
export const KEY_COLUMNS: SavedColumn<KeyRow>[] = [
  { name: "key", of: ({ key }) => key, key: true },
  { name: "modRevision", of: ({ revision }) => revision },
  { name: "createRevision", of: ({ deleted, createRevision }) => (deleted ? null : createRevision) },
  { name: "version", of: ({ deleted, version }) => (deleted ? null : version) },
  { name: "lease", of: ({ lease }) => leaseOf(lease) },
  { name: "deleted", of: ({ deleted }) => deleted },
  { name: "valueBytes", of: ({ deleted, valueBytes }) => (deleted ? null : valueBytes) },
];

/** An event with its approximate time. */
export interface TimedEvent {
  event: KeyEvent;
  time: RevisionTime | null;
}

/** The columns of the events of a key, as `etcdsnap history -w json` has them. */
export const EVENT_COLUMNS: SavedColumn<TimedEvent>[] = [
  { name: "revision", of: ({ event }) => event.revision },
  { name: "sub", of: ({ event }) => event.sub },
  { name: "time", of: ({ time }) => (time === null ? null : iso(time.seconds)) },
  { name: "timeWithinSeconds", of: ({ time }) => time?.within },
  { name: "event", of: ({ event: { deletion, version } }) => (deletion ? "delete" : version === 1n ? "create" : "put") },
  { name: "createRevision", of: ({ event }) => (event.deletion ? null : event.createRevision) },
  { name: "version", of: ({ event }) => (event.deletion ? null : event.version) },
  { name: "valueBytes", of: ({ event }) => (event.deletion ? null : event.valueBytes) },
  { name: "lease", of: ({ event }) => (event.deletion ? null : leaseOf(event.lease)) },
];
