/**
 * Escapes characters that are invisible or change the text around them: controls, format characters (bidirectional, zero-width, tags), line and paragraph separators.
 * The variation selectors of emoji stay. Core's `is_unprintable` has the same characters.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}

/** Escapes the same characters in JSON text, as JSON escapes: the value stays the same. */
export function escaped(json: string): string {
  const units = (char: string): string[] => Array.from({ length: char.length }, (_, at) => char.charCodeAt(at).toString(16).padStart(4, "0"));
  return json.replace(UNPRINTABLE, (char) => units(char).map((unit) => `\\u${unit}`).join(""));
}

/** The source of an expression for one such character. */
export const UNPRINTABLE_CLASS = "(?![\\ufe00-\\ufe0f])[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}\\p{Default_Ignorable_Code_Point}]";

const UNPRINTABLE = new RegExp(UNPRINTABLE_CLASS, "gu");
