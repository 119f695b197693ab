import { format } from "jsonc-parser";
import type { MessageField } from "../../generated/etcdsnap_inspector.js";

/** How bytes are put into lines. */
export type Form = "json" | "text" | "message" | "hex";

/** Bytes as lines of text, to read and to compare. No line has a character that moves or reorders the text around it. */
export interface Lines {
  form: Form;
  lines: string[];
}

/** Reads bytes as a protobuf message; null when they are none. The store's call `message` does so. */
export type ReadMessage = (bytes: Uint8Array) => Promise<MessageField[] | null>;

/** What Kubernetes puts before a protobuf message: `k8s` and a zero byte. */
const MESSAGE_MARK = [0x6b, 0x38, 0x73, 0];
/** Deeper JSON stays as it is: its indent alone would take more room than the value. */
const DEEPEST_JSON = 60;
const HEX_LINE = 16;

/** The name of a form, for people. */
export const FORMS: Record<Form, string> = { json: "JSON", text: "text", message: "protobuf fields", hex: "bytes" };

/** Bytes as lines, in the most readable form they have. */
export async function linesOf(bytes: Uint8Array, readMessage: ReadMessage): Promise<Lines> {
  if (isMessage(bytes)) {
    const fields = await readMessage(bytes.slice(MESSAGE_MARK.length));
    if (fields !== null) return { form: "message", lines: fields.map(fieldLine) };
  }
  return plainLines(bytes);
}

/** Bytes as lines, without asking anybody. */
export function plainLines(bytes: Uint8Array): Lines {
  const text = textOf(bytes);
  if (text === null) return { form: "hex", lines: hexLines(bytes) };
  const pretty = prettyJson(text);
  return { form: pretty === null ? "text" : "json", lines: text === "" ? [] : harmless(pretty ?? text).split("\n") };
}

export function isMessage(bytes: Uint8Array): boolean {
  return MESSAGE_MARK.every((byte, at) => bytes[at] === byte);
}

/** The text that the bytes are; null for bytes that are no UTF-8, or hold control characters that no text has. */
export function textOf(bytes: Uint8Array): string | null {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return /[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f]/.test(text) ? null : text;
  } catch {
    return null;
  }
}

/** JSON with one value a line: numbers, order and doubled names stay as they are. Null when it is no JSON object or array. */
export function prettyJson(text: string): string | null {
  if (!/^\s*[[{]/.test(text) || isDeep(text)) return null;
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  // Put together here: the package's own `applyEdits` copies the whole text for each edit.
  const parts: string[] = [];
  let at = 0;
  for (const { offset, length, content } of format(text, undefined, { insertSpaces: true, tabSize: 2, eol: "\n" })) {
    parts.push(text.slice(at, offset), content);
    at = offset + length;
  }
  return parts.join("") + text.slice(at);
}

function isDeep(text: string): boolean {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at];
    if (quoted) {
      if (sign === "\\") at += 1;
      else if (sign === '"') quoted = false;
    } else if (sign === '"') quoted = true;
    else if (sign === "[" || sign === "{") depth += 1;
    else if (sign === "]" || sign === "}") depth -= 1;
    if (depth > DEEPEST_JSON) return true;
  }
  return false;
}

/** A field with its number, indented by its depth. */
export function fieldLine({ number, depth, wire, value }: MessageField): string {
  const indent = "  ".repeat(Math.min(depth, DEEPEST_JSON));
  return wire === "message" ? `${indent}${number}:` : `${indent}${number}: ${harmless(value).replaceAll("\n", "\\n")}`;
}

/** `00000010  6b 38 73 00 …  k8s.`, sixteen bytes a line. */
export function hexLines(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += HEX_LINE) {
    const part = [...bytes.subarray(at, at + HEX_LINE)];
    const hex = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const signs = part.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(8, "0")}  ${hex.padEnd(HEX_LINE * 3 - 1)}  ${signs}`);
  }
  return lines;
}

/** Escapes what is not seen or reorders the text around it; tabs and line ends stay. */
export function harmless(text: string): string {
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g, (sign) =>
    sign === "\r" ? "\\r" : `\\u{${sign.charCodeAt(0).toString(16)}}`,
  );
}
