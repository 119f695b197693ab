import { Inspector, peek, type Report, type ScanError } from "../generated/etcdsnap_inspector.js";
import type { Message, Packing, Phase } from "./messages.ts";
import { pieces } from "./read.ts";
import { unpack, type Unpacking } from "./unpack.ts";

type Post = (message: Message) => void;

/** Progress is told at most this often. */
const TELL_EVERY_MS = 50;
/** Parts of an unpacked copy: browsers move blobs of this size to the disk. */
const PART = 64 * 1024 * 1024;

/** Judges one file, and tells the page of each step. */
export async function inspect(file: File, post: Post): Promise<void> {
  const started = performance.now();
  const first = peek(file);
  const packed = packing(first.kind);
  post({ kind: "peek", peek: first, packed });
  const tell = throttled(post);
  const report = packed === null ? await judge(file, tell) : await judgePacked(file, packed, tell);
  post({ kind: "report", report, bytes: file.size, seconds: (performance.now() - started) / 1000 });
}

type Tell = (phase: Phase, done: number, total: number) => void;

/** One read of a file with random access. */
async function judge(blob: Blob, tell: Tell): Promise<Report> {
  const inspector = new Inspector();
  let done = 0;
  for await (const piece of pieces(blob)) {
    inspector.push(piece);
    done += piece.byteLength;
    tell("read", done, blob.size);
  }
  return settle(inspector, blob, blob.size, tell);
}

/** One read of a packed file; a second one, to a copy with random access, only where damage asks for it. */
async function judgePacked(file: Blob, packed: Packing, tell: Tell): Promise<Report> {
  const unpacked = await unpack(file, packed);
  if ("blob" in unpacked) return judge(unpacked.blob, tell);
  const { stream } = unpacked;
  const inspector = new Inspector();
  let taken = 0;
  for await (const piece of stream.start((bytes) => (taken = bytes))) {
    inspector.push(piece);
    tell("read", taken, stream.total);
  }
  try {
    return settle(inspector, undefined, stream.total, tell);
  } catch (error) {
    if ((error as Partial<ScanError>).kind !== "consumed") throw error;
    return judge(await copy(stream, tell), tell);
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
  const packed = packing(peek(file).kind);
  if (packed === null) return file;
  const unpacked = await unpack(file, packed);
  return "blob" in unpacked ? unpacked.blob : copy(unpacked.stream, throttled(post));
}

/** Unpacks into a blob. */
async function copy(stream: Unpacking, tell: Tell): Promise<Blob> {
  const parts: Blob[] = [];
  let pending: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  let taken = 0;
  const flush = () => {
    parts.push(new Blob(pending));
    pending = [];
    size = 0;
  };
  for await (const piece of stream.start((bytes) => (taken = bytes))) {
    pending.push(piece);
    size += piece.byteLength;
    if (size >= PART) flush();
    tell("unpack", taken, stream.total);
  }
  flush();
  return new Blob(parts);
}

function packing(kind: string): Packing | null {
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
