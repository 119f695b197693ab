import { PIECE } from "./read.ts";

/**
 * The verdict worker reads the file, and passes its bytes on to the key worker (via the web page), so that the file is read once. Buffers are transferred, not copied, and
 * returned after use. If too many buffers are out, the verdict worker waits. Waiting is cheaper than having the key worker read the file again.
 */

/** Bytes of the file, starting at offset `at`. */
export interface Block {
  kind: "block";
  at: number;
  bytes: Uint8Array<ArrayBuffer>;
}

/** The unpacked copy of a compressed file. The verdict worker made it, so the key worker does not unpack the file again. */
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

/** The most bytes that may be in transit. The verdict worker can read on this far while the key worker is still locating the keys. */
const MAX_IN_TRANSIT = 24 * PIECE;
/** If no buffer comes back for this many milliseconds, the feed ends, because the verdict must not depend on the key worker. */
const PATIENCE = 60_000;

/** The sending side, in the verdict worker. */
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
  buffer(): ArrayBuffer {
    return this.#free.pop() ?? new ArrayBuffer(PIECE);
  }

  /** Sends processed bytes with their buffer; waits while too many bytes are in transit. */
  async give(at: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const size = bytes.buffer.byteLength;
    while (!this.#ended && this.#inTransit + size > MAX_IN_TRANSIT) {
      const before = this.#inTransit;
      await Promise.race([new Promise<void>((resolve) => (this.#wake = resolve)), new Promise((resolve) => setTimeout(resolve, PATIENCE))]);
      if (this.#inTransit === before) this.end();
    }
    if (this.#ended) return;
    this.#inTransit += size;
    this.#post({ kind: "block", at, bytes }, [bytes.buffer]);
  }

  /** Handles a returned buffer. */
  onReturned(buffer: ArrayBuffer | null): void {
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

/** The receiving side, in the key worker. Queues messages until they are read. */
export class BlockReceiver {
  readonly #back: (message: ReturnedBuffer) => void;
  #waiting: (Block | BlocksEnd)[] = [];
  #unpacked: Blob | null = null;
  #wake: (() => void) | null = null;

  constructor(back: (message: ReturnedBuffer) => void) {
    this.#back = back;
  }

  /** Queues a message of the sender. */
  receive(message: Block | BlocksEnd | Unpacked): void {
    if (message.kind === "unpacked") this.#unpacked = message.blob;
    else this.#waiting.push(message);
    this.#wake?.();
  }

  /** Waits for the unpacked copy of a compressed file; null if a block or the end comes first. */
  async unpacked(): Promise<Blob | null> {
    while (this.#unpacked === null && this.#waiting.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#wake = null;
    return this.#unpacked;
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
