import { test } from "@playwright/test";
import type { Driver, Saved } from "./driver.ts";
import type { Inspector } from "./page.ts";

export class ChromiumDriver implements Driver {
  constructor(private readonly inspector: Inspector) {}

  open(...files: string[]): Promise<void> {
    return this.inspector.open(...files);
  }

  async read(selector: string, attribute?: string): Promise<string | null> {
    const element = this.inspector.page.locator(selector).first();
    if ((await element.count()) === 0) return null;
    return attribute === undefined ? element.textContent() : element.getAttribute(attribute);
  }

  click(selector: string): Promise<void> {
    return this.inspector.page.locator(selector).first().click();
  }

  press(key: string): Promise<void> {
    return this.inspector.page.keyboard.press(key);
  }

  type(text: string): Promise<void> {
    return this.inspector.page.keyboard.type(text);
  }

  hasFocus(selector: string): Promise<boolean> {
    return this.inspector.page.evaluate((selector) => document.activeElement?.matches(selector) === true, selector);
  }

  async saved(action: () => Promise<void>): Promise<Saved> {
    const [download] = await Promise.all([this.inspector.page.waitForEvent("download"), action()]);
    const name = download.suggestedFilename();
    const path = test.info().outputPath(name);
    await download.saveAs(path);
    return { name, path };
  }
}
