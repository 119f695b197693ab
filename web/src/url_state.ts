import { openSample } from "./files.ts";
import { type Session, sessions } from "./session.svelte.ts";
import { type ViewId, views } from "./views.ts";

/*
 * The part of the address after `#` contains the view, the file's name and the selection, so that Back and Forward work. A browser cannot open a file by its name, so after
 * a reload the rest of the address takes effect once a file of that name is opened. The sample opens by itself.
 */

/** The name of the sample file in the address. */
const SAMPLE = "sample.db";

/** Returns the address of a session's view and selection. */
export function addressOf({ title, view, key, objects, kind, namespace, prefix, page, offset, selected }: Session): string {
  const parts = new URLSearchParams({ file: title });
  if (view === "keys" && key !== null) parts.set("key", key);
  if (view === "keys" && objects) {
    parts.set("objects", kind ?? "");
    if (namespace !== null) parts.set("namespace", namespace);
  }
  if (view === "space" && prefix !== "") parts.set("prefix", prefix);
  if (view === "pages") parts.set("page", page.toString());
  if (view === "pages" && offset !== null) parts.set("offset", offset.toString());
  if (view === "findings" && selected !== null) parts.set("finding", selected.toString());
  return `#${view}?${parts}`;
}

/** Writes the session's view and selection into the address, as a step that Back undoes. */
export function writeAddress(session: Session): void {
  const address = addressOf(session);
  if (address === location.hash) return;
  // The first selection in a view is part of the step that opened the view.
  const step = viewOf(address) === viewOf(location.hash) && fileOf(address) === fileOf(location.hash) && !hasSelection(location.hash);
  if (step) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
}

/** Applies an address, if the file that it names is open. */
export function openAddress(address: string): void {
  const [session] = [...sessions.list].reverse().filter(({ title }) => title === fileOf(address));
  if (session === undefined) return;
  sessions.currentId = session.id;
  apply(session, address);
}

/** The address with which the page was loaded, until its file is opened. */
let pendingAddress: string | null = null;

/** Returns the name of the file in the address, if it is not open yet. */
export function awaitedFile(): string | null {
  return pendingAddress === null || fileOf(pendingAddress) === SAMPLE ? null : fileOf(pendingAddress);
}

/** Remembers the address with which the page was loaded; opens the sample if it names that. */
export async function restoreAddress(): Promise<void> {
  if (viewOf(location.hash) === null) return;
  pendingAddress = location.hash;
  if (fileOf(pendingAddress) === SAMPLE) sessions.open([await openSample()]);
}

/** Applies the remembered address to a file that was just opened. */
export function applyPendingAddress(session: Session): void {
  if (pendingAddress === null || fileOf(pendingAddress) !== session.title) return;
  const address = pendingAddress;
  pendingAddress = null;
  apply(session, address);
}

function apply(session: Session, address: string): void {
  const view = viewOf(address);
  if (view === null) return;
  const parts = partsOf(address);
  session.view = view;
  if (view === "keys") {
    session.key = parts.get("key");
    session.objects = parts.has("objects");
    session.kind = parts.get("objects") || null;
    session.namespace = parts.get("namespace");
  }
  if (view === "space") session.prefix = parts.get("prefix") ?? "";
  if (view === "pages") {
    session.page = numberIn(parts, "page") ?? 0n;
    session.offset = numberIn(parts, "offset");
  }
  if (view === "findings") session.selected = /^\d{1,9}$/.test(parts.get("finding") ?? "") ? Number(parts.get("finding")) : null;
}

function numberIn(parts: URLSearchParams, name: string): bigint | null {
  const digits = /^\d{1,19}$/.exec(parts.get(name) ?? "")?.[0];
  return digits === undefined ? null : BigInt(digits);
}

function viewOf(address: string): ViewId | null {
  const name = /^#([a-z]+)\?/.exec(address)?.[1];
  return views.find(({ id }) => id === name)?.id ?? null;
}

function partsOf(address: string): URLSearchParams {
  return new URLSearchParams(address.slice(address.indexOf("?") + 1));
}

function fileOf(address: string): string | null {
  return partsOf(address).get("file");
}

/** Tells whether the address contains more than view and file. */
function hasSelection(address: string): boolean {
  return [...partsOf(address).keys()].some((name) => name !== "file");
}
