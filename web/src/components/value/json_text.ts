import { format } from "jsonc-parser";

/** The maximum depth of formatted JSON, because indentation grows with the square of the depth. */
const MAX_DEPTH = 200;

/** Tells whether a text is a JSON object or array that can be formatted. If `cut`, only the beginning is examined. */
export function isJson(text: string, cut: boolean): boolean {
  if (!/^\s*(?:\{\s*["}]|\[)/.test(text) || tooDeep(text)) return false;
  if (cut) return true;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function tooDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at];
    if (sign === '"') {
      for (at += 1; at < text.length && text[at] !== '"'; at += 1) if (text[at] === "\\") at += 1;
    } else if (sign === "{" || sign === "[") {
      depth += 1;
      if (depth > MAX_DEPTH) return true;
    } else if (sign === "}" || sign === "]") depth -= 1;
  }
  return false;
}

/** Formats JSON in lines. Tokens stay unchanged: numbers keep all digits, and duplicate names stay. */
export function prettyJson(text: string): string {
  const out: string[] = [];
  let at = 0;
  // The edits are in order. The package's `applyEdits` would copy the whole text for each one.
  for (const { offset, length, content } of format(text, undefined, { tabSize: 2, insertSpaces: true, eol: "\n" })) {
    out.push(text.slice(at, offset), content);
    at = offset + length;
  }
  out.push(text.slice(at));
  return out.join("");
}
