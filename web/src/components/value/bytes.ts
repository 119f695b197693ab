import { printable } from "../../printable.ts";

/** Kubernetes begins its protobuf values with these bytes: `k8s` and a zero. */
const KUBERNETES = [0x6b, 0x38, 0x73, 0x00];
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

/** A text in which everything can be seen that would otherwise hide or reorder what is around it. Tabs and ends of lines stay. */
export function visible(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, picture).replace(/[^\t\n]+/g, printable);
}

/** A control as its picture, `␀`. A carriage return is one as well: it cannot be seen otherwise. */
function picture(sign: string): string {
  const code = sign.charCodeAt(0);
  return code === 0x7f ? "\u2421" : String.fromCharCode(0x2400 + code);
}
