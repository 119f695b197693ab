import { printable } from "../../printable.ts";

/** The first bytes of protobuf values of Kubernetes: `k8s` and a zero. */
const KUBERNETES = [0x6b, 0x38, 0x73, 0x00];
/** Control characters that text does not contain. */
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/** Tells whether a value is a Kubernetes object in protobuf. */
export function isKubernetes(bytes: Uint8Array): boolean {
  return KUBERNETES.every((byte, index) => bytes[index] === byte);
}

/** Returns the bytes of the protobuf message in a value, without the prefix of Kubernetes. */
export function messageBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.slice(isKubernetes(bytes) ? KUBERNETES.length : 0);
}

/** Decodes bytes as text; null if they are not UTF-8 or contain control characters. If `cut`, the text may end within a character. */
export function decodeText(bytes: Uint8Array, cut: boolean): string | null {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, { stream: cut });
    return CONTROLS.test(text) ? null : text;
  } catch {
    return null;
  }
}

/** Decodes any bytes as text; replaces what is not UTF-8. */
export function decodeAnyText(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/** Makes invisible and reordering characters of a text visible. Tabs and line ends stay. */
export function showInvisible(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, picture).replace(/[^\t\n]+/g, printable);
}

/** Returns the symbol of a control character, such as `␀`; also for a carriage return, which would be invisible. */
function picture(sign: string): string {
  const code = sign.charCodeAt(0);
  return code === 0x7f ? "\u2421" : String.fromCharCode(0x2400 + code);
}
