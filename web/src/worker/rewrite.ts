import { type CopyMade, type CopyOrder, rewriteFile } from "../generated/etcdsnap_inspector.js";
import { judge, plain, throttled } from "./inspect.ts";
import type { Message } from "./messages.ts";
import { Unreadable } from "./unpack.ts";

/** Bytes of a SHA-256, which stands behind the database. */
const TRAILER = 32;

type Post = (message: Message | RewriteMessage) => void;

/** What the worker tells that makes a new file, beside its progress. */
export type RewriteMessage = { kind: "made"; file: Blob; made: CopyMade };

/** Makes a new file out of one, and judges it before it is handed out. The browser keeps its parts, on the disk where there are many. */
export async function rewrite(file: File, order: CopyOrder, post: Post): Promise<void> {
  const own = await plain(file, post as (message: Message) => void);
  let done = 0;
  const tell = throttled(post);
  const parts: Blob[] = [];
  const { metas, made } = rewriteFile(
    own,
    order,
    (bytes: Uint8Array<ArrayBuffer>) => parts.push(new Blob([bytes])),
    (bytes: number) => tell("read", Math.min((done += bytes), own.size), own.size),
  );
  const database = new Blob([metas, ...parts]);
  // The place of the SHA-256 is still empty: that does not match, and all else has to.
  const whole = new Blob([database, new Uint8Array(TRAILER)]);
  const report = await judge(whole, null, (phase, at, total) => {
    if (phase === "read") tell("settle", at, total);
  });
  const bad = report.findings.find(({ severity, code }) => severity === "damage" && code !== "sha256-mismatch");
  const digest = report.sha256.actual;
  if (bad !== undefined || digest === null) {
    throw new Unreadable(`The new file is not sound and was not kept: ${bad?.message ?? "it could not be hashed"}.`, "Please report it: this file has met a mistake in etcdsnap.");
  }
  const trailer = Uint8Array.from(digest.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
  post({ kind: "made", file: new Blob([database, trailer]), made });
}
