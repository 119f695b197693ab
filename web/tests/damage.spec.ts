import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { lines, output } from "./support/look.ts";
import { expect, type Inspector, settled, test } from "./support/page.ts";
import { artifacts, caseFile, root, verify } from "./support/repo.ts";

const SIZE = 4096;

/** Writes a copy of a member's database whose newest root page is lost; its older meta page leads to an intact tree. */
function withLostRoot(): string {
  const bytes = readFileSync(caseFile("3.7-raw"));
  const transaction = (meta: number) => bytes.readBigUInt64LE(SIZE * meta + 64);
  const newest = transaction(1) > transaction(0) ? 1 : 0;
  const newestRoot = Number(bytes.readBigUInt64LE(SIZE * newest + 32));
  bytes.fill(0, SIZE * newestRoot, SIZE * (newestRoot + 1));
  const file = test.info().outputPath("member.db");
  writeFileSync(file, bytes);
  return file;
}

/** Writes a snapshot with leaf pages that have the ids of other pages; what they contain can still be read. */
function withWrongIds(): string {
  const bytes = readFileSync(caseFile("3.7-cluster"));
  for (let page = 30; page < 60; page += 1) if (bytes.readUInt16LE(SIZE * page + 8) === 2) bytes[SIZE * page] = 0xee;
  const file = test.info().outputPath("backup.db");
  writeFileSync(file, bytes);
  return file;
}

const value = (page: Page, name: string) => page.getByTestId("page-fields").locator(`[data-name="${name}"]`).first().locator("td").nth(3);

async function openPage({ page }: Inspector, number: number): Promise<void> {
  await page.getByTestId("page-number").fill(String(number));
  await page.keyboard.press("Enter");
  await settled(page.getByTestId("page-room"));
  await expect(page.getByTestId("page-offset")).toHaveText(String(number * SIZE));
}

test("the state of the older meta page is offered, shown and saved", async ({ inspector }) => {
  const { page } = inspector;
  const file = withLostRoot();
  expect(await inspector.judge(file)).toBe("damaged");
  expect(await inspector.codes()).toContain("older-meta-sound");
  await page.getByTestId("older-meta").click();
  const keys = lines("keys", file, "--meta", "older");
  expect(keys.length).toBeGreaterThan(0);
  const { status } = JSON.parse(output("verify", file, "--meta", "older", "-w", "json")) as { status: { revision: number } };
  const notice = page.getByTestId("older-meta-notice");
  await expect(notice).toContainText(`revision ${status.revision}`);
  await page.screenshot({ path: join(artifacts, `older-meta-${test.info().project.name}.png`) });
  await page.keyboard.press("2");
  await expect(page.getByTestId("hit-live")).toHaveText(String(keys.length));
  await page.keyboard.press("1");
  // The older tree is intact, so it can be copied.
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByTestId("compact-save").click()]);
  expect(download.suggestedFilename()).toBe("member.older.compacted.db");
  const saved = test.info().outputPath("saved.db");
  await download.saveAs(saved);
  expect(verify(saved).verdict).not.toBe("damaged");
  const byTerminal = test.info().outputPath("terminal.db");
  output("compact", file, "-o", byTerminal, "--meta", "older");
  expect(output("export", saved, "--show-secrets")).toBe(output("export", byTerminal, "--show-secrets"));
  await notice.getByRole("button", { name: "Show the newest keys" }).click();
  await expect(notice).toHaveCount(0);
  await expect(page.getByTestId("compact-save")).toBeDisabled();
});

test("entries of damaged pages are shown and marked; a page leads to its keys and back", async ({ inspector }) => {
  const { page } = inspector;
  const file = withWrongIds();
  expect(await inspector.judge(file)).toBe("damaged");
  const { findings } = JSON.parse(output("verify", file, "-w", "json")) as { findings: { code: string; page: number | null }[] };
  const number = findings.find(({ code }) => code === "page-id-mismatch")?.page ?? 0;
  await page.keyboard.press("7");
  await openPage(inspector, number);
  await expect(page.getByTestId("page-damage")).toContainText(`Page ${number} is labelled`);
  await expect(page.getByTestId("page-room")).toContainText(/In doubt: \d+ (entry|entries) below/);
  await page.screenshot({ path: join(artifacts, `doubtful-page-${test.info().project.name}.png`) });
  // The newest entry of a key may be on another page; the last entries of this one are the newest of theirs.
  const entry = page.getByTestId("page-key").last();
  const key = /^Show (.*) in Keys$/.exec((await entry.getAttribute("title")) ?? "")?.[1] ?? "";
  await entry.click();
  await expect(page.getByTestId("key-pane")).toHaveAttribute("data-key", key);
  await expect(page.getByTestId("key-doubt")).toContainText(`Page ${number} is labelled`);
  // Its value is shown all the same, and the list marks the key.
  await expect(page.getByTestId("key-value")).toContainText(/\S/);
  await expect(page.getByTestId("keys-list").locator(`[data-key="${key}"]`).getByTestId("row-doubt")).toBeVisible();
  await page.screenshot({ path: join(artifacts, `doubtful-key-${test.info().project.name}.png`) });
  await expect(page.getByTestId("key-page")).toHaveText(String(number));
  await page.getByTestId("key-page").click();
  await expect(page.getByTestId("page-number")).toHaveValue(String(number));
  await page.goBack();
  await expect(page.getByTestId("key-pane")).toHaveAttribute("data-key", key);
});

test("a sound file has no entry in doubt", async ({ inspector }) => {
  const { page } = inspector;
  expect(await inspector.judge(caseFile("3.7-cluster"))).toBe("sound");
  await page.keyboard.press("2");
  await page.getByTestId("search").fill("^/registry/");
  await page.getByTestId("search").press("Enter");
  await expect(page.getByTestId("key-pane")).toBeVisible();
  await expect(page.getByTestId("row-doubt")).toHaveCount(0);
  await expect(page.getByTestId("key-doubt")).toHaveCount(0);
});

test("every page names its part of the database, and the page above it", async ({ inspector }) => {
  const { page } = inspector;
  const sample = join(root, "samples/sample.db");
  const { status } = JSON.parse(output("verify", sample, "-w", "json")) as { status: { pages: number; freePages: number } };
  await inspector.judge(sample);
  await page.keyboard.press("7");
  const place = page.getByTestId("page-place");
  const parts = new Map<string, number[]>();
  for (let number = 0; number < Math.min(status.pages, 40); number += 1) {
    await openPage(inspector, number);
    const part = (await place.getAttribute("data-part")) ?? "";
    parts.set(part, [...(parts.get(part) ?? []), number]);
  }
  expect(parts.get("meta")).toEqual([0, 1]);
  expect(parts.has("lost")).toBe(false);
  const leaf = (parts.get("bucket") ?? []).at(-1) ?? 0;
  await openPage(inspector, leaf);
  await expect(place).toContainText("Part of the database: bucket key");
  // Up by the button, then by the keyboard, as far as the meta page that determines the tree.
  const above = (await page.getByTestId("page-parent").innerText()).replace(/\D/g, "");
  await page.getByTestId("page-parent").click();
  await settled(page.getByTestId("page-room"));
  await expect(page.getByTestId("page-number")).toHaveValue(above);
  await expect(page.getByTestId("page-fields").getByTitle(`Go to page ${leaf}`).first()).toBeAttached();
  for (let depth = 0; depth < 6 && (await place.getAttribute("data-part")) !== "meta"; depth += 1) {
    const before = await page.getByTestId("page-number").inputValue();
    await page.keyboard.press("Backspace");
    await expect(page.getByTestId("page-number")).not.toHaveValue(before);
    await settled(page.getByTestId("page-room"));
  }
  await expect(page.getByTestId("page-kind")).toHaveText("meta page");
  await expect(value(page, "magic")).toHaveText("0xed0cdaed");
});

test("the map shows the part of every page, and a click opens a page", async ({ inspector }) => {
  const { page } = inspector;
  const sample = join(root, "samples/sample.db");
  const { status } = JSON.parse(output("verify", sample, "-w", "json")) as { status: { pages: number; freePages: number } };
  await inspector.judge(sample);
  await page.keyboard.press("7");
  await page.getByTestId("page-map").locator("summary").click();
  const legend = page.getByTestId("page-map-legend");
  const numberOf = async (part: string): Promise<number> => Number((await legend.locator(`[data-part="${part}"] .muted`).first().innerText()).replace(/\D/g, ""));
  await expect(legend).toBeVisible();
  expect(await numberOf("free")).toBe(status.freePages);
  expect(await numberOf("meta")).toBe(2);
  expect(await numberOf("damaged")).toBe(0);
  const numbers = await legend.locator("li:not([data-part='damaged']) .muted").allInnerTexts();
  expect(numbers.reduce((sum, text) => sum + Number(text.replace(/\D/g, "")), 0)).toBe(status.pages);
  await expect(page.getByRole("img", { name: `${status.pages} pages:` })).toBeVisible();
  await page.locator("canvas").click({ position: { x: 8 * 5 + 3, y: 3 } });
  await expect(page.getByTestId("page-number")).toHaveValue("5");
  // Damaged pages are counted and shown.
  expect(await inspector.judge(withWrongIds())).toBe("damaged");
  await page.keyboard.press("7");
  await page.getByTestId("page-map").locator("summary").click();
  await expect.poll(() => numberOf("damaged")).toBeGreaterThan(0);
  await page.screenshot({ path: join(artifacts, `page-map-${test.info().project.name}.png`) });
});
