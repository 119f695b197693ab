import { type UnpackError, Unpacker } from "../generated/etcdsnap_inspector.js";
import { size } from "../format.ts";
import type { Compression } from "./messages.ts";

/** Bytes of a piece of unpacked data. */
const PIECE = 1024 * 1024;

/** Thrown for a file that cannot be opened: what is wrong with it, and what to do. */
export class UnreadableFile extends Error {
  constructor(
    message: string,
    readonly action: string,
  ) {
    super(message);
  }
}

/** A compressed file, which can be unpacked repeatedly. */
export class CompressedFile {
  readonly file: Blob;
  readonly #compression: Compression;

  constructor(file: Blob, compression: Compression) {
    this.file = file;
    this.#compression = compression;
  }

  /** Returns the snapshot as a part of the file, if an archive stores it uncompressed; otherwise null. */
  stored(): Blob | null {
    const place = this.#unpacking((unpacker) => unpacker.stored());
    return place === undefined ? null : this.file.slice(place[0], place[1]);
  }

  /** Yields the unpacked bytes of a snapshot, or the first bytes of anything else. */
  *pieces(taken: (bytes: number) => void): Generator<Uint8Array<ArrayBuffer>> {
    const unpacker = this.#explained(() => new Unpacker(this.file, this.#compression));
    const { most, snapshot } = unpacker;
    let sum = 0;
    try {
      while (sum <= most) {
        const piece = this.#explained(() => unpacker.read(PIECE)) as Uint8Array<ArrayBuffer>;
        if (piece.byteLength === 0) return;
        sum += piece.byteLength;
        taken(unpacker.taken);
        yield piece;
      }
    } finally {
      unpacker.free();
    }
    if (snapshot !== undefined) {
      throw new UnreadableFile(
        `This is not a snapshot: more than ${size(most - snapshot)} follow after the ${size(snapshot)} of the database.`,
        "Copy or download the file again.",
      );
    }
  }

  #unpacking<T>(work: (unpacker: Unpacker) => T): T {
    return this.#explained(() => {
      const unpacker = new Unpacker(this.file, this.#compression);
      const result = work(unpacker);
      unpacker.free();
      return result;
    });
  }

  #explained<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw explained(this.#compression, error);
    }
  }
}

function explained(compression: Compression, error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const words = error.message.replace(/\.$/, "");
  switch ((error as Partial<UnpackError>).kind) {
    case "broken":
      return new UnreadableFile(
        `The ${compression} data is damaged or cut off: ${words}.`,
        "Copy or download the file again. If that does not help, unpack as much as possible with another tool and open the result here.",
      );
    case "unsupported":
      return new UnreadableFile(`This ${compression} file cannot be read here: ${words}.`, "Unpack it with its own tool and open the snapshot inside it.");
    default:
      return error;
  }
}
