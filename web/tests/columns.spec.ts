import { join } from "node:path";
import type { Locator } from "@playwright/test";
import { lines, nameIn } from "./support/look.ts";
import { expect, made, plainChanges, test } from "./support/page.ts";
import { artifacts, caseFile, root } from "./support/repo.ts";
import { readFileSync } from "node:fs";

const sample = join(root, "samples/sample.db");

const head = (within: Locator, name: string): Locator => within.getByRole("columnheader", { name, exact: true });
const width = async (of: Locator): Promise<number> => Math.round((await of.boundingBox())?.width ?? 0);

/** Returns the keys of the visible rows, from the top. */
async function visibleKeys(list: Locator): Promise<string[]> {
  return list.locator("[data-row] [data-key]").evaluateAll((cells) => cells.map((cell) => (cell as HTMLElement).dataset["key"] ?? ""));
}

test("the list of keys is sorted by each of its columns, both ways", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(sample);
  await page.keyboard.press("2");
  const list = page.getByTestId("keys-list");
  await expect(head(list, "Key")).toHaveAttribute("aria-sort", "ascending");
  const all = lines("keys", sample).map((line) => ({ ...line, key: nameIn(line) }) as Record<string, unknown> & { key: string });
  const columns = { Size: "valueBytes", Version: "version", Modified: "modRevision", Created: "createRevision" };
  for (const [label, member] of Object.entries(columns)) {
    // The largest first; equal keys keep their own order in both directions.
    for (const [aria, sign] of [["descending", -1], ["ascending", 1]] as const) {
      await head(list, label).getByRole("button").click();
      await expect(head(list, label)).toHaveAttribute("aria-sort", aria);
      const expected = all.toSorted((a, b) => sign * (Number(a[member]) - Number(b[member]))).map(({ key }) => key);
      expect(expected.length).toBe(all.length);
      await expect.poll(() => visibleKeys(list).then((keys) => keys.slice(0, 20))).toEqual(expected.slice(0, 20));
    }
  }
  await head(list, "Key").getByRole("button").click();
  await head(list, "Key").getByRole("button").click();
  await expect(head(list, "Key")).toHaveAttribute("aria-sort", "descending");
  await expect.poll(() => visibleKeys(list).then((keys) => keys[0])).toBe(all.at(-1)?.key);
  await page.getByRole("button", { name: "Clear" }).click();
  await expect(page.getByTestId("keys-total")).toHaveAttribute("data-kind", "tree");
});

test("with the keyboard: Enter and Space sort, and the edge of a column widens and resets it", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(sample);
  await page.keyboard.press("2");
  const list = page.getByTestId("keys-list");
  const version = head(list, "Version");
  await version.getByRole("button").focus();
  await page.keyboard.press("Enter");
  await expect(version).toHaveAttribute("aria-sort", "descending");
  await page.keyboard.press("Space");
  await expect(version).toHaveAttribute("aria-sort", "ascending");
  await expect(page.getByTestId("key-pane")).toHaveCount(0);
  // The edge of the column is the next tab stop.
  await page.keyboard.press("Tab");
  const end = version.getByRole("separator");
  await expect(end).toBeFocused();
  const before = await width(version);
  await expect(end).toHaveAttribute("aria-valuenow", String(before));
  for (let turn = 0; turn < 3; turn += 1) await page.keyboard.press("ArrowRight");
  expect(await width(version)).toBe(before + 48);
  await expect(end).toHaveAttribute("aria-valuenow", String(before + 48));
  await page.keyboard.press("ArrowLeft");
  expect(await width(version)).toBe(before + 32);
  // The rows follow.
  const cell = list.locator("[data-row='0'] [role='gridcell']").nth(2);
  expect(await width(cell)).toBe(before + 32);
  // The widths stay while another view is open.
  await page.keyboard.press("5");
  await expect(page.getByTestId("cluster-members")).toBeVisible();
  await page.keyboard.press("2");
  await expect(version).toBeVisible();
  expect(await width(version)).toBe(before + 32);
  await end.focus();
  await page.keyboard.press("Enter");
  expect(await width(version)).toBe(before);
});

test("with the mouse: the edge of a column follows the pointer, and a double click resets it", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(caseFile("3.7-cluster"));
  await page.keyboard.press("3");
  const table = page.getByTestId("space-table");
  await table.scrollIntoViewIfNeeded();
  const keys = head(table, "Keys");
  const end = keys.getByRole("separator");
  const natural = await width(keys);
  const box = await end.boundingBox();
  if (box === null) throw new Error("The column has no end.");
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + 70, y, { steps: 5 });
  await page.mouse.up();
  expect(await width(keys)).toBe(natural + 70);
  const after = await end.boundingBox();
  expect(Math.abs((after?.x ?? 0) - box.x - 70)).toBeLessThanOrEqual(1);
  // A drag is not a click: the order is unchanged.
  await expect(keys).not.toHaveAttribute("aria-sort", /./);
  await page.screenshot({ path: join(artifacts, `columns-${test.info().project.name}.png`) });
  await end.dblclick();
  expect(await width(keys)).toBe(natural);
});

test("a column that does not fit makes the list scroll sideways together with its headings", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(sample);
  await page.keyboard.press("2");
  const list = page.getByTestId("keys-list");
  const end = head(list, "Key").getByRole("separator");
  await end.focus();
  for (let turn = 0; turn < 20; turn += 1) await page.keyboard.press("ArrowRight");
  await expect.poll(() => list.evaluate((box) => box.scrollWidth - box.clientWidth)).toBeGreaterThan(300);
  await list.evaluate((box) => (box.scrollLeft = 9999));
  const [lease, row] = [await head(list, "Lease").boundingBox(), await list.locator("[data-row='0'] .cells").boundingBox()];
  expect(lease?.x).toBeLessThan(1280);
  expect(Math.round((row?.x ?? 0) + (row?.width ?? 0))).toBeGreaterThanOrEqual(Math.round((lease?.x ?? 0) + (lease?.width ?? 0)));
  await end.focus();
  await page.keyboard.press("Enter");
});

test("differences are sorted by growth, revision, size and kind", async ({ inspector }) => {
  const { page } = inspector;
  const file = caseFile("3.7-cluster");
  await inspector.judge(file);
  await page.keyboard.press("4");
  await page.getByTestId("compare-revision").fill("400");
  await page.getByTestId("compare-revision").press("Enter");
  const list = page.getByTestId("compare-list");
  await expect(list).toBeVisible();
  await plainChanges(page);
  type Side = { modRevision: number; valueBytes?: number; value?: string } | null;
  const said = lines("diff", file, "--rev-a", "400").map((line) => ({ kind: String(line["change"]), key: nameIn(line), a: line["a"] as Side, b: line["b"] as Side }));
  expect(said.length).toBeGreaterThan(5);
  const revision = ({ a, b }: (typeof said)[number]): number => (b ?? a)?.modRevision ?? 0;
  await head(list, "Revision").getByRole("button").click();
  await expect(head(list, "Revision")).toHaveAttribute("aria-sort", "descending");
  const expected = said.toSorted((x, y) => revision(y) - revision(x)).map(({ key }) => key);
  await expect.poll(() => visibleKeys(list).then((keys) => keys.slice(0, 15))).toEqual(expected.slice(0, 15));
  await head(list, "±").getByRole("button").click();
  const kinds = ["added", "removed", "changed"];
  const byKind = said.toSorted((x, y) => kinds.indexOf(x.kind) - kinds.indexOf(y.kind)).map(({ key }) => key);
  await expect.poll(() => visibleKeys(list).then((keys) => keys.slice(0, 15))).toEqual(byKind.slice(0, 15));
  for (const label of ["Growth", "Size"]) {
    await head(list, label).getByRole("button").click();
    await expect(head(list, label)).toHaveAttribute("aria-sort", "descending");
    const numbers = (): Promise<number[]> =>
      list.locator("[data-row]").evaluateAll((rows, at) => rows.map((row) => Number((row.querySelectorAll('[role="gridcell"]')[at]?.textContent ?? "").split("→").at(-1)?.replace("−", "-").replaceAll(/[^\d-]/g, ""))), label === "Growth" ? 4 : 3);
    await expect.poll(async () => (await numbers()).length > 3 && (await numbers()).every((number, at, all) => at === 0 || number <= (all[at - 1] ?? 0))).toBe(true);
  }
});

test("tables of members and findings can be sorted", async ({ inspector }) => {
  const { page } = inspector;
  const bytes = readFileSync(caseFile("3.7-cluster"));
  for (let number = 30; number < 60; number += 3) bytes[4096 * number] = 0xee;
  await inspector.judge(made("bad.db", bytes));
  await page.keyboard.press("6");
  const table = page.getByRole("table", { name: "Columns" });
  const pages = (): Promise<number[]> => page.getByTestId("findings").locator("> [data-code] .page").evaluateAll((cells) => cells.map((cell) => Number(cell.textContent?.replaceAll(/\D/g, "") || -1)));
  for (const aria of ["ascending", "descending"]) {
    await head(table, "Page").getByRole("button").click();
    await expect(head(table, "Page")).toHaveAttribute("aria-sort", aria);
    const found = await pages();
    expect(found.length).toBeGreaterThan(3);
    expect(found).toEqual(found.toSorted((a, b) => (aria === "ascending" ? a - b : b - a)));
  }
  // A third click restores the order of the scan.
  await head(table, "Page").getByRole("button").click();
  await expect(head(table, "Page")).not.toHaveAttribute("aria-sort", /./);
  const code = head(table, "Code");
  const before = await width(code);
  await code.getByRole("separator").focus();
  await page.keyboard.press("ArrowRight");
  expect(await width(code)).toBe(before + 16);
  expect(await width(page.getByTestId("findings").locator(".code").first())).toBeLessThanOrEqual(before + 16);
  await page.keyboard.press("Enter");
  await page.keyboard.press("5");
  const marks = page.getByTestId("cluster-marks");
  await head(marks, "Key").getByRole("button").click();
  const keys = await marks.locator("tbody td:nth-child(2)").allInnerTexts();
  expect(keys).toEqual(keys.toSorted());
});
