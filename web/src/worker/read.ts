/** Pieces of this size cross into wasm: large enough to hide the cost of a read, small enough for a smooth bar. */
export const PIECE = 1024 * 1024;

/** Reads on their way at a time: while one piece is worked on, the next ones come. */
const READS = 3;

// A reader whose stream is reachable from nowhere else stopped for good after some files (Chromium 156).
const held = new Set<ReadableStream>();

/**
 * The bytes of a blob from front to back. A piece is valid until the next one is asked for, unless its buffer was transferred: then `fresh` gives the one to go on with.
 */
export async function* pieces(blob: Blob, fresh: () => ArrayBuffer = () => new ArrayBuffer(PIECE)): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const stream = blob.stream();
  held.add(stream);
  let reader: ReadableStreamBYOBReader | null = null;
  try {
    reader = byob(stream);
    if (reader === null) {
      yield* chunks(stream);
      return;
    }
    const reads: Promise<ReadableStreamReadResult<Uint8Array<ArrayBuffer>>>[] = [];
    const ask = (into: BYOB, buffer: ArrayBuffer): void => {
      const read = into.read(new Uint8Array(buffer));
      // It is awaited in its turn; until then its failure is nobody's.
      read.catch(() => {});
      reads.push(read);
    };
    while (reads.length < Math.min(READS, Math.ceil(blob.size / PIECE))) ask(reader, fresh());
    for (let read = reads.shift(); read !== undefined; read = reads.shift()) {
      const { done, value } = await read;
      if (done || value === undefined) return;
      if (value.byteLength > 0) yield value;
      ask(reader, value.buffer.byteLength > 0 ? value.buffer : fresh());
    }
  } finally {
    // Nothing more is read when enough was seen; after the last byte this does nothing.
    reader?.cancel().catch(() => {});
    held.delete(stream);
  }
}

/** The same of a blob whose bytes are wanted and not needed: where they cannot be read, they end. */
export async function* readable(blob: Blob): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  try {
    yield* pieces(blob);
  } catch {
    // Whoever needs the bytes reads them, and says what is wrong.
  }
}

type BYOB = ReadableStreamBYOBReader;

/** The chunks of a stream, whatever their size. */
async function* chunks(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Reading into one's own buffer is twice as fast and keeps memory flat, but not every browser has it for blobs. */
function byob(stream: ReadableStream): BYOB | null {
  try {
    return stream.getReader({ mode: "byob" });
  } catch {
    return null;
  }
}
