/** Who listens to the keys of the whole window asks here whether one is for it. */

/** Whether a key is for the page: no chord, not taken by anybody yet, and no dialog is open. */
export function reaches(event: KeyboardEvent): boolean {
  return !(event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) && document.querySelector("dialog[open]") === null;
}

/** Whether letters go into what has the focus. */
export function takesText(target: EventTarget | null): boolean {
  if (target instanceof HTMLInputElement) return !["range", "checkbox", "radio", "button", "file"].includes(target.type);
  return target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement;
}

/** The key that is pressed; null when it is meant for a field, the browser or a dialog. */
export function pressed(event: KeyboardEvent): string | null {
  if (!reaches(event)) return null;
  const target = event.target;
  if (target instanceof HTMLTextAreaElement) return null;
  // Letters choose in a choice; they do nothing to a tick or a slider.
  if (target instanceof HTMLSelectElement && /^[a-z]$/i.test(event.key)) return null;
  if (target instanceof HTMLInputElement && !["range", "checkbox"].includes(target.type)) return null;
  return event.key;
}

/** Nobody else hears of a key that was taken. */
export function take(event: Event): void {
  event.preventDefault();
  event.stopImmediatePropagation();
}
