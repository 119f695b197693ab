import { expect } from "@playwright/test";

/** A file that the page saved. */
export interface Saved {
  name: string;
  path: string;
}

/** A browser with the page, driven as a person does it: Chromium through Playwright, Firefox through WebDriver BiDi. */
export interface Driver {
  /** Chooses files in the page's file input. */
  open(...files: string[]): Promise<void>;
  /** Returns the text of the first element, or one of its attributes; null if there is none. */
  read(selector: string, attribute?: string): Promise<string | null>;
  /** Clicks the middle of the first element, once it is visible. */
  click(selector: string): Promise<void>;
  press(key: string): Promise<void>;
  type(text: string): Promise<void>;
  /** Tells whether the element with the focus matches. */
  hasFocus(selector: string): Promise<boolean>;
  /** Returns the file that the page saves during an action. */
  saved(action: () => Promise<void>): Promise<Saved>;
}

/** The ways to use the page. */
export type Means = "mouse" | "keyboard";

/** Number of elements that a keyboard user may have to pass at most. */
const MOST_TABS = 120;

/** Uses the page with the mouse alone (and the keyboard for text), or with the keyboard alone. */
export class Hands {
  constructor(
    readonly driver: Driver,
    readonly means: Means,
  ) {}

  /** Presses a button or opens a disclosure. */
  async use(selector: string): Promise<void> {
    if (this.means === "mouse") return this.driver.click(selector);
    await this.reach(selector);
    await this.driver.press("Enter");
  }

  /** Opens a view: by its button, or by its digit. */
  async view(id: string, digit: string): Promise<void> {
    await (this.means === "mouse" ? this.driver.click(`[data-view="${id}"]`) : this.driver.press(digit));
    await this.shows(`[data-view="${id}"]`, "page", "aria-current");
  }

  /** Types into the search for keys, from any view. */
  async search(text: string): Promise<void> {
    if (this.means === "keyboard") await this.driver.press("/");
    else {
      await this.view("keys", "2");
      await this.driver.click('[data-testid="search"]');
    }
    await expect.poll(() => this.driver.hasFocus('[data-testid="search"]')).toBe(true);
    await this.driver.type(text);
  }

  /** Waits until an element, or one of its attributes, has a text. */
  async shows(selector: string, text: string | RegExp, attribute?: string): Promise<void> {
    const shown = expect.poll(() => this.driver.read(selector, attribute), { message: `${selector} ${attribute ?? ""}`, timeout: 15_000 });
    await (typeof text === "string" ? shown.toBe(text) : shown.toMatch(text));
  }

  /** Moves the focus to an element with the Tab key. */
  private async reach(selector: string): Promise<void> {
    for (let passed = 0; passed < MOST_TABS; passed += 1) {
      if (await this.driver.hasFocus(selector)) return;
      await this.driver.press("Tab");
    }
    throw new Error(`The Tab key does not reach ${selector}.`);
  }
}
