import { accessSync, constants, existsSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { env } from "node:process";
import { pathToFileURL } from "node:url";
import { test as base, expect } from "@playwright/test";
import { launch, type Browser, type ElementHandle, type KeyInput, type Page } from "puppeteer-core";
import type { Driver, Saved } from "./driver.ts";
import { builtPage } from "./repo.ts";

/** Returns the path of Firefox: the one that $FIREFOX names, else the first in the PATH. */
function firefox(): string {
  const folders = (env["PATH"] ?? "").split(delimiter);
  const candidates = [env["FIREFOX"], ...["firefox-esr", "firefox"].flatMap((name) => folders.map((folder) => join(folder, name)))];
  const found = candidates.find((path) => {
    try {
      accessSync(path ?? "", constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (found === undefined) throw new Error("The page's tests need Firefox. Install it (Debian: apt-get install firefox-esr) or name one in the variable FIREFOX.");
  return found;
}

/** Prevents Firefox from contacting its makers' servers, and lets it save files without asking. */
function preferences(downloads: string): Record<string, unknown> {
  return {
    "app.update.disabledForTesting": true,
    "browser.download.dir": downloads,
    "browser.download.folderList": 2,
    "browser.download.useDownloadDir": true,
    "browser.download.alwaysOpenPanel": false,
    "browser.safebrowsing.downloads.enabled": false,
    "network.captive-portal-service.enabled": false,
    "network.connectivity-service.enabled": false,
  };
}

class FirefoxDriver implements Driver {
  readonly complaints: string[] = [];
  readonly requests: string[] = [];

  constructor(
    private readonly page: Page,
    private readonly downloads: string,
  ) {
    page.on("console", (message) => this.complaints.push(message.text()));
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("request", (request) => {
      if (!/^(?:blob|data):/.test(request.url())) this.requests.push(request.url());
    });
  }

  async open(...files: string[]): Promise<void> {
    const input = await this.page.$('[data-testid="file-input"]');
    if (input === null) throw new Error("The page has no file input.");
    await (input as ElementHandle<HTMLInputElement>).uploadFile(...files);
  }

  read(selector: string, attribute?: string): Promise<string | null> {
    return this.page.evaluate(
      (selector, attribute) => {
        const element = document.querySelector(selector);
        return element === null ? null : attribute === "" ? element.textContent : element.getAttribute(attribute);
      },
      selector,
      attribute ?? "",
    );
  }

  async click(selector: string): Promise<void> {
    let middle: { x: number; y: number } | null = null;
    await expect
      .poll(
        async () => {
          middle = await this.page.evaluate((selector) => {
            const element = document.querySelector(selector);
            element?.scrollIntoView({ block: "nearest", inline: "nearest" });
            const box = element?.getBoundingClientRect();
            if (element === null || box === undefined || box.width === 0 || (element as HTMLButtonElement).disabled === true) return null;
            const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
            // Nothing may cover it.
            const hit = document.elementFromPoint(x, y);
            return hit !== null && (element.contains(hit) || hit.contains(element)) ? { x, y } : null;
          }, selector);
          return middle !== null;
        },
        { message: `${selector} can be clicked`, timeout: 15_000 },
      )
      .toBe(true);
    if (middle !== null) await this.page.mouse.click((middle as { x: number }).x, (middle as { y: number }).y);
  }

  press(key: string): Promise<void> {
    return this.page.keyboard.press(key as KeyInput);
  }

  type(text: string): Promise<void> {
    return this.page.keyboard.type(text);
  }

  hasFocus(selector: string): Promise<boolean> {
    return this.page.evaluate((selector) => document.activeElement?.matches(selector) === true, selector);
  }

  async saved(action: () => Promise<void>): Promise<Saved> {
    const before = new Set(readdirSync(this.downloads));
    await action();
    let name: string | undefined;
    // Firefox writes into a `.part` file, beside an empty one with the final name.
    await expect
      .poll(() => {
        const all = readdirSync(this.downloads);
        name = all.find((name) => !before.has(name) && !name.endsWith(".part"));
        return name !== undefined && !all.some((name) => name.endsWith(".part")) && statSync(join(this.downloads, name)).size > 0;
      })
      .toBe(true);
    // Out of the way of a later file with the same name.
    const path = join(mkdtempSync(join(this.downloads, "saved-")), name ?? "");
    renameSync(join(this.downloads, name ?? ""), path);
    return { name: name ?? "", path };
  }

  async screenshot(path: string): Promise<void> {
    await this.page.screenshot({ path: path as `${string}.png` });
  }
}

interface Fixtures {
  /** The page in Firefox, opened as a file and empty. Anything on its console, and any request after its load, fails the test. */
  driver: FirefoxDriver;
}

interface Shared {
  firefoxDownloads: string;
  firefox: Browser;
}

export const test = base.extend<Fixtures, Shared>({
  firefoxDownloads: [
    async ({}, use) => {
      const folder = mkdtempSync(join(tmpdir(), "etcdsnap-firefox-"));
      await use(folder);
      rmSync(folder, { recursive: true });
    },
    { scope: "worker" },
  ],
  firefox: [
    async ({ firefoxDownloads }, use) => {
      if (!existsSync(builtPage)) throw new Error("The page is not built: run `cargo xtask page`.");
      const browser = await launch({ browser: "firefox", executablePath: firefox(), headless: true, defaultViewport: { width: 1280, height: 800 }, extraPrefsFirefox: preferences(firefoxDownloads) });
      await use(browser);
      await browser.close();
    },
    { scope: "worker" },
  ],
  driver: async ({ firefox, firefoxDownloads }, use, info) => {
    const context = await firefox.createBrowserContext();
    const page = await context.newPage();
    const driver = new FirefoxDriver(page, firefoxDownloads);
    await page.goto(pathToFileURL(builtPage).href);
    driver.requests.length = 0;
    await use(driver);
    if (info.status !== info.expectedStatus) await driver.screenshot(info.outputPath("firefox.png"));
    await context.close();
    expect(driver.complaints, "the console stays empty").toEqual([]);
    expect(driver.requests, "no request leaves the page").toEqual([]);
  },
});
