import type { MessageField } from "../../generated/etcdsnap_inspector.js";
import { decodeAnyText, decodeText, isKubernetes, messageBytes, showInvisible } from "./bytes.ts";
import { hexText } from "./hex.ts";
import { isJson, prettyJson } from "./json_text.ts";
import { fieldText } from "./protobuf_text.ts";
import { LONGEST, prettyYaml, yamlOfJson } from "./yaml.ts";

/** The forms in which a value can be shown. */
export type Form = "object" | "json" | "yaml" | "text" | "protobuf" | "hex";

/** The names of the forms on buttons. */
export const FORM_LABELS: Record<Form, string> = { object: "YAML", json: "JSON", yaml: "YAML", text: "Text", protobuf: "Protobuf", hex: "Bytes" };
/** The names of the forms in a sentence. */
export const FORM_NAMES: Record<Form, string> = { object: "YAML", json: "JSON", yaml: "YAML", text: "text", protobuf: "protobuf fields", hex: "bytes" };

/** What the page can tell about a value without calling the worker. */
export interface Reading {
  bytes: Uint8Array;
  /** The value as text; null if it is not text. */
  text: string | null;
  json: boolean;
  /** The value formatted as YAML; null if it is not YAML or too long. */
  yaml: string | null;
  /** Whether the value is JSON that can also be shown as YAML. */
  asYaml: boolean;
  kubernetes: boolean;
}

/** Examines a value, or the beginning of a value if `cut`. */
export function examineValue(bytes: Uint8Array, cut: boolean): Reading {
  const text = decodeText(bytes, cut);
  const json = text !== null && isJson(text, cut);
  const yaml = text === null || cut || json ? null : prettyYaml(text);
  return { bytes, text, json, yaml, asYaml: json && !cut && text.length <= LONGEST, kubernetes: isKubernetes(bytes) };
}

/** Returns the most readable form of a value. `fields` are its fields if it is a protobuf message. */
export function bestForm({ text, json, yaml, kubernetes }: Reading, fields: MessageField[] | null): Form {
  if (json) return "json";
  if (kubernetes) return "protobuf";
  if (text !== null) return yaml === null ? "text" : "yaml";
  return fields === null ? "hex" : "protobuf";
}

/** Returns a value in a form, with all characters unchanged, for copying. */
export function copiedText({ bytes, text, yaml, json }: Reading, form: Form, fields: MessageField[] | null): string {
  switch (form) {
    case "object":
    case "json":
      return prettyJson(text ?? decodeAnyText(bytes));
    case "yaml":
      return yaml ?? (json && text !== null ? yamlOfJson(text) : null) ?? decodeAnyText(bytes);
    case "text":
      return text ?? decodeAnyText(bytes);
    case "protobuf":
      return fieldText(fields ?? []);
    case "hex":
      return hexText(bytes);
  }
}

/** Returns a value in a form for display, with invisible characters made visible. */
export function displayedText(reading: Reading, form: Form, fields: MessageField[] | null): string {
  return showInvisible(copiedText(reading, form, fields));
}

/** Decodes bytes as a protobuf message; null if they are not one. The store's call `message` does this. */
export type ReadMessage = (bytes: Uint8Array) => Promise<MessageField[] | null>;

/** Returns the lines of the Kubernetes object in a value; null if there is none. */
export type ReadObject = (bytes: Uint8Array) => Promise<string[] | null>;

/** A value in lines, for a comparison. */
export interface Lines {
  form: Form;
  lines: string[];
}

/** Returns a value in lines, in its most readable form. Only a value that begins like a Kubernetes object is decoded as a protobuf message. */
export async function linesOf(bytes: Uint8Array, readMessage: ReadMessage, readObject?: ReadObject): Promise<Lines> {
  const object = (await readObject?.(bytes)) ?? null;
  if (object !== null) return { form: "object", lines: object };
  const reading = examineValue(bytes, false);
  const fields = reading.kubernetes ? await readMessage(messageBytes(bytes)) : null;
  const best = bestForm(reading, fields);
  const form = best === "protobuf" && fields === null ? "hex" : best;
  return { form, lines: bytes.length === 0 ? [] : displayedText(reading, form, fields).split("\n") };
}
