import { join } from "node:path";
import { readFileSync } from "node:fs";
import { expect, made, test } from "./support/page.ts";
import { caseFile, root } from "./support/repo.ts";

const sample = join(root, "samples/sample.db");

test("j and k take the focus along, so that Enter opens the row", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(sample);
  await page.keyboard.press("2");
  await page.getByTestId("search").fill("pods shop");
  await expect(page.getByTestId("keys-total")).toHaveAttribute("data-kind", "list");
  await page.getByRole("button", { name: "Filters" }).click();
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("key-pane")).toHaveAttribute("data-key", /\/registry\/pods\/shop\//);
  // The button has not been pressed again.
  await expect(page.getByRole("button", { name: "Filters" })).toHaveAttribute("aria-expanded", "true");
});

test("letters and digits mean the same on a checkbox and a slider; Escape leaves every field", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(sample);
  await page.getByLabel("keep sizes").focus();
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog")).toBeVisible();
  await page.keyboard.press("Escape");
  await page.getByLabel("keep sizes").focus();
  await page.keyboard.press("2");
  await expect(page.locator("[data-view='keys']")).toHaveAttribute("aria-current", "page");
  await page.getByTestId("keys-slider").focus();
  await page.keyboard.press("8");
  await expect(page.getByTestId("restore-token")).toBeVisible();
  await page.getByTestId("restore-token").focus();
  await page.keyboard.press("Escape");
  await page.keyboard.press("1");
  await expect(page.locator("[data-view='overview']")).toHaveAttribute("aria-current", "page");
});

test("a closed tab can be opened again; the skip link keeps the address", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(sample);
  await page.keyboard.press("x");
  await expect(page.getByRole("tab")).toHaveCount(0);
  await page.keyboard.press("u");
  await expect(page.getByRole("tab")).toHaveCount(1);
  await inspector.verdict();
  const address = page.url();
  await page.locator(".skip").focus();
  await page.keyboard.press("Enter");
  await expect(page.locator("#view")).toBeFocused();
  expect(page.url()).toBe(address);
});

test("adding and removing a member moves the focus", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(caseFile("3.7-cluster"));
  await page.keyboard.press("8");
  const members = page.getByTestId("restore-member");
  await expect(members).not.toHaveCount(0);
  const before = await members.count();
  await page.getByTestId("restore-add").click();
  await expect(page.getByLabel(`Name of member ${before + 1}`)).toBeFocused();
  await page.getByRole("button", { name: `Remove member ${before + 1}` }).click();
  await expect(members).toHaveCount(before);
  await expect(page.getByRole("button", { name: `Remove member ${before}` })).toBeFocused();
});

test("a long name keeps its end in the tab", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(made("backup-of-the-production-cluster-in-the-first-zone-2026-11-27T0412.db", readFileSync(sample)));
  const end = page.getByRole("tab").getByText("2026-11-27T0412.db", { exact: true });
  const [inside, around] = [await end.boundingBox(), await page.getByRole("tab").boundingBox()];
  expect((inside?.x ?? 0) + (inside?.width ?? 0)).toBeLessThanOrEqual((around?.x ?? 0) + (around?.width ?? 0));
  expect(await end.evaluate((element) => element.scrollWidth <= element.clientWidth || element.clientWidth === 0)).toBe(true);
});

test("a link into a file that is not open asks for it by its name", async ({ inspector }) => {
  const { page } = inspector;
  await page.goto(`${page.url().split("#")[0]}#cluster?file=backup-0412.db`);
  await page.reload();
  inspector.requests.length = 0;
  await expect(page.getByTestId("awaited")).toContainText("backup-0412.db");
  await inspector.open(made("backup-0412.db", readFileSync(sample)));
  await expect(page.getByTestId("cluster-members")).toBeVisible();
});

test("a list prints all of its rows", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(sample);
  await page.keyboard.press("2");
  await page.getByTestId("search").fill("/registry/");
  // The tree counts the same keys before the search has answered.
  await expect(page.getByTestId("keys-total")).toHaveAttribute("data-kind", "list");
  await expect(page.getByTestId("hit-live")).toHaveText("220");
  await page.getByTestId("search").blur();
  await page.evaluate(() => {
    window.print = () => Object.assign(globalThis, { rows: document.querySelectorAll("[data-testid='printed-rows'] .row").length });
  });
  await page.keyboard.press("p");
  await expect.poll(() => page.evaluate(() => (globalThis as { rows?: number }).rows)).toBe(244);
});

test("with forced colours, the selection has a frame and the treemap its lines", async ({ inspector }) => {
  const { page } = inspector;
  await page.emulateMedia({ forcedColors: "active" });
  await inspector.judge(sample);
  await page.keyboard.press("2");
  await page.getByTestId("keys-list").locator("[data-row='1']").click();
  const outline = await page.getByTestId("keys-list").locator("[aria-selected='true']").evaluate((row) => getComputedStyle(row).outlineStyle);
  expect(outline).toBe("solid");
  await page.keyboard.press("3");
  const tile = page.getByTestId("space-treemap").locator("[data-tile='0']");
  expect(await tile.evaluate((element) => getComputedStyle(element).borderTopStyle)).toBe("solid");
});

test("on a phone every view fits the screen", async ({ inspector }) => {
  const { page } = inspector;
  await page.setViewportSize({ width: 390, height: 844 });
  await inspector.judge(sample);
  for (const button of await page.locator("nav [data-view]").all()) {
    const box = await button.boundingBox();
    expect((box?.x ?? -1) >= 0 && (box?.x ?? 0) + (box?.width ?? 0) <= 390, await button.innerText()).toBe(true);
  }
  await page.keyboard.press("2");
  const head = await page.locator(".browser > header").boundingBox();
  expect(head?.height).toBeLessThan(844 / 4);
});
