/** Bytes of a read: enough to hide its fixed cost, few enough for a smooth progress bar. */
export const PIECE = 1024 * 1024;

/** Reads in progress at a time: while one piece is processed, the next ones arrive. */
const READS = 3;

// Keeps streams reachable. Otherwise reads stop forever after some files (Chromium 156).
const held = new Set<ReadableStream>();

/**
 * Yields the bytes of a blob in order. A piece is valid until the next one is requested. If its buffer was transferred, `fresh` provides the next buffer.
 */
export async function* pieces(blob: Blob, fresh: () => ArrayBuffer = () => new ArrayBuffer(PIECE)): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const stream = blob.stream();
  held.add(stream);
  let reader: ReadableStreamBYOBReader | null = null;
  try {
    reader = byobReader(stream);
    if (reader === null) {
      yield* chunks(stream);
      return;
    }
    const reads: Promise<ReadableStreamReadResult<Uint8Array<ArrayBuffer>>>[] = [];
    const ask = (into: BYOB, buffer: ArrayBuffer): void => {
      const read = into.read(new Uint8Array(buffer));
      // Each read is awaited in its turn. Until then an error must not count as unhandled.
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
    // Stops the stream if the caller stops early; does nothing after the last byte.
    reader?.cancel().catch(() => {});
    held.delete(stream);
  }
}

/** Yields the bytes of a blob like `pieces`, but ends at a read error, for callers that can do without the rest. */
export async function* readable(blob: Blob): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  try {
    yield* pieces(blob);
  } catch {
    // Code that needs the bytes reads them again and reports the error.
  }
}

type BYOB = ReadableStreamBYOBReader;

/** Yields the chunks of a stream in the sizes in which they come. */
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

/** Returns a reader into reused buffers, which is twice as fast and needs less memory; null if the browser has none for blobs. */
function byobReader(stream: ReadableStream): BYOB | null {
  try {
    return stream.getReader({ mode: "byob" });
  } catch {
    return null;
  }
}
