import { isCollection, isMap, isSeq, parseAllDocuments, Scalar, visit } from "yaml";

/** A longer text is shown as it is: the parser takes some milliseconds for each KiB, and the page waits for it. */
export const LONGEST = 32 * 1024;
/** How YAML begins that is laid out in lines: a directive, a document's start, a list, or a name with a colon, comments before it. */
const BEGINNING = /^(?:[ \t]*(?:#[^\n]*)?\r?\n)*(?:%YAML |---(?:\s|$)|[ \t]*(?:- +\S|(?:[\w./-]+|"[^"\n]+"|'[^'\n]+') *:(?:\s|$)))/;
/** A text that YAML takes for something else than text when it stands there without quotes. */
const AMBIGUOUS = /^(?:~|null|true|false|yes|no|on|off|[-+]?(?:\d[\d_,.:]*(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?|0x[\da-f_]+|0o?[0-7_]+|\.inf)|\.nan|<<|=|\d{4}-\d\d?-\d\d?.*)?$/i;

/** Every scalar is text for this schema, so that each is written as it was read: `1.10` stays, and so does `0o17`. */
const READING = { schema: "failsafe", logLevel: "silent", uniqueKeys: false } as const;
/** Long lines stay whole. */
const WRITING = { indent: 2, lineWidth: 0 } as const;

/**
 * YAML laid out anew, comments and quotes kept; null for what is none. Nearly every text is YAML to the letter, so it must look like YAML, and hold at least two
 * entries or elements.
 */
export function prettyYaml(text: string): string | null {
  if (text.length > LONGEST || !BEGINNING.test(text)) return null;
  try {
    const documents = parseAllDocuments(text, READING);
    if (!Array.isArray(documents)) return null;
    if (documents.some(({ errors, contents }) => errors.length > 0 || !(contents === null || isCollection(contents)))) return null;
    let entries = 0;
    for (const { contents } of documents) visit(contents, { Map: (_, map) => void (entries += map.items.length), Seq: (_, list) => void (entries += list.items.length) });
    if (entries < 2) return null;
    return documents.map((document) => document.toString(WRITING)).join("");
  } catch {
    // Too deep for the parser, or more than it can do.
    return null;
  }
}

/** JSON as YAML; null when it is more than the parser can do. Numbers keep their digits, text is quoted only where it must be. */
export function yamlOfJson(text: string): string | null {
  try {
    const documents = parseAllDocuments(text, READING);
    const [document] = documents;
    if (document === undefined || documents.length !== 1 || document.errors.length > 0) return null;
    visit(document, (_, node) => {
      if (isMap(node) || isSeq(node)) node.flow = node.items.length === 0;
      else if (node instanceof Scalar && node.type === Scalar.QUOTE_DOUBLE && typeof node.value === "string" && !AMBIGUOUS.test(node.value)) {
        node.type = node.value.includes("\n") ? Scalar.BLOCK_LITERAL : Scalar.PLAIN;
      }
    });
    return document.toString(WRITING);
  } catch {
    return null;
  }
}
