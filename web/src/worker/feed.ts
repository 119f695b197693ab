import { PIECE } from "./read.ts";

/**
 * Passes bytes of a file from the worker that computes the verdict, through the page, to the worker that reads the keys, so that the file is read once for both. Buffers are
 * transferred, not copied, and returned after use. If too many are out, the first worker waits, because a second read would cost both workers more.
 */

/** Bytes of the file, starting at offset `at`. */
export interface Block {
  kind: "block";
  at: number;
  bytes: Uint8Array<ArrayBuffer>;
}

/** The unpacked copy of a compressed file, made for the verdict, so that the file is not unpacked twice. */
export interface Unpacked {
  kind: "unpacked";
  blob: Blob;
}

/** The end of the blocks. */
export interface BlocksEnd {
  kind: "blocks-end";
}

/** A used buffer, returned to its sender; null if the receiver wants no more blocks. */
export interface ReturnedBuffer {
  kind: "back";
  buffer: ArrayBuffer | null;
}

/** Most bytes in transit: enough for the time in which the other worker finds where the keys are. */
const MOST = 24 * PIECE;
/** Milliseconds without a returned buffer after which the feed ends. The verdict must not depend on the keys. */
const PATIENCE = 60_000;

/** The sending side, in the worker that reads the file. */
export class BlockSender {
  readonly #post: (message: Block | BlocksEnd, transfer: Transferable[]) => void;
  #free: ArrayBuffer[] = [];
  /** Bytes in transit. */
  #inTransit = 0;
  #ended = false;
  #wake: (() => void) | null = null;

  constructor(post: (message: Block | BlocksEnd, transfer: Transferable[]) => void) {
    this.#post = post;
  }

  /** Returns a buffer to read into. */
  fresh(): ArrayBuffer {
    return this.#free.pop() ?? new ArrayBuffer(PIECE);
  }

  /** Sends processed bytes with their buffer; waits while too many bytes are in transit. */
  async give(at: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const size = bytes.buffer.byteLength;
    while (!this.#ended && this.#inTransit + size > MOST) {
      const before = this.#inTransit;
      await Promise.race([new Promise<void>((resolve) => (this.#wake = resolve)), new Promise((resolve) => setTimeout(resolve, PATIENCE))]);
      if (this.#inTransit === before) this.end();
    }
    if (this.#ended) return;
    this.#inTransit += size;
    this.#post({ kind: "block", at, bytes }, [bytes.buffer]);
  }

  /** Takes back a returned buffer. */
  take(buffer: ArrayBuffer | null): void {
    if (buffer === null) this.end();
    else {
      this.#inTransit -= buffer.byteLength;
      if (!this.#ended && buffer.byteLength === PIECE) this.#free.push(buffer);
    }
    this.#wake?.();
  }

  /** Ends the feed. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#free = [];
    this.#post({ kind: "blocks-end" }, []);
  }
}

/** The receiving side. Queues messages until they are read. */
export class BlockReceiver {
  readonly #back: (message: ReturnedBuffer) => void;
  #waiting: (Block | BlocksEnd)[] = [];
  #copy: Blob | null = null;
  #wake: (() => void) | null = null;

  constructor(back: (message: ReturnedBuffer) => void) {
    this.#back = back;
  }

  take(message: Block | BlocksEnd | Unpacked): void {
    if (message.kind === "unpacked") this.#copy = message.blob;
    else this.#waiting.push(message);
    this.#wake?.();
  }

  /** Waits for the unpacked copy of a compressed file; null if a block or the end comes first. */
  async copy(): Promise<Blob | null> {
    while (this.#copy === null && this.#waiting.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#wake = null;
    return this.#copy;
  }

  /** Yields the blocks in order. A block is valid until the next one is requested. */
  async *blocks(): AsyncGenerator<Block> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next === undefined) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        this.#wake = null;
        continue;
      }
      if (next.kind === "blocks-end") return;
      yield next;
      this.#back({ kind: "back", buffer: next.bytes.buffer });
    }
  }
}
