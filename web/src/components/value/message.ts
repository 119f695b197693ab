import type { MessageField } from "../../generated/etcdsnap_inspector.js";

/** Deeper fields are indented no further. */
const MAX_INDENT = 60;

/** The fields of a message, each with its number; what is neither text nor a number says what it is. A text of many lines takes as many. */
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

/** What a message of Kubernetes says that it is: `v1 Pod`. */
export function kindOf(fields: MessageField[]): string | null {
  const [type, version, kind] = fields;
  if (type?.wire !== "message" || version?.depth !== 1 || version.number !== 1 || kind?.depth !== 1 || kind.number !== 2) return null;
  return `${version.value} ${kind.value}`;
}
