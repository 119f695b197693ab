import { ZstdReader } from "../generated/etcdsnap_inspector.js";
import type { Packing } from "./messages.ts";
import { chunks, pieces } from "./read.ts";
import { onlyMember } from "./unzip.ts";

/** Decompressed bytes are handed on in pieces of this size where the page decides it. */
const PIECE = 1024 * 1024;

/** A packed file that cannot be opened: what is wrong with it, and what to do. */
export class Unreadable extends Error {
  constructor(
    message: string,
    readonly action: string,
  ) {
    super(message);
  }
}

/** What a packed file holds: bytes with random access where it holds them as they are, otherwise a stream. */
export type Unpacked = { blob: Blob } | { stream: Unpacking };

/** Decompression from front to back; it can be started again. */
export interface Unpacking {
  /** Bytes of the packed file. */
  total: number;
  /** Starts at the front. `taken` tells how many packed bytes went in. */
  start(taken: (bytes: number) => void): AsyncGenerator<Uint8Array<ArrayBuffer>>;
}

/** Opens a packed file. */
export async function unpack(file: Blob, packing: Packing): Promise<Unpacked> {
  switch (packing) {
    case "gzip":
      return { stream: inflated(file, "gzip") };
    case "zstd":
      return { stream: { total: file.size, start: (taken) => unzstd(file, taken) } };
    case "zip": {
      const member = await onlyMember(file);
      return member.method === "stored" ? { blob: member.data } : { stream: inflated(member.data, "deflate-raw") };
    }
  }
}

function inflated(packed: Blob, format: CompressionFormat): Unpacking {
  return { total: packed.size, start: (taken) => inflate(packed, format, taken) };
}

async function* inflate(packed: Blob, format: CompressionFormat, taken: (bytes: number) => void): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const input = pieces(packed);
  let sum = 0;
  const source = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        const { done, value } = await input.next();
        if (done) {
          controller.close();
          return;
        }
        sum += value.byteLength;
        taken(sum);
        // The reader's buffer is used again, so this piece must be its own.
        controller.enqueue(value.slice());
      },
    },
    { highWaterMark: 1 },
  );
  try {
    yield* chunks(source.pipeThrough(new DecompressionStream(format)));
  } catch (error) {
    throw spoilt(format === "gzip" ? "gzip" : "zip", error);
  }
}

async function* unzstd(packed: Blob, taken: (bytes: number) => void): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const reader = new ZstdReader(packed);
  try {
    for (;;) {
      const piece = reader.read(PIECE) as Uint8Array<ArrayBuffer>;
      if (piece.byteLength === 0) return;
      taken(reader.taken);
      yield piece;
    }
  } catch (error) {
    throw spoilt("zstd", error);
  } finally {
    reader.free();
  }
}

function spoilt(packing: Packing, error: unknown): Unreadable {
  const words = error instanceof Error ? error.message : String(error);
  if (packing === "gzip" && /after end/i.test(words)) {
    // The browser's own decoder reads one member; gzip files that were put together have several.
    return new Unreadable(
      "More data follows the end of the gzip data: several gzip files may have been put together.",
      "Unpack it (gunzip), and open the result here. The command line reads it as it is: etcdsnap verify FILE.",
    );
  }
  return new Unreadable(
    `The ${packing} data is damaged or cut: ${words.replace(/\.$/, "")}.`,
    "Copy or download the file again. If that does not help, unpack what can be unpacked elsewhere and open the result here.",
  );
}
