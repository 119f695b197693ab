/** A piece of a line of YAML, and its type. */
export interface Token {
  kind: "key" | "text" | "number" | "word" | "mark";
  text: string;
}

/** A line of YAML as kubectl prints it. */
export interface YamlLine {
  tokens: Token[];
  /** The index after the last line of the part that begins here. */
  end: number;
}

/** Spaces and dashes, a key with its colon, and the value. */
const KEY = /^(\s*(?:- )*)((?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#"'[\]{},|>&*!%@`-][^#]*?|-[^\s#][^#]*?):)(?=\s|$)(.*)$/;
/** The start of a multi-line text (block scalar). */
const BLOCK = /^\s*[|>][0-9]?[-+]?$/;

/** Splits YAML into lines with tokens to colour and parts to fold. */
export function yamlLines(text: string): YamlLine[] {
  const lines = (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n");
  const out: YamlLine[] = [];
  /** The indentation of the key whose multi-line text is being read; null outside of one. */
  let block: number | null = null;
  const depths: number[] = [];
  for (const line of lines) {
    const indent = line.length - line.trimStart().length;
    const empty = line.trim() === "";
    if (block !== null && !empty && indent <= block) block = null;
    const inside = block !== null;
    const tokens = inside ? [{ kind: "text" as const, text: line }] : tokensOf(line);
    if (!inside && BLOCK.test(valueOf(line))) block = indent + dashes(line);
    // Elements of a list belong to the key above, although they are not indented.
    depths.push(empty || inside ? Number.MAX_SAFE_INTEGER : 2 * indent + (line.trimStart().startsWith("- ") ? 1 : 0));
    out.push({ tokens, end: 0 });
  }
  const open: number[] = [];
  const close = (down: number, at: number): void => {
    while (open.length > 0 && (depths[open.at(-1) ?? 0] ?? 0) >= down) {
      const line = out[open.pop() ?? 0];
      if (line !== undefined) line.end = at;
    }
  };
  depths.forEach((depth, at) => {
    if (depth < Number.MAX_SAFE_INTEGER) {
      close(depth, at);
      open.push(at);
    } else {
      const line = out[at];
      if (line !== undefined) line.end = at + 1;
    }
  });
  close(-1, out.length);
  return out;
}

function dashes(line: string): number {
  return /^\s*((?:- )*)/.exec(line)?.[1]?.length ?? 0;
}

function valueOf(line: string): string {
  return KEY.exec(line)?.[3] ?? /^\s*(?:- )+(.*)$/.exec(line)?.[1] ?? "";
}

function tokensOf(line: string): Token[] {
  const [, start = "", key, rest = ""] = KEY.exec(line) ?? [];
  if (key !== undefined) {
    const out: Token[] = start === "" ? [] : [{ kind: "mark", text: start }];
    out.push({ kind: "key", text: key });
    if (rest !== "") out.push(valueToken(rest));
    return out;
  }
  const [, dash = "", value = ""] = /^(\s*(?:- ?)*)(.*)$/.exec(line) ?? [];
  return [...(dash === "" ? [] : [{ kind: "mark" as const, text: dash }]), ...(value === "" ? [] : [valueToken(value)])];
}

function valueToken(text: string): Token {
  const value = text.trim();
  if (/^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/.test(value)) return { kind: "number", text };
  if (/^(?:true|false|null|\{\}|\[\])$/.test(value)) return { kind: "word", text };
  return { kind: "text", text };
}
