import { format } from "jsonc-parser";

/** Deeper JSON than this is shown as it is: its indentation would grow with the square of its depth. */
const MAX_DEPTH = 200;

/** Whether a text is a JSON object or array that can be laid out. Of a `cut` one only the beginning is asked. */
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

/** JSON laid out in lines. Tokens stay as they are written: numbers keep all their digits, and doubled names stay. */
export function prettyJson(text: string): string {
  const out: string[] = [];
  let at = 0;
  // The edits come in order. The package's own `applyEdits` copies the whole text for each of them.
  for (const { offset, length, content } of format(text, undefined, { tabSize: 2, insertSpaces: true, eol: "\n" })) {
    out.push(text.slice(at, offset), content);
    at = offset + length;
  }
  out.push(text.slice(at));
  return out.join("");
}
