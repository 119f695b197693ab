/** Bytes in a line. */
const LINE = 16;

/** Formats bytes as a hex dump: offset, sixteen bytes in hexadecimal, and ASCII. */
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

/** Returns the ASCII character of a byte; a dot if it is not printable. */
export function asciiByte(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·";
}

/** Formats all bytes in hexadecimal, for copying. */
export function hexDigits(bytes: Uint8Array): string {
  return Array.from(bytes, hexByte).join("");
}
