/** A text as one word of a search: in quotes where it would be something else. A key that is shown in quotes is one already. */
export function quoted(text: string): string {
  return /^"|^[!^]|\s|^[a-z]+\s*(?:[<>=:~]|!=|!~)/i.test(text) && !text.startsWith('"') ? `"${text.replace(/[\\"]/g, "\\$&")}"` : text;
}
