import { announcer } from "./announce.svelte.ts";
import type { EncryptionState, StoreFacts } from "./generated/etcdsnap_inspector.js";
import { inspector } from "./inspector.ts";
import { Pace } from "./update_rate.svelte.ts";
import type { Answer, Ask, Call, CallName, Stop, StoreMessage } from "./worker/calls.ts";
import type { Block, BlocksEnd, Unpacked } from "./worker/feed.ts";
import type { Failure, Message, Request } from "./worker/messages.ts";
import InspectWorker from "./worker/worker.ts?worker&inline";

export type StoreState = "closed" | "opening" | "open" | "cancelled" | "failed";

/** Calls that read the whole file and can be stopped on the way. The worker goes on with what it has. */
const LONG: ReadonlySet<CallName> = new Set(["compare", "history", "hashkv", "search", "decrypt", "related", "manifests"]);

/** Stores that stay open although no view asked for them: each holds the keys of a file, the last ones read. */
const UNASKED = 2;
const unasked: Store[] = [];

/** Workers that are replaced, one after the other, until a person asks for another. */
const REPLACEMENTS = 2;

/** A call that was not answered because the store was closed meanwhile. */
export class Closed extends Error {}

/** A call that a person cancelled. */
export class Stopped extends Error {}

/**
 * The store inside a file: its keys and what can be asked about them, in a worker of its own. It is opened beside the verdict and handed what is read for that (`follow`);
 * opened later, it reads the file itself. Calls may be made at any time and are answered in order once it is open.
 */
export class Store {
  readonly file: File;
  state = $state<StoreState>("closed");
  /** How far it is, while something reads the whole file. */
  readonly pace = new Pace();
  facts = $state.raw<StoreFacts | null>(null);
  failure = $state.raw<Failure | null>(null);
  /** Grows whenever the ids of keys change. */
  version = $state(0);

  /** What a configuration opened; null while none was given. */
  encryption = $state.raw<EncryptionState | null>(null);
  decrypting = $state(false);
  decryptProblem = $state.raw<string | null>(null);
  /** Grows whenever other values can be opened than before. */
  opened = $state(0);

  #worker: Worker | null = null;
  #next = 1;
  #waiting = new Map<number, Waiting>();
  #held: Call[] = [];
  #replacements = 0;
  /** Whether a view wants to see what is in it. */
  #asked = false;
  /** Where the buffers go back to that come from the verdict's worker; null when none come. */
  #back: ((buffer: ArrayBuffer | null) => void) | null = null;
  /** Calls that broke a worker, and what is said of them: they are not made again unless a person asks for it. */
  #fatal = new Map<string, string>();

  constructor(file: File) {
    this.file = file;
  }

  /** Opens the store unless it is open or being opened. */
  open(): void {
    this.#asked = true;
    if (this.state === "closed") this.#start(null);
  }

  /** Opens the store beside the verdict, with what `feed` hands on; `back` takes the buffers back. False when it is open, or something else was said about it. */
  follow(back: (buffer: ArrayBuffer | null) => void): boolean {
    if (this.state !== "closed") return false;
    this.#start(back);
    return true;
  }

  /** Takes in what was read for the verdict. */
  feed(message: Block | BlocksEnd | Unpacked): void {
    if (this.#back !== null) this.#worker?.postMessage(message, message.kind === "block" ? [message.bytes.buffer] : []);
  }

  /** Nothing more is handed on: what is missing the store reads itself. One that nobody asked for is closed when the verdict is given up. */
  unfed(givenUp: boolean): void {
    if (this.#back === null) return;
    if (givenUp && !this.#asked) this.close();
    this.feed({ kind: "blocks-end" });
    this.#back = null;
  }

  #start(back: ((buffer: ArrayBuffer | null) => void) | null): void {
    this.#back = back;
    this.state = "opening";
    this.failure = null;
    this.pace.begin(this.file.size);
    const worker = new InspectWorker({ name: "keys" });
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<StoreMessage | Message>) => this.#hear(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#broke(event.message, this.#waiting.keys().next().value);
    };
    inspector().then(
      (module) => worker.postMessage({ file: this.file, module, browse: true, fed: back !== null } satisfies Request),
      (error: unknown) => this.#worker === worker && this.#broke(String(error), undefined),
    );
  }

  /** Asks the store, opening it if need be. */
  call<K extends CallName>(name: K, ask: Ask<K>): Promise<Answer<K>> {
    this.open();
    return new Promise((resolve, reject) => {
      const fatal = this.#fatal.size > 0 ? this.#fatal.get(sameness(name, ask)) : undefined;
      if (fatal !== undefined) {
        reject(new Error(fatal));
        return;
      }
      if (this.#worker === null) {
        reject(this.failure === null ? new Closed("The store is closed.") : new Error(this.failure.message));
        return;
      }
      const call: Call = { number: this.#next, name, ask };
      this.#next += 1;
      this.#waiting.set(call.number, { name, ask, resolve, reject });
      if (LONG.has(name) || name === "at") this.pace.begin(this.file.size);
      if (this.state === "open") this.#worker.postMessage(call);
      else this.#held.push(call);
    });
  }

  /** Has the worker open encrypted values by a configuration; null takes it back. A file is read in the worker alone. */
  async decrypt(configuration: File | string | null): Promise<void> {
    this.decrypting = true;
    this.decryptProblem = null;
    try {
      const state = await this.call("decrypt", { configuration });
      this.encryption = configuration === null ? null : state;
    } catch (error) {
      if (error instanceof Closed) return;
      this.decryptProblem = error instanceof Stopped ? null : error instanceof Error ? error.message : String(error);
    } finally {
      this.decrypting = false;
      this.opened += 1;
    }
  }

  /** Reads the keys at another revision. */
  async at(revision: bigint): Promise<void> {
    this.facts = await this.call("at", { revision });
    this.version += 1;
  }

  /**
   * Stops at once what reads the whole file. Where that was to read the keys, there are none then, and the store waits for `retry`; a comparison, a history or a hash
   * leaves it as it was.
   */
  cancel(): void {
    if (this.state === "opening" || [...this.#waiting.values()].some(({ name }) => name === "at")) {
      this.#end();
      this.state = "cancelled";
      this.facts = null;
      return;
    }
    for (const name of LONG) this.stop(name);
  }

  /** Stops calls of a name that read the whole file: nobody waits for their answers any longer. */
  stop(name: CallName): void {
    for (const [number, call] of [...this.#waiting]) {
      if (call.name !== name) continue;
      this.#waiting.delete(number);
      this.#worker?.postMessage({ stop: number } satisfies Stop);
      call.reject(new Stopped("It was cancelled."));
    }
  }

  /** Makes calls again that broke a worker. */
  forgive(): void {
    this.#fatal.clear();
    this.#replacements = 0;
  }

  /** Tries once more after a failure, or when it was cancelled. */
  retry(): void {
    this.forgive();
    if (this.state === "failed" || this.state === "cancelled") this.state = "closed";
    this.open();
  }

  /** Ends the worker; nothing asked is answered any more. */
  close(): void {
    this.#end();
    this.#asked = false;
    this.state = "closed";
    this.facts = null;
  }

  /** Closes it unless a view asked for it meanwhile. */
  closeUnasked(): void {
    if (!this.#asked) this.close();
  }

  #end(): void {
    this.#worker?.terminate();
    this.#worker = null;
    // The keys of a configuration were in the worker's memory alone.
    this.encryption = null;
    this.decryptProblem = null;
    // Who hands on what it reads is not to wait for what does not come back any more.
    this.#back?.(null);
    this.#back = null;
    this.#held = [];
    for (const { reject } of this.#waiting.values()) reject(new Closed("The store was closed."));
    this.#waiting.clear();
  }

  #fail(failure: Failure): void {
    this.#end();
    this.failure = failure;
    this.state = "failed";
  }

  /** Has a new worker take the place of one that broke, in the midst of a call or while it opened the store. */
  #broke(reason: string, number: number | undefined): void {
    if (!this.#asked) {
      this.close();
      return;
    }
    const failure = stopped(reason);
    const call = number === undefined ? undefined : this.#waiting.get(number);
    if (call !== undefined && number !== undefined) {
      this.#waiting.delete(number);
      this.#fatal.set(sameness(call.name, call.ask), failure.message);
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

  #hear(message: StoreMessage | Message): void {
    switch (message.kind) {
      case "back":
        this.#back?.(message.buffer);
        break;
      case "progress":
        this.pace.tell(message.done, message.total);
        break;
      case "opened":
        this.facts = message.facts;
        this.state = "open";
        this.version += 1;
        if (!this.#asked) makeRoom(this);
        for (const call of this.#held) this.#worker?.postMessage(call);
        this.#held = [];
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
        this.#broke(message.reason, message.number);
        break;
      case "failed":
        if (message.failure.broken) this.#broke(message.failure.message, undefined);
        else this.#fail(message.failure);
        break;
    }
  }
}

/** Closes the store that was opened first among those that no view asked for, when another one is open beside them. */
function makeRoom(opened: Store): void {
  unasked.push(opened);
  while (unasked.length > UNASKED) unasked.shift()?.closeUnasked();
}

/** A call that is not answered yet. */
interface Waiting {
  name: CallName;
  ask: unknown;
  resolve: (answer: never) => void;
  reject: (error: Error) => void;
}

/** A text that is the same for the same question. */
function sameness(name: CallName, ask: unknown): string {
  const plain = (_: string, value: unknown): unknown => {
    if (typeof value === "bigint") return value.toString();
    return value instanceof File ? [value.name, value.size, value.lastModified] : value;
  };
  return `${name} ${JSON.stringify(ask, plain)}`;
}

function stopped(reason: string): Failure {
  const words = reason.replace(/^Uncaught (Error: )?/, "").replace(/\.$/, "") || "it gave no reason";
  return {
    message: `The worker that looked into this file stopped: ${words}.`,
    action: "Close other tabs to free memory and try again, or use etcdsnap in a terminal. Please report it if it goes on.",
    broken: true,
  };
}
