/** What is told to a screen reader and, for a moment, shown at the foot of the page. */
class Announcer {
  text = $state("");
  /** What failed or needs an eye stays until it is dismissed. */
  notice = $state<string | null>(null);
  #timer: ReturnType<typeof setTimeout> | undefined;

  say(text: string): void {
    this.text = text;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.text = ""), 2500);
  }
}

export const announcer = new Announcer();

/** Puts a text on the clipboard and says so. */
export async function copy(text: string, what = text): Promise<void> {
  const short = what.length > 60 ? `${what.slice(0, 57)}…` : what;
  announcer.say((await toClipboard(text)) ? `Copied ${short}` : "The browser does not let this page use the clipboard.");
}

async function toClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return bySelection(text);
  }
}

/** The old way, for browsers that refuse the new one to a page from file://. */
function bySelection(text: string): boolean {
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
