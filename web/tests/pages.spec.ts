import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { expect, made, test } from "./support/page.ts";
import { artifacts, caseFile } from "./support/repo.ts";

const file = caseFile("3.7-cluster");
const bytes = readFileSync(file);
const SIZE = 4096;

const value = (page: Page, name: string) => page.getByTestId("page-fields").locator(`[data-name="${name}"]`).first().locator("td").nth(3);

test("a meta page says what its bytes say", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(file);
  await page.keyboard.press("7");
  await expect(page.getByTestId("page-kind")).toHaveText("meta page");
  for (const number of [0, 1]) {
    await page.getByRole("button", { name: String(number), exact: true }).click();
    await expect(value(page, "page id")).toHaveText(String(number));
    const base = number * SIZE;
    const word = (at: number) => bytes.readUInt32LE(base + at);
    const long = (at: number) => bytes.readBigUInt64LE(base + at);
    await expect(value(page, "magic")).toHaveText(`0x${word(16).toString(16)}`);
    await expect(value(page, "version")).toHaveText(String(word(20)));
    await expect(value(page, "page size")).toHaveText(String(word(24)));
    await expect(value(page, "root page")).toHaveText(String(long(32)));
    await expect(value(page, "freelist page")).toHaveText(long(48) === 2n ** 64n - 1n ? "none: the freelist is not in the file" : String(long(48)));
    await expect(value(page, "high-water mark")).toHaveText(`${long(56)} pages`);
    await expect(value(page, "transaction")).toHaveText(String(long(64)));
    await expect(value(page, "checksum")).toHaveText(`0x${long(72).toString(16).padStart(16, "0")}`);
    await page.screenshot({ path: join(artifacts, `pages-${test.info().project.name}.png`) });
  }
});

test("links lead from the root to a leaf of keys, and back", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(file);
  await page.keyboard.press("7");
  await value(page, "root page").getByRole("button").click();
  await expect(page.getByTestId("page-kind")).toHaveText(/^(leaf|branch) page$/);
  const root = await page.getByTestId("page-number").inputValue();
  // Bucket `key` has its own tree.
  const bucket = page.getByTestId("page-fields").locator("tr").filter({ hasText: /^\s*\d+\s*16\s*element \d+\s*key\s*$/ });
  await bucket.getByRole("button", { name: "key" }).click();
  await expect(page.getByTestId("page-number")).not.toHaveValue(root);
  for (let depth = 0; depth < 5 && (await page.getByTestId("page-kind").innerText()) === "branch page"; depth += 1) {
    const before = await page.getByTestId("page-number").inputValue();
    await value(page, "page id").nth(0).waitFor();
    await page.getByTestId("page-fields").locator('[data-name="element 0"]').getByRole("button", { name: /^page/ }).click();
    await expect(page.getByTestId("page-number")).not.toHaveValue(before);
  }
  await expect(page.getByTestId("page-kind")).toHaveText("leaf page");
  await expect(page.getByTestId("page-fields")).toContainText("KeyValue:");
  await page.screenshot({ path: join(artifacts, `page-leaf-${test.info().project.name}.png`) });
  await page.keyboard.press("b");
  await expect(page.getByTestId("page-kind")).toHaveText(/^(leaf|branch) page$/);
});

test("a byte selects its field, and a field marks its bytes", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(file);
  await page.keyboard.press("7");
  await page.getByTestId("page-hex").locator('.hex [data-at="66"]').click();
  await expect(page.locator("tr.selected")).toHaveAttribute("data-name", "transaction");
  await expect(page.getByTestId("page-hex").locator(".hex .marked")).toHaveCount(8);
  // By the keyboard: down to the checksum, up to the transaction.
  await page.keyboard.press("j");
  await expect(page.locator("tr.selected")).toHaveAttribute("data-name", "checksum");
  await page.keyboard.press("k");
  await expect(page.locator("tr.selected")).toHaveAttribute("data-name", "transaction");
  // Pointing at a field, or giving it the focus, marks its bytes; Enter follows its link from there.
  const checksum = page.getByTestId("page-fields").locator('[data-name="checksum"]');
  await checksum.hover();
  await expect(page.getByTestId("page-hex").locator(".hex .marked").first()).toHaveAttribute("data-at", "72");
  await page.getByTestId("page-fields").getByRole("button", { name: "root sequence" }).focus();
  await expect(page.getByTestId("page-hex").locator(".hex .marked").first()).toHaveAttribute("data-at", "40");
  await page.keyboard.press("k");
  await expect(page.getByTestId("page-fields").getByRole("button", { name: "root page", exact: true })).toBeFocused();
  const root = await value(page, "root page").innerText();
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("page-number")).toHaveValue(root);
  await expect(page.getByTestId("page-kind")).toHaveText(/^(leaf|branch) page$/);
  await page.keyboard.press("g");
  await expect(page.getByLabel("Page", { exact: true })).toBeFocused();
  await page.keyboard.type("1");
  await page.keyboard.press("Enter");
  await expect(value(page, "page id")).toHaveText("1");
  // A page that is not there says so.
  await page.keyboard.press("g");
  await page.keyboard.type("99999999");
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("page-kind")).toContainText("no page of this file");
  await expect(page.getByRole("button", { name: "The page after" })).toBeDisabled();
  await page.getByRole("button", { name: "Back" }).click();
  await expect(value(page, "page id")).toHaveText("1");
});

test("a finding leads to its page", async ({ inspector }) => {
  const { page } = inspector;
  const bad = Buffer.from(bytes);
  for (let number = 30; number < 60; number += 3) bad[SIZE * number] = 0xee;
  expect(await inspector.judge(made("bad.db", bad))).toBe("damaged");
  await page.keyboard.press("6");
  const finding = page.getByTestId("findings").locator("[data-code='page-id-mismatch']").first();
  await finding.getByRole("button").first().click();
  const number = (await finding.locator(".page").innerText()).replaceAll("\u2009", "");
  await page.getByRole("button", { name: `Show page ${number}` }).click();
  await expect(page.getByTestId("page-number")).toHaveValue(number);
  await expect(value(page, "page id")).toHaveText(String(bad.readBigUInt64LE(SIZE * Number(number))));
});
