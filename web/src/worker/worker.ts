import { codes, initSync } from "../generated/etcdsnap_inspector.js";
import wasm from "virtual:wasm";
import { browse } from "./browse.ts";
import { hashOnly } from "./hash.ts";
import { inspect } from "./inspect.ts";
import type { Failure, Message, Request } from "./messages.ts";
import { unpacked } from "../unpacked.ts";
import { Unreadable } from "./unpack.ts";

const post = (message: Message): void => self.postMessage(message);

self.onmessage = async ({ data }: MessageEvent<Request>) => {
  try {
    initSync({ module: await (await unpacked(wasm)).arrayBuffer() });
    if (__HASH_ONLY__) {
      await hashOnly(data.file, post);
      return;
    }
    if (data.browse === true) {
      await browse(data.file, (message) => self.postMessage(message));
      return;
    }
    post({ kind: "codes", codes: codes() });
    await inspect(data.file, post);
  } catch (error) {
    post({ kind: "failed", failure: failure(error) });
  }
};

function failure(error: unknown): Failure {
  if (error instanceof Unreadable) return { message: error.message, action: error.action, broken: false };
  const kind = (error as { kind?: unknown }).kind;
  const message = error instanceof Error ? error.message : String(error);
  if (kind === "memory") {
    return { message, action: "Close other tabs and try again, or use etcdsnap in a terminal.", broken: false };
  }
  if (kind === "read" || error instanceof DOMException) {
    return {
      message: `The file could not be read: ${message}`,
      action: "It may have been moved, changed or unplugged since it was chosen. Choose it again.",
      broken: false,
    };
  }
  return { message, action: "Try once more. If it happens again, this file has met a mistake in etcdsnap: please report it.", broken: true };
}
