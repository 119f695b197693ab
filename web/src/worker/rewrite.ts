import { type CopyMade, type CopyOrder, rewriteFile } from "../generated/etcdsnap_inspector.js";
import { verifyBlob, unpackedBlob, throttled } from "./inspect.ts";
import type { Message } from "./messages.ts";
import { UnreadableFile } from "./unpack.ts";

/** Bytes of the SHA-256 at the end of a snapshot. */
const TRAILER = 32;

type Post = (message: Message | RewriteMessage) => void;

/** The result of a worker that makes a new file. */
export type RewriteMessage = { kind: "made"; file: Blob; made: CopyMade };

/** Makes a new file from an old one (`older` chooses the tree of the older meta page) and verifies it before it is saved. The browser keeps large files on the disk. */
export async function rewrite(file: File, order: CopyOrder, older: boolean, post: Post): Promise<void> {
  const own = await unpackedBlob(file, post as (message: Message) => void);
  let done = 0;
  const reportProgress = throttled(post);
  const parts: Blob[] = [];
  const { metas, made } = rewriteFile(
    own,
    order,
    older,
    (bytes: Uint8Array<ArrayBuffer>) => parts.push(new Blob([bytes])),
    (bytes: number) => reportProgress("read", Math.min((done += bytes), own.size), own.size),
  );
  const database = new Blob([metas, ...parts]);
  // The SHA-256 is still empty, so only the finding that it does not match is expected.
  const whole = new Blob([database, new Uint8Array(TRAILER)]);
  const report = await verifyBlob(whole, null, (phase, at, total) => {
    if (phase === "read") reportProgress("reread", at, total);
  });
  const bad = report.findings.find(({ severity, code }) => severity === "damage" && code !== "sha256-mismatch");
  const digest = report.sha256.actual;
  if (bad !== undefined || digest === null) {
    throw new UnreadableFile(`The new file is not sound and was not kept: ${bad?.message ?? "it could not be hashed"}.`, "This is a bug in etcdsnap: please report it.");
  }
  const trailer = Uint8Array.from(digest.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
  post({ kind: "made", file: new Blob([database, trailer]), made });
}
