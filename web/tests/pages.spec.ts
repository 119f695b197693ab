import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { expect, made, settled, test } from "./support/page.ts";
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
  const room = page.getByTestId("page-room");
  await value(page, "root page").getByRole("button").click();
  await expect(page.getByTestId("page-kind")).toHaveText(/^(leaf|branch) page$/);
  const root = await page.getByTestId("page-number").inputValue();
  // Bucket `key` has its own tree.
  const bucket = page.getByTestId("page-fields").locator("tr").filter({ hasText: /^\s*\d+\s*16\s*element \d+\s*key\s*$/ });
  await bucket.getByRole("button", { name: "key" }).click();
  await expect(page.getByTestId("page-number")).not.toHaveValue(root);
  await settled(room);
  for (let depth = 0; depth < 5 && (await page.getByTestId("page-kind").innerText()) === "branch page"; depth += 1) {
    const before = await page.getByTestId("page-number").inputValue();
    await page.getByTestId("page-fields").locator('[data-name="element 0"]').getByRole("button", { name: /^page/ }).click();
    await expect(page.getByTestId("page-number")).not.toHaveValue(before);
    await settled(room);
  }
  await expect(page.getByTestId("page-kind")).toHaveText("leaf page");
  await expect(page.getByTestId("page-fields")).toContainText("KeyValue:");
  await page.screenshot({ path: join(artifacts, `page-leaf-${test.info().project.name}.png`) });
  const leaf = await page.getByTestId("page-number").inputValue();
  await page.keyboard.press("b");
  await expect(page.getByTestId("page-number")).not.toHaveValue(leaf);
  await settled(room);
  await expect(page.getByTestId("page-kind")).toHaveText(/^(leaf|branch) page$/);
});

test("a byte selects its field, and a field marks its bytes", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(file);
  await page.keyboard.press("7");
  await page.getByTestId("page-hex").locator('.hex [data-at="66"]').click();
  await expect(page.locator("tr.selected")).toHaveAttribute("data-name", "transaction");
  await expect(page.getByTestId("page-hex").locator(".hex .marked")).toHaveCount(8);
  // With the keyboard: down to the checksum, up to the transaction.
  await page.keyboard.press("j");
  await expect(page.locator("tr.selected")).toHaveAttribute("data-name", "checksum");
  await page.keyboard.press("k");
  await expect(page.locator("tr.selected")).toHaveAttribute("data-name", "transaction");
  // Hovering or focusing a field marks its bytes; Enter follows its link from there.
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
  await page.keyboard.press("j");
  await page.keyboard.press("c");
  await expect(page.getByRole("status").last()).toContainText(`Copied header: ${await page.getByTestId("page-kind").innerText()}`);
  await page.keyboard.press("g");
  await expect(page.getByLabel("Page", { exact: true })).toBeFocused();
  await page.keyboard.type("1");
  await page.keyboard.press("Enter");
  await expect(value(page, "page id")).toHaveText("1");
  // A page outside the file says so.
  await page.keyboard.press("g");
  await page.keyboard.type("99999999");
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("page-kind")).toContainText("not a page of this file");
  await expect(page.getByRole("button", { name: "Next page" })).toBeDisabled();
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
  // The byte of the finding is marked, and its field too.
  await expect(page).toHaveURL(/&offset=\d+/);
  const offset = Number(new URL(page.url()).hash.match(/offset=(\d+)/)?.[1]);
  await expect(page.locator("tr.selected")).toHaveCount(1);
  await expect(page.getByTestId("page-hex").locator(".hex .marked").first()).toHaveAttribute("data-at", String(offset - SIZE * Number(number)));
});

/** Returns the bytes of a page as the page displays them, from `at` on. */
async function displayedBytes(page: Page, at: number, count: number): Promise<string> {
  const hex = page.getByTestId("page-hex");
  await hex.evaluate((box, at) => (box.scrollTop = Math.max(0, Math.floor(at / 16) * 20 - 60)), at);
  // Rows appear a moment after the scroll: the first may have been there before, so the test waits for the last, too.
  await expect(hex.locator(`.text [data-at="${at}"]`)).toHaveCount(1);
  await expect(hex.locator(`.text [data-at="${at + count - 1}"]`)).toHaveCount(1);
  const cells = hex.locator(".text [data-at]");
  const signs = await cells.evaluateAll((cells) => cells.map((cell): [number, string] => [Number((cell as HTMLElement).dataset["at"]), cell.textContent ?? ""]));
  return signs.filter(([place]) => place >= at && place < at + count).map(([, sign]) => sign).join("");
}

async function openPage(page: Page, number: number): Promise<void> {
  await page.getByTestId("page-number").fill(String(number));
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("page-offset")).toHaveText(String(number * SIZE));
}

test("password hashes stay hidden in every page until revealed", async ({ inspector }) => {
  const { page } = inspector;
  const withUsers = caseFile("3.7-history");
  await inspector.judge(withUsers);
  await page.keyboard.press("7");
  const text = readFileSync(withUsers).toString("latin1");
  const places = [...text.matchAll(/\$2[a-z]\$\d\d\$[./A-Za-z0-9]{53}/g)].map(({ index }) => index);
  expect(places.length).toBeGreaterThan(0);
  for (const place of places.slice(0, 6)) {
    const [number, at] = [Math.floor(place / SIZE), place % SIZE];
    await openPage(page, number);
    await expect(page.getByTestId("show-secret")).toBeVisible();
    expect(await displayedBytes(page, at, 60)).toBe("•".repeat(60));
    expect(await page.getByTestId("page-fields").innerText()).not.toContain(Buffer.from(text.slice(place, place + 20), "latin1").toString("hex"));
  }
  await page.screenshot({ path: join(artifacts, `pages-hidden-${test.info().project.name}.png`) });
  await page.getByTestId("show-secret").click();
  const last = places.slice(0, 6).at(-1) ?? 0;
  expect(await displayedBytes(page, last % SIZE, 60)).toBe(text.slice(last, last + 60));
  // Once revealed, they are shown for this page only.
  await openPage(page, 0);
  await openPage(page, Math.floor(last / SIZE));
  await expect(page.getByTestId("show-secret")).toBeVisible();
});

test("values of secrets stay hidden in pages; other values do not", async ({ inspector }) => {
  const { page } = inspector;
  // A key replaced by one of the same length.
  const patched = Buffer.from(bytes.toString("latin1").replaceAll("/registry/configmaps/", "/registry/secrets/aa/"), "latin1");
  await inspector.judge(made("secrets.db", patched));
  await page.keyboard.press("7");
  const text = patched.toString("latin1");
  const key = text.indexOf("/registry/secrets/aa/");
  const value = text.indexOf('{"', key);
  const other = text.indexOf("/registry/pods/");
  const otherValue = text.indexOf('{"', other);
  await openPage(page, Math.floor(value / SIZE));
  expect(await displayedBytes(page, value % SIZE, 30)).toBe("•".repeat(30));
  expect(await displayedBytes(page, key % SIZE, 21)).toBe("/registry/secrets/aa/");
  await page.getByTestId("show-secret").click();
  expect(await displayedBytes(page, value % SIZE, 30)).toBe(text.slice(value, value + 30));
  await openPage(page, Math.floor(otherValue / SIZE));
  expect(await displayedBytes(page, otherValue % SIZE, 30)).toBe(text.slice(otherValue, otherValue + 30));
});
