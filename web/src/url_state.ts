import { openSample } from "./files.ts";
import { type Session, sessions } from "./session.svelte.ts";
import { type ViewId, views } from "./views.ts";

/*
 * The place one is at stands in the address behind `#`: the view, the file by its name, and what is selected there. Back and forward lead from place to place. A file cannot
 * be named so that a browser would open it again, so after a reload the place waits until a file of that name is opened; the sample opens by itself.
 */

/** The sample's name, as the address has it. */
const SAMPLE = "sample.db";

/** The address of where a session is. */
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

/** Puts the place into the address, as a step that Back undoes. */
export function note(session: Session): void {
  const address = addressOf(session);
  if (address === location.hash) return;
  // What was selected on the way to here is no step of its own.
  const step = viewOf(address) === viewOf(location.hash) && fileOf(address) === fileOf(location.hash) && !deep(location.hash);
  if (step) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
}

/** Goes to where the address says, if a file of its name is open. */
export function follow(address: string): void {
  const [session] = [...sessions.list].reverse().filter(({ title }) => title === fileOf(address));
  if (session === undefined) return;
  sessions.currentId = session.id;
  apply(session, address);
}

/** What the address said when the page was loaded, until its file is opened. */
let waiting: string | null = null;

/** The file that the address asks for and that is not open yet. */
export function awaitedFile(): string | null {
  return waiting === null || fileOf(waiting) === SAMPLE ? null : fileOf(waiting);
}

/** Takes up the address the page was loaded with. */
export async function begin(): Promise<void> {
  if (viewOf(location.hash) === null) return;
  waiting = location.hash;
  if (fileOf(waiting) === SAMPLE) sessions.open([await openSample()]);
}

/** Leads a file that was just opened to where the address says. */
export function resume(session: Session): void {
  if (waiting === null || fileOf(waiting) !== session.title) return;
  const address = waiting;
  waiting = null;
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

/** Whether the address says more than view and file. */
function deep(address: string): boolean {
  return [...partsOf(address).keys()].some((name) => name !== "file");
}
