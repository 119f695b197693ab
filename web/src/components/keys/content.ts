import { format } from "jsonc-parser";
import type { MessageField } from "../../generated/etcdsnap_inspector.js";

/** The ways a value can be shown. */
export type Mode = "json" | "text" | "protobuf" | "hex";

/** Kubernetes begins its protobuf values with these bytes. */
const KUBERNETES = [0x6b, 0x38, 0x73, 0x00];
/** Deeper JSON than this is shown as it is: its indentation would grow with the square of its depth. */
const MAX_DEPTH = 200;
/** What a text does not hold. */
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/** Whether this is a value of Kubernetes in protobuf. */
export function isKubernetes(bytes: Uint8Array): boolean {
  return KUBERNETES.every((byte, index) => bytes[index] === byte);
}

/** The bytes of the message in a value. */
export function messageBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.slice(isKubernetes(bytes) ? KUBERNETES.length : 0);
}

/** The bytes as text; null when they are none, or hold controls that a text does not. A `cut` text may end within a letter. */
export function asText(bytes: Uint8Array, cut: boolean): string | null {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, { stream: cut });
    return CONTROLS.test(text) ? null : text;
  } catch {
    return null;
  }
}

/** Any bytes as text: what is none is replaced. */
export function anyText(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/** Whether a text is a JSON object or array that can be laid out. Of a `cut` one only the beginning is asked. */
export function isJson(text: string, cut: boolean): boolean {
  if (!/^\s*(?:\{\s*["}]|\[)/.test(text) || tooDeep(text)) return false;
  if (cut) return true;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function tooDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at];
    if (sign === '"') {
      for (at += 1; at < text.length && text[at] !== '"'; at += 1) if (text[at] === "\\") at += 1;
    } else if (sign === "{" || sign === "[") {
      depth += 1;
      if (depth > MAX_DEPTH) return true;
    } else if (sign === "}" || sign === "]") depth -= 1;
  }
  return false;
}

/** JSON laid out in lines. Tokens stay as they are written: numbers keep all their digits. */
export function pretty(text: string): string {
  const out: string[] = [];
  let at = 0;
  // The edits come in order. The package's own `applyEdits` copies the whole text for each of them.
  for (const { offset, length, content } of format(text, undefined, { tabSize: 2, insertSpaces: true, eol: "\n" })) {
    out.push(text.slice(at, offset), content);
    at = offset + length;
  }
  out.push(text.slice(at));
  return out.join("");
}

/** The fields of a message, a line each: number, kind, value. */
export function fieldText(fields: MessageField[]): string {
  return fields
    .map(({ number, depth, wire, value }) => {
      const indent = "  ".repeat(depth);
      return value === "" ? `${indent}${number} ${wire}` : `${indent}${number} ${wire}  ${value.replaceAll("\n", `\n${indent}    `)}`;
    })
    .join("\n");
}

/** What a message of Kubernetes says that it is: `v1 Pod`. */
export function kindOf(fields: MessageField[]): string | null {
  const [type, version, kind] = fields;
  if (type?.wire !== "message" || version?.depth !== 1 || version.number !== 1 || kind?.depth !== 1 || kind.number !== 2) return null;
  return `${version.value} ${kind.value}`;
}

/** Bytes in lines: the offset, `per` bytes in hexadecimal, the same as ASCII. */
export function hexText(bytes: Uint8Array, per: number): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += per) {
    const part = bytes.subarray(at, at + per);
    let hex = "";
    let ascii = "";
    part.forEach((byte, index) => {
      if (index > 0) hex += index % 8 === 0 ? "  " : " ";
      hex += byte.toString(16).padStart(2, "0");
      ascii += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·";
    });
    const wide = per * 3 - 1 + Math.floor((per - 1) / 8);
    lines.push(`${at.toString(16).padStart(6, "0")}  ${hex.padEnd(wide)}  ${ascii}`);
  }
  return lines.join("\n");
}

/** All bytes in hexadecimal, to copy. */
export function hexDigits(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A text in which controls, and signs that would reorder what is around them, can be seen. */
export function visible(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, control).replace(/[\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (sign) => `\\u{${sign.charCodeAt(0).toString(16)}}`);
}

/** A control as its picture, `␀`. A carriage return is one as well: it cannot be seen otherwise. */
function control(sign: string): string {
  const code = sign.charCodeAt(0);
  return code === 0x7f ? "\u2421" : String.fromCharCode(0x2400 + code);
}
