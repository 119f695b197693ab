import { type CopyMade, type CopyOrder, Inspector, type Report, rewriteFile } from "../generated/etcdsnap_inspector.js";
import { plain } from "./inspect.ts";
import type { Message } from "./messages.ts";
import { pieces } from "./read.ts";
import { Unreadable } from "./unpack.ts";

/** Bytes of a SHA-256, which stands behind the database. */
const TRAILER = 32;
/** Progress is told at most this often. */
const TELL_EVERY_MS = 50;

type Post = (message: Message | RewriteMessage) => void;

/** What the worker tells that makes a new file, beside its progress. */
export type RewriteMessage = { kind: "made"; file: Blob; made: CopyMade; report: Report };

/** Makes a new file out of one, and judges it before it is handed out. The browser keeps its parts, on the disk where there are many. */
export async function rewrite(file: File, order: CopyOrder, post: Post): Promise<void> {
  const own = await plain(file, post as (message: Message) => void);
  let last = -Infinity;
  let done = 0;
  const tell = (phase: "read" | "settle", done: number, total: number): void => {
    const now = performance.now();
    if (now - last < TELL_EVERY_MS) return;
    last = now;
    post({ kind: "progress", phase, done: Math.min(done, total), total });
  };
  const parts: Blob[] = [];
  const { metas, made } = rewriteFile(
    own,
    order,
    (bytes: Uint8Array<ArrayBuffer>) => parts.push(new Blob([bytes])),
    (bytes: number) => tell("read", (done += bytes), own.size),
  );
  const database = new Blob([metas, ...parts]);
  const report = await judged(database, (at, total) => tell("settle", at, total));
  const bad = report.findings.find(({ severity, code }) => severity === "damage" && code !== "sha256-mismatch");
  const digest = report.sha256.actual;
  if (bad !== undefined || digest === null) {
    throw new Unreadable(`The new file is not sound and was not kept: ${bad?.message ?? "it could not be hashed"}.`, "Please report it: this file has met a mistake in etcdsnap.");
  }
  const trailer = Uint8Array.from(digest.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
  post({ kind: "made", file: new Blob([database, trailer]), made, report });
}

/** The judgement of a database behind which the place of its SHA-256 is still empty: that does not match, and all else has to. */
async function judged(database: Blob, tell: (done: number, total: number) => void): Promise<Report> {
  const whole = new Blob([database, new Uint8Array(TRAILER)]);
  const inspector = new Inspector();
  do {
    let done = 0;
    for await (const piece of pieces(whole)) {
      if (!inspector.push(piece)) break;
      done += piece.byteLength;
      tell(done, whole.size);
    }
  } while (inspector.again());
  return inspector.finish(whole, () => {});
}
