/** Short messages for screen readers, also shown for a moment at the bottom of the page. */
class Announcer {
  text = $state("");
  /** A message that needs attention. It stays until it is dismissed. */
  notice = $state<string | null>(null);
  /** The action that the message offers, such as undo. */
  action = $state.raw<{ label: string; run: () => void } | null>(null);
  #timer: ReturnType<typeof setTimeout> | undefined;

  say(text: string): void {
    this.#show(text, null, 2500);
  }

  /** Says what was done, with a button that undoes it. */
  offer(text: string, label: string, run: () => void): void {
    this.#show(text, { label, run }, 12_000);
  }

  /** Runs the action that the message offers. */
  runAction(): void {
    const action = this.action;
    this.#show("", null, 0);
    action?.run();
  }

  #show(text: string, action: Announcer["action"], milliseconds: number): void {
    this.text = text;
    this.action = action;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.text = "";
      this.action = null;
    }, milliseconds);
  }
}

export const announcer = new Announcer();

/** Copies a text to the clipboard and announces it as `what`. */
export async function copy(text: string, what = text): Promise<void> {
  const short = what.length > 60 ? `${what.slice(0, 57)}…` : what;
  announcer.say((await toClipboard(text)) ? `Copied ${short}` : "Not copied: the browser does not let this page use the clipboard.");
}

async function toClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** Copies with the deprecated command, for browsers that refuse the clipboard API to a page from file://. */
function copyBySelection(text: string): boolean {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "unseen";
  const before = document.activeElement;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (before instanceof HTMLElement) before.focus();
  return done;
}
