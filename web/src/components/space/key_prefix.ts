/** Prefixes of keys in their displayed form: plain, or in quotes with escapes. */

/** A step of the path to a prefix. */
export interface Step {
  /** The prefix up to this step. */
  prefix: string;
  /** The part that the step adds, with its slash. */
  name: string;
  /** What Kubernetes stores at this step; empty if unknown. */
  kind: string;
}

const KUBERNETES = "/registry/";

/** Splits a prefix into steps, without the empty one. A slash at the start belongs to the first part. */
export function prefixSteps(prefix: string): Step[] {
  const quote = isQuoted(prefix) ? '"' : "";
  const inner = quote === "" ? prefix : prefix.slice(1, -1);
  const parts = inner.match(/^\/?[^/]*\/?|[^/]+\/?|\//g)?.filter((part) => part !== "") ?? [];
  const kinds = inner.startsWith(KUBERNETES) ? kubernetesKinds(parts) : [];
  let path = "";
  return parts.map((name, at) => {
    path += name;
    return { prefix: quote + path + quote, name, kind: kinds[at] ?? "" };
  });
}

/** Returns the prefix one step up; null at the top. */
export function parentPrefix(prefix: string): string | null {
  if (prefix === "") return null;
  return prefixSteps(prefix).at(-2)?.prefix ?? "";
}

/** Names what the groups below a prefix are, in the plural. */
export function groupsBelow(prefix: string): string {
  const path = isQuoted(prefix) ? prefix.slice(1, -1) : prefix;
  if (!path.startsWith(KUBERNETES)) return "Groups";
  const below = kubernetesKinds([...prefixSteps(prefix).map((step) => step.name), ""]).at(-1) ?? "";
  return { resource: "Resources", "resource or group": "Resources and groups", namespace: "Namespaces", name: "Objects", part: "Parts" }[below] ?? "Groups";
}

/** Names the parts of a key like `/registry/apps.example.com/widgets/default/one`. A first part with a dot is an API group. */
function kubernetesKinds(parts: string[]): string[] {
  const kinds = ["registry"];
  const [, first] = parts;
  if (first === undefined) return kinds;
  if (first.includes(".")) kinds.push("group", "resource");
  // The API server stores services below two prefixes.
  else if (first === "services/" && /^(specs|endpoints)\/$/.test(parts[2] ?? "")) kinds.push("resource", "part");
  else kinds.push(first === "" ? "resource or group" : "resource");
  kinds.push("namespace", "name");
  while (kinds.length < parts.length) kinds.push("");
  return kinds.slice(0, parts.length);
}

function isQuoted(prefix: string): boolean {
  return prefix.length >= 2 && prefix.startsWith('"') && prefix.endsWith('"');
}
