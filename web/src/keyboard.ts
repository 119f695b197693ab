/** Shared rules for shortcuts on the whole window. */

/** Tells whether a key press is for the page: no Ctrl, Meta or Alt, not handled yet, and no open dialog. */
export function isShortcut(event: KeyboardEvent): boolean {
  return !(event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) && document.querySelector("dialog[open]") === null;
}

/** Tells whether an element takes typed letters. */
export function acceptsText(target: EventTarget | null): boolean {
  if (target instanceof HTMLInputElement) return !["range", "checkbox", "radio", "button", "file"].includes(target.type);
  return target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement;
}

/** Returns the pressed key; null if it is meant for a field, the browser or a dialog. */
export function pressedKey(event: KeyboardEvent): string | null {
  if (!isShortcut(event)) return null;
  const target = event.target;
  if (target instanceof HTMLTextAreaElement) return null;
  // A letter chooses an option in a select; it does nothing in a checkbox or slider.
  if (target instanceof HTMLSelectElement && /^[a-z]$/i.test(event.key)) return null;
  if (target instanceof HTMLInputElement && !["range", "checkbox"].includes(target.type)) return null;
  return event.key;
}

/** Marks an event as handled, so that no other listener gets it. */
export function markHandled(event: Event): void {
  event.preventDefault();
  event.stopImmediatePropagation();
}
