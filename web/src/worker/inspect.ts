import { Inspector, lostKinds, peek, type Report } from "../generated/etcdsnap_inspector.js";
import type { Feed } from "./feed.ts";
import type { Message, Packing, Phase } from "./messages.ts";
import { PIECE, pieces } from "./read.ts";
import { Packed } from "./unpack.ts";

type Post = (message: Message) => void;

/** Progress is told at most this often. */
const TELL_EVERY_MS = 50;
/** Parts of an unpacked copy. */
const PART = 16 * 1024 * 1024;

/** Judges one file, and tells the page of each step; hands on what it reads of it. */
export async function inspect(file: File, feed: Feed | null, post: Post): Promise<void> {
  const started = performance.now();
  const first = peek(file);
  const packing = packingOf(first.kind);
  post({ kind: "peek", peek: first, packed: packing });
  const tell = throttled(post);
  const report = packing === null ? await judge(file, feed, tell) : await judgePacked(new Packed(file, packing), feed, tell, post);
  const lost = report.lost === null ? [] : lostKinds(report.lost.keys);
  post({ kind: "report", report, lost, bytes: file.size, seconds: (performance.now() - started) / 1000 });
}

type Tell = (phase: Phase, done: number, total: number) => void;

/** One read of a file with random access; another one when the first had no room for all that it met. */
export async function judge(blob: Blob, feed: Feed | null, tell: Tell): Promise<Report> {
  const inspector = new Inspector();
  do {
    let done = 0;
    for await (const piece of pieces(blob, () => feed?.fresh() ?? new ArrayBuffer(PIECE))) {
      if (!inspector.push(piece)) break;
      const at = done;
      done += piece.byteLength;
      tell("read", done, blob.size);
      await feed?.give(at, piece);
    }
    feed?.end();
  } while (inspector.again());
  return settle(inspector, blob, blob.size, tell);
}

/** The same of a packed file. It is unpacked once: what is read for the verdict is kept as a copy, for what asks for a second look and for the worker that looks for the keys. */
async function judgePacked(packed: Packed, feed: Feed | null, tell: Tell, post: Post): Promise<Report> {
  const stored = packed.stored();
  if (stored !== null) return judge(stored, feed, tell);
  const { size } = packed.file;
  const inspector = new Inspector();
  const copy = new Copy();
  let wanted = true;
  for (const piece of packed.pieces((taken) => tell("read", taken, size))) {
    wanted = inspector.push(piece);
    if (!wanted) break;
    // The browser takes the parts over meanwhile.
    if (copy.add(piece)) await new Promise((resolve) => setTimeout(resolve));
  }
  const blob = copy.blob();
  // What goes on behind a snapshot is not unpacked to its end, and no copy of it is whole.
  if (wanted) post({ kind: "unpacked", blob });
  feed?.end();
  let again = inspector.again();
  while (again) {
    for await (const piece of pieces(blob)) if (!inspector.push(piece)) break;
    again = inspector.again();
  }
  return settle(inspector, blob, size, tell);
}

/** The report over what was read; reads again only what the sweep did not keep. */
function settle(inspector: Inspector, blob: Blob | undefined, total: number, tell: Tell): Report {
  let done = 0;
  tell("settle", 0, total);
  return inspector.finish(blob, (bytes: number) => {
    done += bytes;
    tell("settle", done, total);
  });
}

/** A file's own bytes with random access: a packed one is unpacked first. */
export async function plain(file: File, post: Post): Promise<Blob> {
  const packing = packingOf(peek(file).kind);
  if (packing === null) return file;
  const packed = new Packed(file, packing);
  return packed.stored() ?? unpackedCopy(packed, throttled(post));
}

/** Unpacks into a blob. */
async function unpackedCopy(packed: Packed, tell: Tell): Promise<Blob> {
  const copy = new Copy();
  for (const piece of packed.pieces((taken) => tell("unpack", taken, packed.file.size))) {
    // Lets the worker hear that it is to stop.
    if (copy.add(piece)) await new Promise((resolve) => setTimeout(resolve));
  }
  return copy.blob();
}

/** A copy of unpacked bytes that the browser keeps, on the disk where they are many. */
class Copy {
  readonly #parts: Blob[] = [];
  #pending: Uint8Array<ArrayBuffer>[] = [];
  #size = 0;

  /** Takes the next bytes; whether a part was finished with them. */
  add(piece: Uint8Array<ArrayBuffer>): boolean {
    this.#pending.push(piece);
    this.#size += piece.byteLength;
    if (this.#size < PART) return false;
    this.#flush();
    return true;
  }

  blob(): Blob {
    this.#flush();
    return new Blob(this.#parts);
  }

  #flush(): void {
    this.#parts.push(new Blob(this.#pending));
    this.#pending = [];
    this.#size = 0;
  }
}

function packingOf(kind: string): Packing | null {
  return kind === "gzip" || kind === "zip" || kind === "zstd" ? kind : null;
}

/** Tells progress not too often, but each phase as it begins. */
export function throttled(post: Post): Tell {
  let last = -Infinity;
  let lastPhase: Phase | null = null;
  return (phase, done, total) => {
    const now = performance.now();
    if (phase === lastPhase && now - last < TELL_EVERY_MS) return;
    last = now;
    lastPhase = phase;
    post({ kind: "progress", phase, done, total });
  };
}
