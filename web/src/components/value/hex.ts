/** Bytes in a line. */
const LINE = 16;

/** Bytes in lines: the offset, sixteen bytes in hexadecimal, the same as ASCII. */
export function hexText(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += LINE) {
    const part = bytes.subarray(at, at + LINE);
    let hex = "";
    let ascii = "";
    part.forEach((byte, index) => {
      if (index > 0) hex += index === LINE / 2 ? "  " : " ";
      hex += hexByte(byte);
      ascii += asciiByte(byte);
    });
    lines.push(`${at.toString(16).padStart(8, "0")}  ${hex.padEnd(LINE * 3)}  ${ascii}`);
  }
  return lines.join("\n");
}

export function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

/** A byte as the sign that it is in ASCII; a dot for one that is none to see. */
export function asciiByte(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·";
}

/** All bytes in hexadecimal, to copy. */
export function hexDigits(bytes: Uint8Array): string {
  return Array.from(bytes, hexByte).join("");
}
