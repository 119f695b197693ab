const NAMED: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9 };

/** A key as text, or in base64 if it is not UTF-8. */
export type KeyText = { text: string } | { base64: string };

/** Reads a key in its displayed form: plain, or in quotes with escapes. Mirrors `key_bytes` in core/src/key_syntax.rs. */
export function keyOf(displayed: string): KeyText {
  const quoted = /^"(.*)"$/s.exec(displayed)?.[1];
  if (quoted === undefined) return { text: displayed };
  const bytes = quoted.replace(/\\(?:x([0-9a-f]{2})|(.))/gs, (_, digits: string | undefined, sign: string | undefined) =>
    String.fromCharCode(digits !== undefined ? Number.parseInt(digits, 16) : (NAMED[sign ?? ""] ?? (sign ?? "").charCodeAt(0))),
  );
  try {
    return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes, (char) => char.charCodeAt(0))) };
  } catch {
    return { base64: btoa(bytes) };
  }
}
