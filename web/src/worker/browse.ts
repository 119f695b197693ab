import { type StoreOpening, StoreView } from "../generated/etcdsnap_inspector.js";
import type { Ask, Call, CallName, Calls, Stop, StoreMessage } from "./calls.ts";
import type { BlockReceiver } from "./feed.ts";
import { unpackedBlob } from "./inspect.ts";
import type { Message } from "./messages.ts";
import { bytesIn, open, readAll } from "./steps.ts";

/** Progress is reported at most this often. */
const PROGRESS_EVERY_MS = 50;

type Post = (message: StoreMessage | Message, transfer?: Transferable[]) => void;
type Handlers = { [K in CallName]: (ask: Ask<K>) => Calls[K][1] | Promise<Calls[K][1]> };

/** Ends a call that the page has stopped. */
class CallAbandoned extends Error {}

/** Opens the store in a file (`older` chooses the tree of the older meta page), then answers calls one after the other. Bytes that `fed` does not deliver are read from the file. */
export async function browse(file: File, older: boolean, fed: BlockReceiver | null, post: Post): Promise<void> {
  let last = -Infinity;
  /** The number of the call that is being answered. */
  let current = 0;
  /** The numbers of the calls to stop. */
  const stopped = new Set<number>();
  const check = (): void => {
    if (stopped.has(current)) throw new CallAbandoned();
  };
  const reportProgress = (done: number, total: number): void => {
    check();
    const now = performance.now();
    if (now - last < PROGRESS_EVERY_MS && done < total) return;
    last = now;
    post({ kind: "progress", done, total });
  };
  // For a compressed file, the verdict worker sends its unpacked copy; otherwise it sends blocks.
  const own = (await fed?.unpacked()) ?? (await unpackedBlob(file, post));
  const view = new StoreView(await open(own, older, check));
  const read = (of: Blob = own): Promise<void> => readAll(view, of, reportProgress);
  const postUnlessStopped: Post = (message) => {
    check();
    post(message);
  };
  const opened = async (other: File): Promise<[Blob, StoreOpening]> => {
    const blob = await unpackedBlob(other, postUnlessStopped);
    return [blob, await open(blob, false, check)];
  };
  const handlers = handlersOf(view, own, read, opened, reportProgress);
  view.beginKeys(0n);
  if (fed !== null) {
    for await (const { at, bytes } of fed.blocks()) {
      view.push(at, bytes);
      reportProgress(at + bytes.byteLength, own.size);
    }
  }
  await read();
  const facts = view.finishKeys();
  let before = Promise.resolve();
  let isBroken = false;
  self.onmessage = ({ data }: MessageEvent<Call | Stop>) => {
    if ("stop" in data) {
      // A call that was already answered cannot be stopped.
      if (data.stop >= current) stopped.add(data.stop);
      return;
    }
    before = before.then(async () => {
      if (isBroken) return;
      current = data.number;
      try {
        if (!stopped.has(current)) await answer(handlers, data, post);
        if (stopped.delete(current)) view.giveUp();
      } catch (error) {
        // The state of this worker is unknown now: the page ends it and starts another.
        isBroken = true;
        post({ kind: "broke", number: current, reason: error instanceof Error ? error.message : String(error) });
      }
    });
  };
  post({ kind: "opened", facts });
}

async function answer(handlers: Handlers, { number, name, ask }: Call, post: Post): Promise<void> {
  try {
    const answer = await handlers[name](ask as never);
    post({ kind: "answer", number, answer });
  } catch (error) {
    if (isFatal(error)) throw error;
    if (error instanceof CallAbandoned) return;
    post({ kind: "refused", number, message: error instanceof Error ? error.message : String(error) });
  }
}

/** Tells whether an error interrupted the wasm, so that its state is inconsistent: a trap, no memory, or a stack overflow. */
function isFatal(error: unknown): boolean {
  return error instanceof WebAssembly.RuntimeError || error instanceof RangeError || (error as { name?: unknown }).name === "InternalError";
}

/** Maximum length of an EncryptionConfiguration, in bytes. */
const MAX_CONFIGURATION = 4 * 1024 * 1024;

/** Returns the text of a configuration. Only this worker reads the file. */
async function configurationText(configuration: File | string | null): Promise<string | undefined> {
  if (configuration === null || typeof configuration === "string") return configuration ?? undefined;
  if (configuration.size > MAX_CONFIGURATION) throw new Error(`${configuration.name} is too large for an EncryptionConfiguration.`);
  return configuration.text();
}

function handlersOf(view: StoreView, file: Blob, read: (of?: Blob) => Promise<void>, opened: (other: File) => Promise<[Blob, StoreOpening]>, reportProgress: (done: number, total: number) => void): Handlers {
  const own = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => bytes as Uint8Array<ArrayBuffer>;
  /** Finds the last states of deleted objects; does so only once. */
  const lastStates = async (): Promise<void> => {
    if (!view.beginLastStates()) return;
    await read();
    view.finishLastStates();
  };
  /** The other file of the last comparison. */
  let compared = file;
  return {
    at: async ({ revision }) => {
      view.beginKeys(revision);
      await read();
      return view.finishKeys();
    },
    search: async ({ line, show, order }) => {
      if (view.beginSearch(line)) await read();
      return view.finishSearch(show, order);
    },
    rows: ({ from, count }) => view.rows(from, count),
    tree: () => view.tree(),
    lines: ({ from, count }) => view.lines(from, count),
    toggle: ({ line }) => view.toggle(line),
    reveal: ({ id }) => view.reveal(id),
    find: ({ key }) => view.find(key),
    value: ({ id }) => own(view.value(id)),
    history: async ({ id }) => {
      view.beginHistory(id);
      await read();
      return view.finishHistory();
    },
    valueAt: ({ page, index }) => own(view.valueAt(page, index)),
    message: ({ bytes }) => view.message(bytes),
    about: () => view.about(),
    usage: ({ prefix }) => view.usage(prefix),
    compare: async ({ other, revision }) => {
      view.endComparison();
      const [blob, opening] = other === null ? [] : await opened(other);
      view.beginCompare(opening, revision);
      await read(blob);
      compared = blob ?? file;
      return view.finishCompare();
    },
    compareValues: async () => {
      const { here, there } = view.wantedValues();
      const [bytes, otherBytes] = await Promise.all([bytesIn(file, here), bytesIn(compared, there)]);
      return view.compareValues(here, bytes, there, otherBytes);
    },
    changeList: ({ differing }) => view.changeList(differing),
    toggleChanges: ({ line }) => view.toggleChanges(line),
    changes: ({ from, count, all }) => view.changes(from, count, all),
    sides: ({ key }) => view.sides(key),
    cluster: () => view.cluster(),
    page: ({ page }) => view.page(page),
    pagePlace: ({ page }) => view.pagePlace(page),
    pageMap: () => view.pageMap(),
    pageBytes: ({ page }) => own(view.pageBytes(page)),
    objectKinds: ({ kind, namespace }) => view.objectKinds(kind, namespace),
    objectList: async ({ scope, order }) => {
      if (scope.show !== "live") await lastStates();
      return view.objectList(scope, order);
    },
    objectRows: ({ from, count }) => view.objectRows(from, count),
    objectText: ({ key, bytes, revision, showing }) => view.objectText(key, bytes, revision, showing),
    openedValue: ({ key, bytes }) => {
      const opened = view.openedValue(key, bytes);
      return opened === undefined ? null : own(opened);
    },
    objectChanges: ({ key, old, new: young, showing }) => view.objectChanges(key, old, young, showing),
    related: async ({ uid }) => {
      view.beginRelated(uid);
      await read();
      return view.finishRelated(uid);
    },
    times: ({ revisions }) => view.times(BigInt64Array.from(revisions)),
    decrypt: async ({ configuration }) => {
      view.beginDecryption(await configurationText(configuration));
      await read();
      return view.finishDecryption();
    },
    manifests: async (ask) => {
      await lastStates();
      const total = view.beginManifests(ask);
      const parts: BlobPart[] = [];
      for (;;) {
        const { bytes, left } = view.writeManifests();
        parts.push(bytes);
        reportProgress(total - left, total);
        if (left === 0) break;
        // Allows stopping between two pieces.
        await new Promise((resolve) => setTimeout(resolve));
      }
      const { bytes, answer } = view.finishManifests();
      parts.push(bytes);
      return { blob: new Blob(parts, { type: ask.zip ? "application/zip" : "application/yaml" }), answer };
    },
    hashkv: async ({ revision }) => {
      view.beginHash(revision);
      await read();
      return view.finishHash();
    },
  };
}
