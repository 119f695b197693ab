/** Pieces of this size cross into wasm: large enough to hide the cost of a read, small enough for a smooth bar. */
const PIECE = 1024 * 1024;

// A reader whose stream is reachable from nowhere else stopped for good after some files (Chromium 156).
const held = new Set<ReadableStream>();

/** The bytes of a blob from front to back. A piece is valid until the next one is asked for. */
export async function* pieces(blob: Blob): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const stream = blob.stream();
  held.add(stream);
  let reader: ReadableStreamBYOBReader | null = null;
  try {
    reader = byob(stream);
    if (reader === null) {
      yield* chunks(stream);
      return;
    }
    let buffer = new ArrayBuffer(PIECE);
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(buffer));
      if (value !== undefined && value.byteLength > 0) {
        yield value;
        buffer = value.buffer;
      }
      if (done) return;
    }
  } finally {
    // Nothing more is read when enough was seen; after the last byte this does nothing.
    reader?.cancel().catch(() => {});
    held.delete(stream);
  }
}

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
function byob(stream: ReadableStream): ReadableStreamBYOBReader | null {
  try {
    return stream.getReader({ mode: "byob" });
  } catch {
    return null;
  }
}
