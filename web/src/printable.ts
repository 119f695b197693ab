/**
 * A text in which every character is escaped that does something to the words around it and that nobody sees: controls, format characters (bidirectional, zero-width,
 * tags), separators of lines and paragraphs. The variation selectors of emoji stay. Core's `is_unprintable` has the same characters.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}

/** The same with the escapes of JSON: what was JSON on one line is still the same. */
export function escaped(json: string): string {
  const units = (char: string): string[] => Array.from({ length: char.length }, (_, at) => char.charCodeAt(at).toString(16).padStart(4, "0"));
  return json.replace(UNPRINTABLE, (char) => units(char).map((unit) => `\\u${unit}`).join(""));
}

const UNPRINTABLE = /(?![\ufe00-\ufe0f])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
