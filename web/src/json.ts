import { escaped } from "./printable.ts";

/** Returns indented JSON of a value. A `bigint` becomes a plain number; characters that could control a terminal are escaped, as in `\u009b`. */
export function toJson(value: unknown, indent = ""): string {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return text(value);
  const inner = `${indent}  `;
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  const parts = Array.isArray(value)
    ? value.map((item) => toJson(item, inner))
    : Object.entries(value).map(([name, item]) => `${text(name)}: ${toJson(item, inner)}`);
  return parts.length === 0 ? open + close : `${open}\n${inner}${parts.join(`,\n${inner}`)}\n${indent}${close}`;
}

function text(value: unknown): string {
  return escaped(JSON.stringify(value));
}
