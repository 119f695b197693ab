import { PIECE } from "./read.ts";

/**
 * Bytes of a file on their way from the worker that judges it, through the page, to the one that looks for its keys: buffers change hands, nothing is copied. So the file
 * is read once for both. A buffer comes back when it was read; who judges waits for it when too many are away, because a second read would cost both more.
 */

/** Some bytes of the file, from `at` on. */
export interface Block {
  kind: "block";
  at: number;
  bytes: Uint8Array<ArrayBuffer>;
}

/** The copy of a packed file that was made for the verdict: nobody unpacks it a second time. */
export interface Unpacked {
  kind: "unpacked";
  blob: Blob;
}

/** No more blocks come. */
export interface BlocksEnd {
  kind: "blocks-end";
}

/** A buffer that was read, on its way back; null when nobody wants more of them. */
export interface Back {
  kind: "back";
  buffer: ArrayBuffer | null;
}

/** Bytes on their way at most: what is read while the other worker finds out where the keys are. */
const MOST = 24 * PIECE;
/** Milliseconds without a buffer coming back after which no more are handed on: a verdict does not depend on keys. */
const PATIENCE = 60_000;

/** The side that reads the file. */
export class Feed {
  readonly #post: (message: Block | BlocksEnd, transfer: Transferable[]) => void;
  #free: ArrayBuffer[] = [];
  /** Bytes that are on their way. */
  #away = 0;
  #ended = false;
  #heard: (() => void) | null = null;

  constructor(post: (message: Block | BlocksEnd, transfer: Transferable[]) => void) {
    this.#post = post;
  }

  /** A buffer to read into. */
  fresh(): ArrayBuffer {
    return this.#free.pop() ?? new ArrayBuffer(PIECE);
  }

  /** Hands bytes on that were worked on, their buffer with them, as soon as there is room for them on the way. */
  async give(at: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const size = bytes.buffer.byteLength;
    while (!this.#ended && this.#away + size > MOST) {
      const away = this.#away;
      await Promise.race([new Promise<void>((resolve) => (this.#heard = resolve)), new Promise((resolve) => setTimeout(resolve, PATIENCE))]);
      if (this.#away === away) this.end();
    }
    if (this.#ended) return;
    this.#away += size;
    this.#post({ kind: "block", at, bytes }, [bytes.buffer]);
  }

  /** Takes a buffer back. */
  take(buffer: ArrayBuffer | null): void {
    if (buffer === null) this.end();
    else {
      this.#away -= buffer.byteLength;
      if (!this.#ended && buffer.byteLength === PIECE) this.#free.push(buffer);
    }
    this.#heard?.();
  }

  /** Hands nothing more on. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#free = [];
    this.#post({ kind: "blocks-end" }, []);
  }
}

/** The side that is fed: what comes before anybody asks for it waits. */
export class Fed {
  readonly #back: (message: Back) => void;
  #waiting: (Block | BlocksEnd)[] = [];
  #copy: Blob | null = null;
  #heard: (() => void) | null = null;

  constructor(back: (message: Back) => void) {
    this.#back = back;
  }

  take(message: Block | BlocksEnd | Unpacked): void {
    if (message.kind === "unpacked") this.#copy = message.blob;
    else this.#waiting.push(message);
    this.#heard?.();
  }

  /** The copy of a packed file; null when who judges it hands on something else first, or nothing any more. */
  async copy(): Promise<Blob | null> {
    while (this.#copy === null && this.#waiting.length === 0) await new Promise<void>((resolve) => (this.#heard = resolve));
    this.#heard = null;
    return this.#copy;
  }

  /** The blocks in their order, until their end. A block is valid until the next one is asked for. */
  async *blocks(): AsyncGenerator<Block> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next === undefined) {
        await new Promise<void>((resolve) => (this.#heard = resolve));
        this.#heard = null;
        continue;
      }
      if (next.kind === "blocks-end") return;
      yield next;
      this.#back({ kind: "back", buffer: next.bytes.buffer });
    }
  }
}
