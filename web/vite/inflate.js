/* Unpacks deflate (RFC 1951) at once: what browsers have for it answers later, when the page counts as loaded already and keys would be lost. */
function inflate(packed, length) {
  const out = new Uint8Array(length);
  let [from, to, bits, held] = [0, 0, 0, 0];
  const take = (count) => {
    while (held < count) {
      bits |= packed[from++] << held;
      held += 8;
    }
    const value = bits & ((1 << count) - 1);
    bits >>>= count;
    held -= count;
    return value;
  };
  /* A table of all codes by their first 15 bits, as they come: the sign and, in the lowest four bits, the length. */
  const codeOf = (lengths) => {
    const table = new Uint16Array(1 << 15);
    let code = 0;
    for (let length = 1; length < 16; length++) {
      lengths.forEach((own, sign) => {
        if (own !== length) return;
        let reversed = 0;
        for (let bit = 0; bit < length; bit++) reversed |= ((code >> bit) & 1) << (length - 1 - bit);
        for (let at = reversed; at < 1 << 15; at += 1 << length) table[at] = (sign << 4) | length;
        code++;
      });
      code <<= 1;
    }
    return table;
  };
  const next = (table) => {
    while (held < 15) {
      bits |= packed[from++] << held;
      held += 8;
    }
    const found = table[bits & 0x7fff];
    bits >>>= found & 15;
    held -= found & 15;
    return found >> 4;
  };
  const [lengthBase, lengthBits, distanceBase, distanceBits] = [[], [], [], []];
  for (let sign = 0, base = 3; sign < 29; base += 1 << lengthBits[sign++]) {
    lengthBits[sign] = sign < 8 || sign === 28 ? 0 : (sign >> 2) - 1;
    lengthBase[sign] = sign === 28 ? 258 : base;
  }
  for (let sign = 0, base = 1; sign < 30; base += 1 << distanceBits[sign++]) {
    distanceBits[sign] = sign < 4 ? 0 : (sign >> 1) - 1;
    distanceBase[sign] = base;
  }
  const fixed = [codeOf(Array.from({ length: 288 }, (_, sign) => (sign < 144 ? 8 : sign < 256 ? 9 : sign < 280 ? 7 : 8))), codeOf(Array(30).fill(5))];
  const dynamic = () => {
    const [literals, distances, kinds] = [take(5) + 257, take(5) + 1, take(4) + 4];
    const own = Array(19).fill(0);
    for (const sign of [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15].slice(0, kinds)) own[sign] = take(3);
    const code = codeOf(own);
    const lengths = [];
    while (lengths.length < literals + distances) {
      const sign = next(code);
      if (sign < 16) lengths.push(sign);
      else {
        const repeated = sign === 16 ? lengths.at(-1) : 0;
        const times = sign === 16 ? 3 + take(2) : sign === 17 ? 3 + take(3) : 11 + take(7);
        for (let left = times; left > 0; left--) lengths.push(repeated);
      }
    }
    return [codeOf(lengths.slice(0, literals)), codeOf(lengths.slice(literals))];
  };
  let last = 0;
  while (!last) {
    last = take(1);
    const kind = take(2);
    if (kind === 0) {
      /* Stored: from the next whole byte on. */
      from -= held >> 3;
      bits = held = 0;
      const count = packed[from] | (packed[from + 1] << 8);
      out.set(packed.subarray(from + 4, from + 4 + count), to);
      from += 4 + count;
      to += count;
      continue;
    }
    const [literal, distance] = kind === 1 ? fixed : dynamic();
    for (let sign = next(literal); sign !== 256; sign = next(literal)) {
      if (sign < 256) {
        out[to++] = sign;
        continue;
      }
      const count = lengthBase[sign - 257] + take(lengthBits[sign - 257]);
      const far = next(distance);
      const back = distanceBase[far] + take(distanceBits[far]);
      for (const end = to + count; to < end; to++) out[to] = out[to - back];
    }
  }
  return out;
}
