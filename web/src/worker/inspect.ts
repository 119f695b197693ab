import { Inspector, lostKinds, summarize, type Report } from "../generated/etcdsnap_inspector.js";
import type { BlockSender } from "./feed.ts";
import type { Message, Compression, Phase } from "./messages.ts";
import { PIECE, pieces } from "./read.ts";
import { CompressedFile } from "./unpack.ts";

type Post = (message: Message) => void;

/** Progress is reported at most this often. */
const PROGRESS_EVERY_MS = 50;
/** Bytes of one part of an unpacked copy. */
const PART = 16 * 1024 * 1024;

/** Computes the verdict on a file and reports each step to the page. Passes the bytes on to the key worker through `feed`. */
export async function inspect(file: File, feed: BlockSender | null, post: Post): Promise<void> {
  const started = performance.now();
  const first = summarize(file);
  const compression = compressionOf(first.kind);
  post({ kind: "summary", summary: first, compression });
  const reportProgress = throttled(post);
  const report = compression === null ? await verifyBlob(file, feed, reportProgress) : await verifyPacked(new CompressedFile(file, compression), feed, reportProgress, post);
  const lost = report.lost === null ? [] : lostKinds(report.lost.keys);
  post({ kind: "report", report, lost, bytes: file.size, seconds: (performance.now() - started) / 1000 });
}

type ReportProgress = (phase: Phase, done: number, total: number) => void;

/** Computes the report on a file with random access. Reads the file once, or twice if the first read exceeded its memory. */
export async function verifyBlob(blob: Blob, feed: BlockSender | null, reportProgress: ReportProgress): Promise<Report> {
  const inspector = new Inspector();
  do {
    let done = 0;
    for await (const piece of pieces(blob, () => feed?.buffer() ?? new ArrayBuffer(PIECE))) {
      if (!inspector.push(piece)) break;
      const at = done;
      done += piece.byteLength;
      reportProgress("read", done, blob.size);
      await feed?.give(at, piece);
    }
    feed?.end();
  } while (inspector.again());
  return finishReport(inspector, blob, blob.size, reportProgress);
}

/** Computes the report on a compressed file. It is unpacked once; the copy is used for a second read, and by the key worker. */
async function verifyPacked(compressed: CompressedFile, feed: BlockSender | null, reportProgress: ReportProgress, post: Post): Promise<Report> {
  const stored = compressed.stored();
  if (stored !== null) return verifyBlob(stored, feed, reportProgress);
  const { size } = compressed.file;
  const inspector = new Inspector();
  const copy = new Copy();
  let wanted = true;
  for (const piece of compressed.pieces((taken) => reportProgress("read", taken, size))) {
    wanted = inspector.push(piece);
    if (!wanted) break;
    // Lets the browser store the part.
    if (copy.add(piece)) await new Promise((resolve) => setTimeout(resolve));
  }
  const blob = copy.blob();
  // If the data continues after the snapshot, it is not unpacked to its end, so the copy is incomplete.
  if (wanted) post({ kind: "unpacked", blob });
  feed?.end();
  let again = inspector.again();
  while (again) {
    for await (const piece of pieces(blob)) if (!inspector.push(piece)) break;
    again = inspector.again();
  }
  return finishReport(inspector, blob, size, reportProgress);
}

/** Finishes the report. Reads again only the pages that were not kept in memory. */
function finishReport(inspector: Inspector, blob: Blob | undefined, total: number, reportProgress: ReportProgress): Report {
  let done = 0;
  reportProgress("reread", 0, total);
  return inspector.finish(blob, (bytes: number) => {
    done += bytes;
    reportProgress("reread", done, total);
  });
}

/** Returns a blob with the uncompressed bytes of a file. A compressed file is unpacked first. */
export async function unpackedBlob(file: File, post: Post): Promise<Blob> {
  const compression = compressionOf(summarize(file).kind);
  if (compression === null) return file;
  const compressed = new CompressedFile(file, compression);
  return compressed.stored() ?? unpackedCopy(compressed, throttled(post));
}

/** Unpacks a compressed file into a blob. */
async function unpackedCopy(compressed: CompressedFile, reportProgress: ReportProgress): Promise<Blob> {
  const copy = new Copy();
  for (const piece of compressed.pieces((taken) => reportProgress("unpack", taken, compressed.file.size))) {
    // Lets the worker receive a message to stop.
    if (copy.add(piece)) await new Promise((resolve) => setTimeout(resolve));
  }
  return copy.blob();
}

/** Collects unpacked bytes in a blob. The browser keeps large blobs on the disk. */
class Copy {
  readonly #parts: Blob[] = [];
  #pending: Uint8Array<ArrayBuffer>[] = [];
  #size = 0;

  /** Appends bytes; returns true if they completed a part. */
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

function compressionOf(kind: string): Compression | null {
  return kind === "gzip" || kind === "zip" || kind === "zstd" ? kind : null;
}

/** Returns a function that reports progress: the start of each phase immediately, otherwise at most every 50 ms. */
export function throttled(post: Post): ReportProgress {
  let last = -Infinity;
  let lastPhase: Phase | null = null;
  return (phase, done, total) => {
    const now = performance.now();
    if (phase === lastPhase && now - last < PROGRESS_EVERY_MS) return;
    last = now;
    lastPhase = phase;
    post({ kind: "progress", phase, done, total });
  };
}
