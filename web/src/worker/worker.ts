import { codes, initSync } from "../generated/etcdsnap_inspector.js";
import wasm from "virtual:wasm";
import { browse } from "./browse.ts";
import { hashOnly } from "./hash.ts";
import { inspect } from "./inspect.ts";
import { broken, type Failure, type Message, type Request } from "./messages.ts";
import { unpacked } from "../unpacked.ts";
import { Unreadable } from "./unpack.ts";

const post = (message: Message): void => self.postMessage(message);

// An error that nobody waits for would otherwise leave the page waiting.
self.onunhandledrejection = ({ reason }: PromiseRejectionEvent) => post({ kind: "failed", failure: broken(reason) });

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
  return broken(error);
}
