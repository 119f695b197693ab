import type { CodeInfo, CopyOrder, FileSummary, LostKind, Report } from "../generated/etcdsnap_inspector.js";
import type { ReturnedBuffer, Block, BlocksEnd, Unpacked } from "./feed.ts";

/** The first message to a worker: its file and its task. Without `browse` or `rewrite`, the worker computes the verdict. */
export interface Request {
  file: File;
  /** The compiled wasm module. */
  module: WebAssembly.Module;
  /** Opens the store in the file and answers calls (see `calls.ts`). */
  browse?: true;
  /** Makes a new file from this one. */
  rewrite?: CopyOrder;
  /** Whether the keys, or the new file, come from the tree of the older meta page. */
  older?: boolean;
  /** Whether the verdict worker passes its bytes to the key worker (see `feed.ts`); both get the same value. */
  fed?: boolean;
}

/** The phase of a verdict: reading the file, unpacking it to a copy, or reading some pages again. */
export type Phase = "read" | "unpack" | "reread";

/** Messages from a worker to the page, in this order; `progress` any number of times. */
export type Message =
  | { kind: "codes"; codes: CodeInfo[] }
  | { kind: "summary"; summary: FileSummary; compression: Compression | null }
  | { kind: "progress"; phase: Phase; done: number; total: number }
  | { kind: "report"; report: Report; lost: LostKind[]; bytes: number; seconds: number }
  | { kind: "failed"; failure: Failure }
  | Unpacked
  | Block
  | BlocksEnd
  | ReturnedBuffer;

/** Compression formats that the page opens. */
export type Compression = "gzip" | "zip" | "zstd";

/** Describes an unexpected error in the worker. A new worker may succeed. */
export function unexpectedFailure(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  return { message, action: "Try again. If it happens again, this is a bug in etcdsnap: please report it.", workerStopped: true };
}

/** Why a task failed: what happened, and what to do. */
export interface Failure {
  message: string;
  action: string;
  /** Whether the worker itself stopped, so that a new one may succeed. */
  workerStopped: boolean;
  /** Whether the file has no keys to read, so that trying again does not help. */
  refused?: boolean;
}
