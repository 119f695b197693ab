import { Inspector, lostKinds, peek, type Report, type ScanError } from "../generated/etcdsnap_inspector.js";
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
  const report = packing === null ? await judge(file, feed, tell) : await judgePacked(new Packed(file, packing), feed, tell);
  const lost = report.lost === null ? [] : lostKinds(report.lost.keys);
  post({ kind: "report", report, lost, bytes: file.size, seconds: (performance.now() - started) / 1000 });
}

type Tell = (phase: Phase, done: number, total: number) => void;

/** One read of a file with random access; another one when the first had no room for all that it met. */
async function judge(blob: Blob, feed: Feed | null, tell: Tell): Promise<Report> {
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

/** The same of a packed file; a read of a copy with random access only where damage asks for it. */
async function judgePacked(packed: Packed, feed: Feed | null, tell: Tell): Promise<Report> {
  const stored = packed.stored();
  if (stored !== null) return judge(stored, feed, tell);
  feed?.end();
  const { size } = packed.file;
  const inspector = new Inspector();
  do packed.judge(inspector, (taken) => tell("read", taken, size));
  while (inspector.again());
  try {
    return settle(inspector, undefined, size, tell);
  } catch (error) {
    if ((error as Partial<ScanError>).kind !== "consumed") throw error;
    return judge(await copy(packed, tell), null, tell);
  }
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
  return packed.stored() ?? copy(packed, throttled(post));
}

/** Unpacks into a blob. */
async function copy(packed: Packed, tell: Tell): Promise<Blob> {
  const parts: Blob[] = [];
  let pending: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const flush = () => {
    parts.push(new Blob(pending));
    pending = [];
    size = 0;
  };
  for (const piece of packed.pieces((taken) => tell("unpack", taken, packed.file.size))) {
    pending.push(piece);
    size += piece.byteLength;
    if (size < PART) continue;
    flush();
    // Lets the worker hear that it is to stop.
    await new Promise((resolve) => setTimeout(resolve));
  }
  flush();
  return new Blob(parts);
}

function packingOf(kind: string): Packing | null {
  return kind === "gzip" || kind === "zip" || kind === "zstd" ? kind : null;
}

function throttled(post: Post): Tell {
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
