import type { CodeInfo, CopyOrder, LostKind, Peek, Report } from "../generated/etcdsnap_inspector.js";
import type { Back, Block, BlocksEnd, Unpacked } from "./feed.ts";

/** What the page asks of a worker: the one file it exists for. */
export interface Request {
  file: File;
  /** The inspector. */
  module: WebAssembly.Module;
  /** To open the store inside it for calls (see `calls.ts`), instead of judging it. */
  browse?: true;
  /** To make a new file of it. */
  rewrite?: CopyOrder;
  /** Of a worker that judges: to hand on what it reads. Of one that browses: that it is handed what another one reads (see `feed.ts`). */
  fed?: boolean;
}

/** What is being done to the file: read once, or, where a packed one needs it, unpacked to a copy first. */
export type Phase = "read" | "unpack" | "settle";

/** What a worker tells the page, in this order; `progress` any number of times. */
export type Message =
  | { kind: "codes"; codes: CodeInfo[] }
  | { kind: "peek"; peek: Peek; packed: Packing | null }
  | { kind: "progress"; phase: Phase; done: number; total: number }
  | { kind: "report"; report: Report; lost: LostKind[]; bytes: number; seconds: number }
  | { kind: "failed"; failure: Failure }
  | Unpacked
  | Block
  | BlocksEnd
  | Back;

/** The packings that are opened. */
export type Packing = "gzip" | "zip" | "zstd";

/** What happened when the worker itself broke: a new one may fare better. */
export function broken(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  return { message, action: "Try once more. If it happens again, this file has met a mistake in etcdsnap: please report it.", broken: true };
}

/** Why there is no report: what happened, and what to do now. */
export interface Failure {
  message: string;
  action: string;
  /** The worker itself broke, so a new one may fare better. */
  broken: boolean;
  /** The file has no keys to look at: trying again would say the same. */
  refused?: boolean;
}
