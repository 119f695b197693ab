import type { MessageField } from "../../generated/etcdsnap_inspector.js";

/** The maximum indentation of nested fields. */
const MAX_INDENT = 60;

/** Formats the fields of a protobuf message, each with its number; a type follows unless it is text or a varint. */
export function fieldText(fields: MessageField[]): string {
  return fields
    .map(({ number, depth, wire, value }) => {
      const indent = "  ".repeat(Math.min(depth, MAX_INDENT));
      if (wire === "message") return `${indent}${number}:`;
      const kind = wire === "text" || wire === "varint" ? "" : ` ${wire}`;
      return `${indent}${number}${kind}: ${value.replaceAll("\n", `\n${indent}    `)}`;
    })
    .join("\n");
}

/** Returns the version and kind in the message of a Kubernetes object: `v1 Pod`. */
export function kindOf(fields: MessageField[]): string | null {
  const [type, version, kind] = fields;
  if (type?.wire !== "message" || version?.depth !== 1 || version.number !== 1 || kind?.depth !== 1 || kind.number !== 2) return null;
  return `${version.value} ${kind.value}`;
}
