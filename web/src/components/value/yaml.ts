import { isCollection, isMap, isSeq, parseAllDocuments, Scalar, visit } from "yaml";

/** The maximum length of formatted YAML. The parser takes some milliseconds for each KiB, and the page waits for it. */
export const LONGEST = 32 * 1024;
/** The beginning of YAML: comments, then a directive, the start of a document, a list, or a name with a colon. */
const BEGINNING = /^(?:[ \t]*(?:#[^\n]*)?\r?\n)*(?:%YAML |---(?:\s|$)|[ \t]*(?:- +\S|(?:[\w./-]+|"[^"\n]+"|'[^'\n]+') *:(?:\s|$)))/;
/** Text that YAML would read as another type if it were not quoted. */
const AMBIGUOUS = /^(?:~|null|true|false|yes|no|on|off|[-+]?(?:\d[\d_,.:]*(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?|0x[\da-f_]+|0o?[0-7_]+|\.inf)|\.nan|<<|=|\d{4}-\d\d?-\d\d?.*)?$/i;

/** In this schema every scalar is text, so that `1.10` and `0o17` stay unchanged. */
const READING = { schema: "failsafe", logLevel: "silent", uniqueKeys: false } as const;
/** Long lines are not wrapped. */
const WRITING = { indent: 2, lineWidth: 0 } as const;

/**
 * Formats YAML and keeps comments and quotes; null if the text is not YAML. Nearly every text is formally YAML, so it must look like YAML and contain at least two
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
    // The text is too deep or too complex for the parser.
    return null;
  }
}

/** Converts JSON to YAML; null if the parser cannot. Numbers keep their digits; text is quoted only if necessary. */
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
