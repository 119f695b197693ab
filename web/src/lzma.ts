/**
 * Unpacks the `.lzma` format: properties, dictionary size (4 bytes), length (8 bytes), then the output of the range coder. Browsers have only gzip, with which the wasm is a
 * third larger. Libraries contain an encoder, too, and are ten times as long as this.
 *
 * Source: the LZMA specification of the LZMA SDK, which is in the public domain.
 */

const [HEADER, TOP, FULL, HALF] = [13, 2 ** 24, 2048, 1024];
/** Start of each kind of probability in one array. */
const MATCH = 0;
const REP = MATCH + 12 * 16;
const REP_G0 = REP + 12;
const REP_G1 = REP_G0 + 12;
const REP_G2 = REP_G1 + 12;
const REP_LONG = REP_G2 + 12;
const SLOT = REP_LONG + 12 * 16;
const SPECIAL = SLOT + 4 * 64;
const ALIGN = SPECIAL + 128;
const LENGTH = ALIGN + 16;
const LENGTH_SIZE = 2 + 2 * 128 + 256;
const REP_LENGTH = LENGTH + LENGTH_SIZE;
const LITERAL = REP_LENGTH + LENGTH_SIZE;
/** Bytes unpacked between two checks of the clock. */
const PIECE = 64 * 1024;
/** Milliseconds of work at a time, so that the page stays responsive. */
const TURN = 20;

/** Unpacks data of this page. Any other data gives an error or meaningless bytes. */
export async function unlzma(packed: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const head = new DataView(packed.buffer, packed.byteOffset, HEADER);
  const decoder = new Decoder(packed, head.getUint8(0), Number(head.getBigUint64(5, true)));
  let turn = performance.now();
  while (decoder.go(PIECE)) {
    if (performance.now() - turn < TURN) continue;
    await new Promise((resolve) => setTimeout(resolve));
    turn = performance.now();
  }
  return decoder.out;
}

class Decoder {
  readonly out: Uint8Array<ArrayBuffer>;
  readonly #in: Uint8Array;
  readonly #probs: Uint16Array;
  readonly #lc: number;
  readonly #lpMask: number;
  readonly #pbMask: number;
  #from = HEADER + 5;
  #to = 0;
  #range = 0xffffffff;
  #code = 0;
  #state = 0;
  #reps: [number, number, number, number] = [0, 0, 0, 0];

  constructor(packed: Uint8Array, props: number, length: number) {
    this.#in = packed;
    this.out = new Uint8Array(length);
    this.#lc = props % 9;
    const rest = Math.floor(props / 9);
    const lp = rest % 5;
    this.#lpMask = (1 << lp) - 1;
    this.#pbMask = (1 << Math.floor(rest / 5)) - 1;
    this.#probs = new Uint16Array(LITERAL + (0x300 << (this.#lc + lp))).fill(HALF);
    for (let at = 1; at < 5; at += 1) this.#code = ((this.#code << 8) | this.#next(HEADER + at)) >>> 0;
  }

  #next(at: number): number {
    return this.#in[at] ?? 0;
  }

  #normalise(): void {
    if (this.#range >= TOP) return;
    this.#range = (this.#range << 8) >>> 0;
    this.#code = ((this.#code << 8) | this.#next(this.#from)) >>> 0;
    this.#from += 1;
  }

  #bit(at: number): number {
    const prob = this.#probs[at] ?? HALF;
    const bound = (this.#range >>> 11) * prob;
    const one = this.#code >= bound;
    if (one) {
      this.#range = (this.#range - bound) >>> 0;
      this.#code = (this.#code - bound) >>> 0;
      this.#probs[at] = prob - (prob >>> 5);
    } else {
      this.#range = bound;
      this.#probs[at] = prob + ((FULL - prob) >>> 5);
    }
    this.#normalise();
    return one ? 1 : 0;
  }

  #direct(bits: number): number {
    let value = 0;
    for (let left = bits; left > 0; left -= 1) {
      this.#range >>>= 1;
      const one = this.#code >= this.#range;
      if (one) this.#code = (this.#code - this.#range) >>> 0;
      this.#normalise();
      value = value * 2 + (one ? 1 : 0);
    }
    return value;
  }

  #tree(at: number, bits: number): number {
    let node = 1;
    for (let left = bits; left > 0; left -= 1) node = (node << 1) | this.#bit(at + node);
    return node - (1 << bits);
  }

  #reverse(at: number, bits: number): number {
    let node = 1;
    let value = 0;
    for (let bit = 0; bit < bits; bit += 1) {
      const one = this.#bit(at + node);
      node = (node << 1) | one;
      value |= one << bit;
    }
    return value;
  }

  #length(at: number, position: number): number {
    if (this.#bit(at) === 0) return this.#tree(at + 2 + (position << 3), 3);
    if (this.#bit(at + 1) === 0) return 8 + this.#tree(at + 2 + 128 + (position << 3), 3);
    return 16 + this.#tree(at + 2 + 256, 8);
  }

  #literal(): void {
    const before = this.#to > 0 ? (this.out[this.#to - 1] ?? 0) : 0;
    const at = LITERAL + 0x300 * (((this.#to & this.#lpMask) << this.#lc) + (before >>> (8 - this.#lc)));
    let sign = 1;
    if (this.#state >= 7) {
      let match = this.out[this.#to - this.#reps[0] - 1] ?? 0;
      do {
        const expected = (match >>> 7) & 1;
        match <<= 1;
        const one = this.#bit(at + ((1 + expected) << 8) + sign);
        sign = (sign << 1) | one;
        if (one !== expected) break;
      } while (sign < 0x100);
    }
    while (sign < 0x100) sign = (sign << 1) | this.#bit(at + sign);
    this.out[this.#to] = sign;
    this.#to += 1;
    this.#state = this.#state < 4 ? 0 : this.#state < 10 ? this.#state - 3 : this.#state - 6;
  }

  #distance(length: number): number {
    const slot = this.#tree(SLOT + (Math.min(length, 3) << 6), 6);
    if (slot < 4) return slot;
    const bits = (slot >>> 1) - 1;
    const base = (2 | (slot & 1)) << bits;
    if (slot < 14) return base + this.#reverse(SPECIAL + base - slot, bits);
    return base + this.#direct(bits - 4) * 16 + this.#reverse(ALIGN, 4);
  }

  #copy(length: number): void {
    const distance = this.#reps[0] + 1;
    if (distance > this.#to) throw new Error("The program inside this page is damaged. Load or download the page again.");
    const end = Math.min(this.out.length, this.#to + length + 2);
    for (; this.#to < end; this.#to += 1) this.out[this.#to] = this.out[this.#to - distance] ?? 0;
  }

  /** Unpacks at least `bytes` more, unless the end comes first; false at the end. */
  go(bytes: number): boolean {
    const until = Math.min(this.out.length, this.#to + bytes);
    while (this.#to < until) {
      const position = this.#to & this.#pbMask;
      if (this.#bit(MATCH + (this.#state << 4) + position) === 0) {
        this.#literal();
        continue;
      }
      if (this.#bit(REP + this.#state) === 0) {
        const length = this.#length(LENGTH, position);
        this.#state = this.#state < 7 ? 7 : 10;
        this.#reps = [this.#distance(length), this.#reps[0], this.#reps[1], this.#reps[2]];
        this.#copy(length);
        continue;
      }
      this.#repeated(position);
    }
    return this.#to < this.out.length;
  }

  #repeated(position: number): void {
    const [first, second, third, fourth] = this.#reps;
    if (this.#bit(REP_G0 + this.#state) === 0) {
      if (this.#bit(REP_LONG + (this.#state << 4) + position) === 0) {
        this.#state = this.#state < 7 ? 9 : 11;
        this.#copy(-1);
        return;
      }
    } else if (this.#bit(REP_G1 + this.#state) === 0) this.#reps = [second, first, third, fourth];
    else if (this.#bit(REP_G2 + this.#state) === 0) this.#reps = [third, first, second, fourth];
    else this.#reps = [fourth, first, second, third];
    const length = this.#length(REP_LENGTH, position);
    this.#state = this.#state < 7 ? 8 : 11;
    this.#copy(length);
  }
}
