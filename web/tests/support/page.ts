import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { pathToFileURL } from "node:url";
import { test as base, expect, type Locator, type Page } from "@playwright/test";
import { builtPage } from "./repo.ts";

export interface Options {
  /** Where the page is opened from. */
  from: "http" | "file";
  /** Delays each answer of a worker by this many milliseconds: a test that looks too early then fails each time, not now and then on a slow machine. */
  late: number;
}

/** Runs in the page, before its own script. */
function delayAnswers(late: number): void {
  const handler = Object.getOwnPropertyDescriptor(Worker.prototype, "onmessage");
  Object.defineProperty(Worker.prototype, "onmessage", {
    ...handler,
    set(this: Worker, heard: ((event: MessageEvent) => void) | null) {
      handler?.set?.call(this, heard && ((event: MessageEvent) => setTimeout(() => heard.call(this, event), late)));
    },
  });
}

interface Fixtures {
  /** The page, opened and empty. Anything on its console, and any request after its load, fails the test. */
  inspector: Inspector;
}

interface Shared {
  /** The address of a static server that serves the page. */
  origin: string;
}

export const test = base.extend<Options & Fixtures, Shared>({
  from: ["http", { option: true }],
  late: [0, { option: true }],

  origin: [
    async ({}, use) => {
      if (!existsSync(builtPage)) throw new Error("The page is not built: run `cargo xtask page`.");
      const server = createServer((request, response) => {
        const found = request.url === "/";
        response.writeHead(found ? 200 : 404, { "content-type": "text/html; charset=utf-8" });
        response.end(found ? readFileSync(builtPage) : "");
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      server.close();
    },
    { scope: "worker" },
  ],

  inspector: async ({ page, from, late, origin }, use) => {
    const inspector = new Inspector(page);
    if (late > 0) await page.addInitScript(delayAnswers, late);
    await page.goto(from === "http" ? origin : pathToFileURL(builtPage).href);
    inspector.requests.length = 0;
    await use(inspector);
    expect(inspector.complaints, "the console stays empty").toEqual([]);
    expect(inspector.requests, "no request leaves the page").toEqual([]);
  },
});

export { expect };

/** Waits until a list or view shows its current data: the old data stays visible while an answer is pending. */
export async function settled(place: Locator): Promise<void> {
  await expect(place).toHaveAttribute("aria-busy", "false");
}

/** Lists all changes of a comparison in the order of their keys: noise, too, and without headings. */
export async function plainChanges(page: Page): Promise<void> {
  await expect(page.getByTestId("compare-sentence")).toBeVisible();
  for (const [testid, pressed] of [["compare-show-noise", "false"], ["compare-grouped", "true"]] as const) {
    const button = page.getByTestId(testid);
    if ((await button.count()) > 0 && (await button.getAttribute("aria-pressed")) === pressed) await button.click();
  }
  await settled(page.getByTestId("compare-lines"));
}

/** Opens a change of the list. While the list still changes, a click may hit another row, and is repeated. */
export async function openChange(page: Page, key: string): Promise<void> {
  await expect(async () => {
    await page.getByTestId("compare-list").locator(`[data-key='${key}']`).click();
    await expect(page.getByTestId("compare-pane")).toHaveAttribute("data-key", key, { timeout: 1000 });
  }).toPass({ timeout: 15_000 });
}

/** A file that exists only in memory. */
export interface Made {
  name: string;
  mimeType: string;
  buffer: Buffer;
}

/** The page as a person uses it. */
export class Inspector {
  /** URLs requested since the page was loaded, except those inside the page itself. */
  readonly requests: string[] = [];
  readonly complaints: string[] = [];

  constructor(readonly page: Page) {
    page.on("request", (request) => {
      if (!/^(?:blob|data):/.test(request.url())) this.requests.push(request.url());
    });
    page.on("console", (message) => this.complaints.push(message.text()));
    // From now on the test handles file choosers; requesting that only with the key press could be too late.
    page.on("filechooser", () => {});
    page.on("pageerror", (error) => this.complaints.push(error.message));
  }

  /** Opens files without waiting. */
  async open(...files: string[] | Made[]): Promise<void> {
    await this.page.getByTestId("file-input").setInputFiles(files as string[]);
  }

  /** Opens a file and waits for its verdict. */
  async judge(file: string | Made): Promise<string> {
    await (typeof file === "string" ? this.open(file) : this.open(file));
    return this.verdict();
  }

  async verdict(): Promise<string> {
    return this.text("verdict");
  }

  /** Returns the plain text of an element, once it exists. */
  async text(testid: string): Promise<string> {
    return (await this.page.getByTestId(testid).textContent()) ?? "";
  }

  /** Returns the codes of the findings, in the order of the page. */
  async codes(): Promise<string[]> {
    const rows = this.page.getByTestId("findings").locator("> [data-code]");
    return rows.evaluateAll((rows) => rows.map((row) => row.getAttribute("data-code") ?? ""));
  }

  /** Returns the report as the page saves it. */
  async saved(): Promise<unknown> {
    const download = this.page.waitForEvent("download");
    await this.page.getByTestId("save-report").click();
    return JSON.parse(readFileSync(await (await download).path(), "utf8"));
  }
}

/** Creates a file in memory. */
export function made(name: string, buffer: Buffer): Made {
  return { name, mimeType: "application/octet-stream", buffer };
}
