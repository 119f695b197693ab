import { announcer } from "./announce.svelte.ts";
import type { EncryptionState, StoreFacts } from "./generated/etcdsnap_inspector.js";
import { inspector } from "./inspector.ts";
import { ProgressRate } from "./progress_rate.svelte.ts";
import type { Answer, Ask, Call, CallName, Stop, StoreMessage } from "./worker/calls.ts";
import type { Block, BlocksEnd, Unpacked } from "./worker/feed.ts";
import type { Failure, Message, Request } from "./worker/messages.ts";
import InspectWorker from "./worker/worker.ts?worker&inline";

export type StoreState = "closed" | "opening" | "open" | "cancelled" | "failed";

/** Calls that read the whole file and can be stopped. The worker keeps its keys. */
const STOPPABLE: ReadonlySet<CallName> = new Set(["compare", "history", "hashkv", "search", "decrypt", "related", "manifests"]);

/** Most stores that stay open although no view has asked for them. Each keeps the keys of a file in memory. */
const MOST_UNREQUESTED = 2;
const unrequested: Store[] = [];

/** Times that a stopped worker is replaced without the user asking for it. */
const REPLACEMENTS = 2;

/** Thrown by a call that was not answered because the store was closed. */
export class StoreClosed extends Error {}

/** Thrown by a call that was cancelled. */
export class CallStopped extends Error {}

/** Returns the message of a failed call; null if the store was closed or the call cancelled. */
export function problemOf(error: unknown): string | null {
  if (error instanceof StoreClosed || error instanceof CallStopped) return null;
  return error instanceof Error ? error.message : String(error);
}

/**
 * The key-value store in a snapshot, opened by a worker of its own. While the verdict is computed, it gets the bytes that are read for that (`openWithFeed`); opened later, it
 * reads the file itself. Calls may be made at any time. They are answered in order once the store is open.
 */
export class Store {
  readonly file: File;
  state = $state<StoreState>("closed");
  /** Progress of a call that reads the whole file. */
  readonly progress = new ProgressRate();
  facts = $state.raw<StoreFacts | null>(null);
  failure = $state.raw<Failure | null>(null);
  /** Increases whenever the ids of keys change. */
  version = $state(0);
  /** Whether the keys come from the tree of the older meta page: the state one transaction earlier. */
  older = $state(false);

  /** What the EncryptionConfiguration decrypts; null without one. */
  encryption = $state.raw<EncryptionState | null>(null);
  decrypting = $state(false);
  decryptProblem = $state.raw<string | null>(null);
  /** Increases whenever the set of values that can be decrypted may have changed. */
  decryptVersion = $state(0);

  #worker: Worker | null = null;
  #next = 1;
  #waiting = new Map<number, Waiting>();
  #queued: Call[] = [];
  #replacements = 0;
  /** Whether a view has asked for the store. */
  #requested = false;
  /** Returns buffers to the worker that computes the verdict; null if it passes none on. */
  #returnBuffer: ((buffer: ArrayBuffer | null) => void) | null = null;
  /** Calls that stopped a worker, with their error messages. They are not repeated unless the user asks for it. */
  #failedCalls = new Map<string, string>();

  constructor(file: File) {
    this.file = file;
  }

  /** Opens the store, unless it is open or opening. */
  open(): void {
    this.#requested = true;
    if (this.state === "closed") this.#start(null);
  }

  /** Opens the store with the bytes that `feed` passes on; `back` returns their buffers. Returns false if the store is not closed. */
  openWithFeed(back: (buffer: ArrayBuffer | null) => void): boolean {
    if (this.state !== "closed") return false;
    this.#start(back);
    return true;
  }

  /** Passes on bytes that were read for the verdict. */
  feed(message: Block | BlocksEnd | Unpacked): void {
    if (this.#returnBuffer !== null) this.#worker?.postMessage(message, message.kind === "block" ? [message.bytes.buffer] : []);
  }

  /** Ends the feed: the store reads missing bytes itself. If the verdict was given up, a store that no view asked for is closed. */
  endFeed(givenUp: boolean): void {
    if (this.#returnBuffer === null) return;
    if (givenUp && !this.#requested) this.close();
    this.feed({ kind: "blocks-end" });
    this.#returnBuffer = null;
  }

  #start(back: ((buffer: ArrayBuffer | null) => void) | null): void {
    this.#returnBuffer = back;
    this.state = "opening";
    this.failure = null;
    this.progress.start(this.file.size);
    const worker = new InspectWorker({ name: "keys" });
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<StoreMessage | Message>) => this.#onMessage(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#onWorkerStopped(event.message, this.#waiting.keys().next().value);
    };
    inspector().then(
      (module) => worker.postMessage({ file: this.file, module, browse: true, older: this.older, fed: back !== null } satisfies Request),
      (error: unknown) => this.#worker === worker && this.#onWorkerStopped(String(error), undefined),
    );
  }

  /** Calls the worker; opens the store first if necessary. */
  call<K extends CallName>(name: K, ask: Ask<K>): Promise<Answer<K>> {
    this.open();
    return new Promise((resolve, reject) => {
      const failure = this.#failedCalls.size > 0 ? this.#failedCalls.get(callKey(name, ask)) : undefined;
      if (failure !== undefined) {
        reject(new Error(failure));
        return;
      }
      if (this.#worker === null) {
        reject(this.failure === null ? new StoreClosed("The store is closed.") : new Error(this.failure.message));
        return;
      }
      const call: Call = { number: this.#next, name, ask };
      this.#next += 1;
      this.#waiting.set(call.number, { name, ask, resolve, reject });
      if (STOPPABLE.has(name) || name === "at") this.progress.start(this.file.size);
      if (this.state === "open") this.#worker.postMessage(call);
      else this.#queued.push(call);
    });
  }

  /** Decrypts values with an EncryptionConfiguration; null removes it. Only the worker reads the file. */
  async decrypt(configuration: File | string | null): Promise<void> {
    this.decrypting = true;
    this.decryptProblem = null;
    try {
      const state = await this.call("decrypt", { configuration });
      this.encryption = configuration === null ? null : state;
    } catch (error) {
      this.decryptProblem = problemOf(error);
    } finally {
      this.decrypting = false;
      this.decryptVersion += 1;
    }
  }

  /** Reads the keys as of another revision. */
  async at(revision: bigint): Promise<void> {
    this.facts = await this.call("at", { revision });
    this.version += 1;
  }

  /**
   * Stops calls that read the whole file. If the keys were being read, the store has none afterwards and waits for `retry`. A comparison, a history or a hash leaves it
   * unchanged.
   */
  cancel(): void {
    if (this.state === "opening" || [...this.#waiting.values()].some(({ name }) => name === "at")) {
      this.#end();
      this.state = "cancelled";
      this.facts = null;
      return;
    }
    for (const name of STOPPABLE) this.stop(name);
  }

  /** Stops all calls with a name. Their answers are no longer needed. */
  stop(name: CallName): void {
    for (const [number, call] of [...this.#waiting]) {
      if (call.name !== name) continue;
      this.#waiting.delete(number);
      this.#worker?.postMessage({ stop: number } satisfies Stop);
      call.reject(new CallStopped("This was cancelled."));
    }
  }

  /** Reads the keys from the tree of the older or of the newest meta page. */
  choose(older: boolean): void {
    this.close();
    this.older = older;
    this.open();
  }

  /** Allows repeating calls that stopped a worker. */
  allowRepeats(): void {
    this.#failedCalls.clear();
    this.#replacements = 0;
  }

  /** Opens the store again after a failure or a cancellation. */
  retry(): void {
    this.allowRepeats();
    if (this.state === "failed" || this.state === "cancelled") this.state = "closed";
    this.open();
  }

  /** Ends the worker. Pending calls fail. */
  close(): void {
    this.#end();
    this.#requested = false;
    this.state = "closed";
    this.facts = null;
  }

  /** Closes the store, unless a view has asked for it. */
  closeUnlessRequested(): void {
    if (!this.#requested) this.close();
  }

  #end(): void {
    this.#worker?.terminate();
    this.#worker = null;
    // The keys of the configuration were only in the worker's memory.
    this.encryption = null;
    this.decryptProblem = null;
    // The worker that passes bytes on must not wait for buffers that will not return.
    this.#returnBuffer?.(null);
    this.#returnBuffer = null;
    this.#queued = [];
    for (const { reject } of this.#waiting.values()) reject(new StoreClosed("The store was closed."));
    this.#waiting.clear();
  }

  #fail(failure: Failure): void {
    this.#end();
    this.failure = failure;
    this.state = "failed";
  }

  /** Replaces a worker that stopped, during a call or while it opened the store. */
  #onWorkerStopped(reason: string, number: number | undefined): void {
    if (!this.#requested) {
      this.close();
      return;
    }
    const failure = workerFailure(reason);
    const call = number === undefined ? undefined : this.#waiting.get(number);
    if (call !== undefined && number !== undefined) {
      this.#waiting.delete(number);
      this.#failedCalls.set(callKey(call.name, call.ask), failure.message);
      call.reject(new Error(failure.message));
    }
    if (this.#replacements >= REPLACEMENTS) {
      this.#fail(failure);
      return;
    }
    this.#replacements += 1;
    this.close();
    announcer.notice = `${this.file.name}: ${failure.message} A new one took its place and reads the keys again.`;
    this.open();
  }

  #onMessage(message: StoreMessage | Message): void {
    switch (message.kind) {
      case "back":
        this.#returnBuffer?.(message.buffer);
        break;
      case "progress":
        this.progress.update(message.done, message.total);
        break;
      case "opened":
        this.facts = message.facts;
        this.state = "open";
        this.version += 1;
        if (!this.#requested) closeUnrequested(this);
        for (const call of this.#queued) this.#worker?.postMessage(call);
        this.#queued = [];
        break;
      case "answer":
        this.#waiting.get(message.number)?.resolve(message.answer as never);
        this.#waiting.delete(message.number);
        break;
      case "refused":
        this.#waiting.get(message.number)?.reject(new Error(message.message));
        this.#waiting.delete(message.number);
        break;
      case "broke":
        this.#onWorkerStopped(message.reason, message.number);
        break;
      case "failed":
        if (message.failure.workerStopped) this.#onWorkerStopped(message.failure.message, undefined);
        else this.#fail(message.failure);
        break;
    }
  }
}

/** Closes the oldest stores that no view has asked for, if there are more than `MOST_UNREQUESTED`. */
function closeUnrequested(opened: Store): void {
  unrequested.push(opened);
  while (unrequested.length > MOST_UNREQUESTED) unrequested.shift()?.closeUnlessRequested();
}

/** A call that is not answered yet: its arguments and its promise. */
interface Waiting {
  name: CallName;
  ask: unknown;
  resolve: (answer: never) => void;
  reject: (error: Error) => void;
}

/** Returns a text that is the same for equal calls. */
function callKey(name: CallName, ask: unknown): string {
  const plain = (_: string, value: unknown): unknown => {
    if (typeof value === "bigint") return value.toString();
    return value instanceof File ? [value.name, value.size, value.lastModified] : value;
  };
  return `${name} ${JSON.stringify(ask, plain)}`;
}

function workerFailure(reason: string): Failure {
  const words = reason.replace(/^Uncaught (Error: )?/, "").replace(/\.$/, "") || "it gave no reason";
  return {
    message: `The worker that read the keys of this file stopped: ${words}.`,
    action: "Close other tabs to free memory and try again, or use etcdsnap in a terminal. If this continues, please report it.",
    workerStopped: true,
  };
}
