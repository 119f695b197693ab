import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import type { AxeResults, RunOptions } from "axe-core";
import { expect, type Inspector, made, settled, test } from "./support/page.ts";
import { artifacts, caseFile, root } from "./support/repo.ts";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const today = join(root, "samples/kubernetes/today.db.zst");
const yesterday = join(root, "samples/kubernetes/yesterday.db.zst");

/** Returns what axe finds wrong on the screen: rules, elements and what to change. */
async function violations(page: Page, forcedColors: boolean): Promise<string[]> {
  // Forced colours are the browser's; axe reads the page's own, which are not shown then.
  const options: RunOptions = { rules: { "color-contrast": { enabled: !forcedColors } } };
  const { violations } = await page.evaluate((options) => (globalThis as unknown as { axe: { run: (options: RunOptions) => Promise<AxeResults> } }).axe.run(options), options);
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target, html, failureSummary }) => `${id}: ${target.join(" ")} ${html.slice(0, 160)} ${failureSummary?.replaceAll(/\s+/g, " ")}`));
}

/** Brings the page to each of its views and states, one after the other. */
async function visit(inspector: Inspector, look: (view: string) => Promise<void>): Promise<void> {
  const { page } = inspector;
  const list = (testid: string) => page.getByTestId(testid);
  await look("empty");
  expect(await inspector.judge(today)).toBe("sound");
  await expect(list("glance")).toContainText("deployments");
  await look("overview");
  await page.keyboard.press("2");
  await expect(list("keys-list").locator("[data-row='0']")).toBeVisible();
  await look("keys");
  await list("search").fill("statefulsets");
  await list("search").press("Enter");
  await expect(list("key-value")).toContainText("kind:");
  await look("key");
  await page.keyboard.press("h");
  await expect(list("key-history")).toBeVisible();
  await look("history");
  await page.keyboard.press("Escape");
  await list("show-objects").click();
  await settled(list("objects-found"));
  await settled(list("objects-list"));
  await look("objects");
  await page.keyboard.press("3");
  await expect(list("space-treemap").locator("[data-tile='0']")).toBeVisible();
  await list("space-commands").locator("summary").click();
  await look("space");
  await page.keyboard.press("5");
  await expect(list("cluster-members")).toBeVisible();
  await look("cluster");
  await page.keyboard.press("7");
  await settled(list("page-room"));
  await list("page-map").locator("summary").click();
  await expect(list("page-map-legend")).toBeVisible();
  await look("pages");
  await page.keyboard.press("8");
  await expect(list("restore-commands")).toBeVisible();
  await look("restore");
  expect(await inspector.judge(yesterday)).toBe("sound");
  await page.keyboard.press("d");
  await expect(list("compare-sentence")).toContainText("unchanged");
  await look("compare");
  await list("compare-list").locator("[data-key]").first().click();
  await expect(list("compare-diff")).toBeVisible();
  await look("comparison of a key");
  await page.keyboard.press("?");
  await look("help");
  await page.keyboard.press("Escape");
  const bytes = readFileSync(caseFile("3.7-cluster"));
  for (let page = 30; page < 60; page += 3) bytes[4096 * page] = 0xee;
  bytes.fill(0, 4096 * 20, 4096 * 22);
  expect(await inspector.judge(made("a-damaged-backup-with-a-long-name-2026-11-27T0412.db", bytes))).toBe("damaged");
  await look("damaged overview");
  await page.keyboard.press("6");
  await list("findings").locator("[data-code='page-id-mismatch']").first().getByRole("button").first().click();
  await look("findings");
  await page.getByRole("button", { name: /^Show page/ }).first().click();
  await settled(list("page-room"));
  await look("damaged page");
  await inspector.judge(made("page.html", Buffer.from("<!DOCTYPE html><html><body><h1>404 Not Found</h1></body></html>")));
  await look("foreign overview");
  await page.keyboard.press("7");
  await look("foreign pages");
}

for (const colorScheme of ["light", "dark"] as const) {
  for (const forcedColors of ["none", "active"] as const) {
    for (const zoom of [1, 2]) {
      const name = `${colorScheme}${forcedColors === "active" ? ", forced colours" : ""}, ${zoom * 100} %`;
      test(`axe finds nothing: ${name}`, async ({ inspector }) => {
        test.setTimeout(180_000);
        inspector.page.setDefaultTimeout(30_000);
        const { page } = inspector;
        await page.emulateMedia({ colorScheme, forcedColors });
        // A browser's zoom makes the page's window smaller in its own pixels.
        await page.setViewportSize({ width: 1280 / zoom, height: 800 / zoom });
        await page.evaluate(axe);
        await visit(inspector, async (view) => {
          expect.soft(await violations(page, forcedColors === "active"), view).toEqual([]);
          await page.screenshot({ path: join(artifacts, `axe ${view} ${name}.png`.replaceAll(/[ ,%]+/g, "-")) });
        });
      });
    }
  }
}
