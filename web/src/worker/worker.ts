import { codes, initSync } from "../generated/etcdsnap_inspector.js";
import { browse } from "./browse.ts";
import { type ReturnedBuffer, type Block, type BlocksEnd, BlockReceiver, BlockSender, type Unpacked } from "./feed.ts";
import { hashOnly } from "./hash.ts";
import { inspect } from "./inspect.ts";
import { unexpectedFailure, type Failure, type Message, type Request } from "./messages.ts";
import { rewrite } from "./rewrite.ts";
import { UnreadableFile } from "./unpack.ts";

const post = (message: Message, transfer: Transferable[] = []): void => self.postMessage(message, { transfer });

// Reports unhandled errors. Otherwise the page would wait forever.
self.onunhandledrejection = ({ reason }: PromiseRejectionEvent) => post({ kind: "failed", failure: unexpectedFailure(reason) });

self.onmessage = async ({ data }: MessageEvent<Request>) => {
  const feed = data.fed === true && data.browse !== true ? new BlockSender(post) : null;
  const fed = data.fed === true && data.browse === true ? new BlockReceiver((back) => post(back, back.buffer === null ? [] : [back.buffer])) : null;
  // Messages may arrive while the worker starts, so it listens from the beginning.
  self.onmessage = ({ data: said }: MessageEvent<ReturnedBuffer | Block | BlocksEnd | Unpacked>) => (said.kind === "back" ? feed?.onReturned(said.buffer) : fed?.receive(said));
  try {
    initSync({ module: data.module });
    if (__HASH_ONLY__) {
      await hashOnly(data.file, post);
      return;
    }
    if (data.browse === true) {
      await browse(data.file, data.older === true, fed, (message, transfer = []) => self.postMessage(message, { transfer }));
      return;
    }
    if (data.rewrite !== undefined) {
      await rewrite(data.file, data.rewrite, data.older === true, (message) => self.postMessage(message));
      return;
    }
    post({ kind: "codes", codes: codes() });
    await inspect(data.file, feed, post);
  } catch (error) {
    post({ kind: "failed", failure: failure(error) });
  } finally {
    feed?.end();
  }
};

function failure(error: unknown): Failure {
  if (error instanceof UnreadableFile) return { message: error.message, action: error.action, workerStopped: false };
  const kind = (error as { kind?: unknown }).kind;
  const message = error instanceof Error ? error.message : String(error);
  if (kind === "refused") return { message, action: "Overview shows what is wrong with this file.", workerStopped: false, refused: true };
  if (kind === "memory") {
    return { message, action: "Close other tabs and try again, or use etcdsnap in a terminal.", workerStopped: false };
  }
  if (kind === "read" || error instanceof DOMException) {
    return {
      message: `The file could not be read: ${message}`,
      action: "It may have been moved, changed or unplugged since it was chosen. Choose it again.",
      workerStopped: false,
    };
  }
  return unexpectedFailure(error);
}
