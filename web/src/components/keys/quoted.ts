/** Returns a text as one word of a search, in quotes if it could be read as something else. A key that is displayed in quotes stays unchanged. */
export function quoted(text: string): string {
  return /^"|^[!^]|\s|^[a-z]+\s*(?:[<>=:~]|!=|!~)/i.test(text) && !text.startsWith('"') ? `"${text.replace(/[\\"]/g, "\\$&")}"` : text;
}
