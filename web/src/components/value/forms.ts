import type { MessageField } from "../../generated/etcdsnap_inspector.js";
import { anyText, asText, isKubernetes, messageBytes, visible } from "./bytes.ts";
import { hexText } from "./hex.ts";
import { isJson, prettyJson } from "./json_text.ts";
import { fieldText } from "./message.ts";
import { LONGEST, prettyYaml, yamlOfJson } from "./yaml.ts";

/** The forms in which a value is shown. */
export type Form = "object" | "json" | "yaml" | "text" | "protobuf" | "hex";

/** Their names on buttons. */
export const LABELS: Record<Form, string> = { object: "YAML", json: "JSON", yaml: "YAML", text: "Text", protobuf: "Protobuf", hex: "Bytes" };
/** Their names in a sentence. */
export const NAMES: Record<Form, string> = { object: "YAML", json: "JSON", yaml: "YAML", text: "text", protobuf: "protobuf fields", hex: "bytes" };

/** What can be told of a value without asking anybody. */
export interface Reading {
  bytes: Uint8Array;
  /** Null when it is no text. */
  text: string | null;
  json: boolean;
  /** It laid out as YAML; null when it is none, or too long. */
  yaml: string | null;
  /** Whether it is JSON that can be shown as YAML, too. */
  asYaml: boolean;
  kubernetes: boolean;
}

/** Reads a value, or the beginning of one that is `cut`. */
export function read(bytes: Uint8Array, cut: boolean): Reading {
  const text = asText(bytes, cut);
  const json = text !== null && isJson(text, cut);
  const yaml = text === null || cut || json ? null : prettyYaml(text);
  return { bytes, text, json, yaml, asYaml: json && !cut && text.length <= LONGEST, kubernetes: isKubernetes(bytes) };
}

/** The form that says the most. `fields` are those of the message that it may be. */
export function bestOf({ text, json, yaml, kubernetes }: Reading, fields: MessageField[] | null): Form {
  if (json) return "json";
  if (kubernetes) return "protobuf";
  if (text !== null) return yaml === null ? "text" : "yaml";
  return fields === null ? "hex" : "protobuf";
}

/** A value in a form, each letter as it is. */
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

/** The same to look at: what would move or reorder the text around it can be seen. */
export function shown(reading: Reading, form: Form, fields: MessageField[] | null): string {
  return visible(written(reading, form, fields));
}

/** Reads bytes as a protobuf message; null when they are none. The store's call `message` does so. */
export type ReadMessage = (bytes: Uint8Array) => Promise<MessageField[] | null>;

/** The lines of the object of Kubernetes in a value; null where there is none. */
export type ReadObject = (bytes: Uint8Array) => Promise<string[] | null>;

/** A value in lines, to be compared with another. */
export interface Lines {
  form: Form;
  lines: string[];
}

/** A value in lines, in the form that says the most; by itself only a value of Kubernetes is taken for a message. */
export async function linesOf(bytes: Uint8Array, readMessage: ReadMessage, readObject?: ReadObject): Promise<Lines> {
  const object = (await readObject?.(bytes)) ?? null;
  if (object !== null) return { form: "object", lines: object };
  const reading = read(bytes, false);
  const fields = reading.kubernetes ? await readMessage(messageBytes(bytes)) : null;
  const best = bestOf(reading, fields);
  const form = best === "protobuf" && fields === null ? "hex" : best;
  return { form, lines: bytes.length === 0 ? [] : shown(reading, form, fields).split("\n") };
}
