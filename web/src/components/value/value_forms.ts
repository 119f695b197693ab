import type { MessageField } from "../../generated/etcdsnap_inspector.js";
import { anyText, asText, isKubernetes, messageBytes, visible } from "./bytes.ts";
import { hexText } from "./hex.ts";
import { isJson, prettyJson } from "./json_text.ts";
import { fieldText } from "./protobuf_text.ts";
import { LONGEST, prettyYaml, yamlOfJson } from "./yaml.ts";

/** The forms in which a value can be shown. */
export type Form = "object" | "json" | "yaml" | "text" | "protobuf" | "hex";

/** The names of the forms on buttons. */
export const LABELS: Record<Form, string> = { object: "YAML", json: "JSON", yaml: "YAML", text: "Text", protobuf: "Protobuf", hex: "Bytes" };
/** The names of the forms in a sentence. */
export const NAMES: Record<Form, string> = { object: "YAML", json: "JSON", yaml: "YAML", text: "text", protobuf: "protobuf fields", hex: "bytes" };

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
export function read(bytes: Uint8Array, cut: boolean): Reading {
  const text = asText(bytes, cut);
  const json = text !== null && isJson(text, cut);
  const yaml = text === null || cut || json ? null : prettyYaml(text);
  return { bytes, text, json, yaml, asYaml: json && !cut && text.length <= LONGEST, kubernetes: isKubernetes(bytes) };
}

/** Returns the most readable form of a value. `fields` are its fields if it is a protobuf message. */
export function bestOf({ text, json, yaml, kubernetes }: Reading, fields: MessageField[] | null): Form {
  if (json) return "json";
  if (kubernetes) return "protobuf";
  if (text !== null) return yaml === null ? "text" : "yaml";
  return fields === null ? "hex" : "protobuf";
}

/** Returns a value in a form, with all characters unchanged, for copying. */
export function written({ bytes, text, yaml, json }: Reading, form: Form, fields: MessageField[] | null): string {
  switch (form) {
    case "object":
    case "json":
      return prettyJson(text ?? anyText(bytes));
    case "yaml":
      return yaml ?? (json && text !== null ? yamlOfJson(text) : null) ?? anyText(bytes);
    case "text":
      return text ?? anyText(bytes);
    case "protobuf":
      return fieldText(fields ?? []);
    case "hex":
      return hexText(bytes);
  }
}

/** Returns a value in a form for display, with invisible characters made visible. */
export function shown(reading: Reading, form: Form, fields: MessageField[] | null): string {
  return visible(written(reading, form, fields));
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
  const reading = read(bytes, false);
  const fields = reading.kubernetes ? await readMessage(messageBytes(bytes)) : null;
  const best = bestOf(reading, fields);
  const form = best === "protobuf" && fields === null ? "hex" : best;
  return { form, lines: bytes.length === 0 ? [] : shown(reading, form, fields).split("\n") };
}
