import { join } from "node:path";
import { contrasts } from "./support/contrast.ts";
import { lines, nameIn, type Line } from "./support/look.ts";
import { expect, test, type Inspector } from "./support/page.ts";
import { artifacts, caseFile } from "./support/repo.ts";

const cluster = caseFile("3.7-cluster");

/** Opens a file and goes to the view without waiting for the verdict. */
async function space(inspector: Inspector, file: string): Promise<void> {
  await inspector.open(file);
  await inspector.page.locator("[data-view='space']").click();
  await expect(inspector.page.getByTestId("space-table")).toBeVisible();
}

interface Row {
  prefix: string;
  keys: number;
  revisions: number;
  live: number;
  history: number;
}

/** Returns the groups that the terminal prints, with the keys right below the prefix as one group. */
function groupsOf(all: Line[]): Row[] {
  return all
    .filter(({ kind }) => kind === "prefix")
    .map((line) => ({
      prefix: line["prefix"] === "" ? "" : nameIn(line, "prefix"),
      keys: Number(line["keys"]),
      revisions: Number(line["revisions"]),
      live: Number(line["liveBytes"]),
      history: Number(line["historyBytes"]),
    }));
}

/** Returns the groups of the page's table, with the keys right below the prefix summed up as in the terminal. */
async function tableOf(inspector: Inspector, prefix: string): Promise<Row[]> {
  const rows = await inspector.page
    .getByTestId("space-table")
    .locator("tbody tr[data-prefix]")
    .evaluateAll((rows) =>
      rows.map((row) => {
        const of = (column: string): number => Number(row.querySelector(`[data-column="${column}"]`)?.getAttribute("data-value"));
        return { prefix: row.getAttribute("data-prefix") ?? "", keys: of("keys"), revisions: of("revisions"), live: of("live"), history: of("history") };
      }),
    );
  const folders = rows.filter((row) => isFolder(row.prefix, prefix));
  const loose = rows.filter((row) => !isFolder(row.prefix, prefix));
  if (loose.length === 0) return folders;
  const sum = { prefix, keys: 0, revisions: 0, live: 0, history: 0 };
  for (const row of loose) for (const name of ["keys", "revisions", "live", "history"] as const) sum[name] += row[name];
  return [...folders, sum];
}

const isFolder = (group: string, prefix: string): boolean => group !== prefix && group.replace(/"$/, "").endsWith("/");
const byPrefix = (a: Row, b: Row): number => (a.prefix < b.prefix ? -1 : 1);

async function expectSame(inspector: Inspector, file: string, prefix: string): Promise<void> {
  const { page } = inspector;
  await expect(page.getByTestId("space-crumbs")).toHaveAttribute("data-prefix", prefix);
  const said = lines("usage", file, ...(prefix === "" ? [] : [prefix]), "--depth", "1");
  const total = said.find(({ kind }) => kind === "total");
  await expect(page.getByTestId("space-sum-live")).toHaveAttribute("data-value", String(total?.["liveBytes"]));
  await expect(page.getByTestId("space-sum-history")).toHaveAttribute("data-value", String(total?.["historyBytes"]));
  expect((await tableOf(inspector, prefix)).sort(byPrefix)).toEqual(groupsOf(said).sort(byPrefix));
  const list = (testid: string): Promise<(string | null)[][]> =>
    page
      .getByTestId(testid)
      .locator("[data-key]")
      .evaluateAll((rows) => rows.map((row) => [row.getAttribute("data-key"), ...[...row.querySelectorAll("td")].map((cell) => cell.getAttribute("data-value"))]));
  const largest = said.filter(({ kind }) => kind === "largest").map((line) => [nameIn(line), String(line["valueBytes"])]);
  const busiest = said.filter(({ kind }) => kind === "rewritten").map((line) => [nameIn(line), String(line["revisions"]), String(line["historyBytes"])]);
  expect(await list("space-largest")).toEqual(largest);
  expect(await list("space-busiest")).toEqual(busiest);
}

for (const name of ["3.7-cluster", "3.7-history", "3.6-raw"]) {
  test(`${name}: usage equals the terminal's, at two depths`, async ({ inspector }) => {
    const file = caseFile(name);
    const { page } = inspector;
    await space(inspector, file);
    const said = lines("usage", file, "--depth", "1");
    const [total, database] = [said.find(({ kind }) => kind === "total"), said.find(({ kind }) => kind === "database")];
    const [live, history] = [Number(total?.["liveBytes"]), Number(total?.["historyBytes"])];
    expect(await inspector.text("space-total-live")).toBe(String(live));
    expect(await inspector.text("space-total-history")).toBe(String(history));
    expect(await inspector.text("space-total-rest")).toBe(String(Number(database?.["bytes"]) - live - history));
    // The view skips a single folder at the top.
    const top = (await page.getByTestId("space-crumbs").getAttribute("data-prefix")) ?? "";
    expect(top).toBe(name === "3.7-cluster" ? "/registry/" : "");
    await expectSame(inspector, file, top);
    const first = page.getByTestId("space-table").locator("tbody tr[data-prefix$='/'] button").first();
    const below = (await first.getAttribute("title")) ?? "";
    expect(below).not.toBe("");
    await first.click();
    await expect(page.getByTestId("space-crumbs")).not.toHaveAttribute("data-prefix", top);
    const at = (await page.getByTestId("space-crumbs").getAttribute("data-prefix")) ?? "";
    expect(at.startsWith(below)).toBe(true);
    await expectSame(inspector, file, at);
  });
}

test("down and up with the mouse", async ({ inspector }) => {
  const { page } = inspector;
  await space(inspector, cluster);
  const map = page.getByTestId("space-treemap");
  const crumbs = page.getByTestId("space-crumbs");
  await map.locator("[data-prefix='/registry/pods/']").click();
  await expect(crumbs).toHaveAttribute("data-prefix", "/registry/pods/");
  await expect(crumbs).toContainText("resource");
  await map.locator("[data-prefix='/registry/pods/shop/']").click();
  await expect(crumbs).toHaveAttribute("data-prefix", "/registry/pods/shop/");
  await expect(crumbs).toContainText("namespace");
  // In a namespace the tiles are keys, which link to their view.
  await expect(page.getByTestId("space-table").getByRole("row")).not.toHaveCount(1);
  await crumbs.getByRole("button", { name: "pods/" }).click();
  await expect(crumbs).toHaveAttribute("data-prefix", "/registry/pods/");
  await crumbs.getByRole("button", { name: "all keys" }).click();
  // On the way up, the view shows the single folder.
  await expect(crumbs).toHaveAttribute("data-prefix", "");
  await expect(map.getByRole("button")).toHaveCount(1);
  await map.getByRole("button").click();
  await expect(crumbs).toHaveAttribute("data-prefix", "/registry/");
});

test("down and up with the keyboard", async ({ inspector }) => {
  const { page } = inspector;
  await space(inspector, cluster);
  const map = page.getByTestId("space-treemap");
  const crumbs = page.getByTestId("space-crumbs");
  const tiles = map.getByRole("button");
  // The tiles are sorted by size.
  const sizes = await tiles.evaluateAll((tiles) => tiles.filter((tile) => tile.hasAttribute("data-prefix")).map((tile) => Number(tile.getAttribute("data-bytes"))));
  expect(sizes.length).toBeGreaterThan(5);
  expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
  await tiles.first().focus();
  // The arrow keys alone reach every tile.
  const reached = new Set<string | null>();
  const focused = (): Promise<string | null> => page.evaluate(() => document.activeElement?.getAttribute("data-tile") ?? null);
  for (let round = 0; round < 3; round += 1) {
    for (const key of ["ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"]) {
      reached.add(await focused());
      await page.keyboard.press(key);
    }
  }
  expect(reached.size).toBeGreaterThan(2);
  expect(reached.has(null)).toBe(false);
  await page.keyboard.press("Home");
  const first = await map.locator("[data-tile='0']").getAttribute("data-prefix");
  await page.keyboard.press("Enter");
  await expect(crumbs).toHaveAttribute("data-prefix", new RegExp(`^${first}`));
  await expect(tiles.first()).toBeFocused();
  await page.keyboard.press("Backspace");
  await expect(crumbs).toHaveAttribute("data-prefix", "/registry/");
});

test("Backspace returns to the previous tile", async ({ inspector }) => {
  const { page } = inspector;
  await space(inspector, cluster);
  const map = page.getByTestId("space-treemap");
  await map.locator("[data-prefix='/registry/events/']").focus();
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("space-crumbs")).toHaveAttribute("data-prefix", "/registry/events/");
  await expect(map.locator("[data-tile='0']")).toBeFocused();
  await page.keyboard.press("Backspace");
  await expect(page.getByTestId("space-crumbs")).toHaveAttribute("data-prefix", "/registry/");
  await expect(map.locator("[data-prefix='/registry/events/']")).toBeFocused();
});

test("tile areas by live bytes and by history", async ({ inspector }) => {
  const { page } = inspector;
  await space(inspector, cluster);
  const map = page.getByTestId("space-treemap");
  const largest = (): Promise<string | null> => map.locator("[data-tile='0']").getAttribute("data-prefix");
  expect(await largest()).toBe("/registry/leases/");
  await page.getByTestId("space-measure").getByRole("button", { name: "Live" }).click();
  await expect.poll(largest).toBe("/registry/pods/");
  await page.getByTestId("space-measure").getByRole("button", { name: "History" }).click();
  await expect.poll(largest).toBe("/registry/leases/");
  // A group without history has no area there.
  await expect(map.locator("[data-prefix='/registry/configmaps/']")).toHaveCount(0);
  // Areas are proportional to bytes: at the top level up to rounding to pixels.
  const areas = await map.getByRole("button").evaluateAll((tiles) => tiles.map((tile) => [(tile as HTMLElement).offsetWidth * (tile as HTMLElement).offsetHeight, Number(tile.getAttribute("data-bytes"))]));
  const [all, bytes] = [areas.reduce((sum, [area]) => sum + (area ?? 0), 0), areas.reduce((sum, [, bytes]) => sum + (bytes ?? 0), 0)];
  for (const [area, own] of areas) expect(Math.abs((area ?? 0) / all - (own ?? 0) / bytes)).toBeLessThan(0.02);
});

test("small groups are combined into one tile, which links to the table", async ({ inspector }) => {
  const { page } = inspector;
  await space(inspector, caseFile("3.7-history"));
  const tiles = page.getByTestId("space-treemap").getByRole("button");
  const others = tiles.filter({ hasNot: page.locator(".inner") }).and(page.locator(".others"));
  await expect(others).toHaveAccessibleName(/^\d+ others .+: \d+ keys/);
  const drawn = await tiles.evaluateAll((tiles) => tiles.filter((tile) => tile.hasAttribute("data-prefix")).length);
  const gathered = Number(/^\d+/.exec((await others.getAttribute("aria-label")) ?? "")?.[0]);
  await expect(page.getByTestId("space-table").locator("tbody tr")).toHaveCount(drawn + gathered);
  const bytes = await tiles.evaluateAll((tiles) => tiles.reduce((sum, tile) => sum + Number(tile.getAttribute("data-bytes")), 0));
  expect(bytes).toBe(Number(await inspector.text("space-total-live")) + Number(await inspector.text("space-total-history")));
  await others.focus();
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("space-table").getByRole("columnheader").first()).toBeInViewport();
  await expect(page.locator("section:focus").getByTestId("space-table")).toBeVisible();
});

test("the table sorts by any column, and keys link to their view", async ({ inspector }) => {
  const { page } = inspector;
  await space(inspector, cluster);
  const table = page.getByTestId("space-table");
  const column = (name: string): Promise<number[]> => table.locator(`[data-column='${name}']`).evaluateAll((cells) => cells.map((cell) => Number(cell.getAttribute("data-value"))));
  for (const [label, id] of [["Keys", "keys"], ["Live", "live"], ["History", "history"], ["Revisions", "revisions"]] as const) {
    const head = table.getByRole("columnheader", { name: label });
    await head.getByRole("button").click();
    await expect(head).toHaveAttribute("aria-sort", "descending");
    const down = await column(id);
    expect(down).toEqual(down.toSorted((a, b) => b - a));
    await head.getByRole("button").click();
    await expect(head).toHaveAttribute("aria-sort", "ascending");
    expect(await column(id)).toEqual(down.toSorted((a, b) => a - b));
  }
  const number = table.locator("tbody [data-column='live']").first();
  await number.click();
  await expect(page.getByRole("status").last()).toContainText(`Copied Live of ${await table.locator("tbody tr").first().getAttribute("data-prefix")} ${await number.getAttribute("data-value")}`);
  await page.getByTestId("space-busiest").locator("tbody").getByRole("button").first().click();
  await expect(page.locator("[data-view='keys']")).toHaveAttribute("aria-current", "page");
  await expect(page).toHaveURL(/key=%2Fregistry%2Fleases%2Fkube-node-lease%2Fnode-0/);
});

test("namespaces are summed up across all resources, and link to their keys", async ({ inspector }) => {
  const { page } = inspector;
  await space(inspector, cluster);
  const table = page.getByTestId("space-namespaces");
  const names = lines("keys", cluster).map((line) => nameIn(line));
  // Every namespaced key of the recorded cluster has its namespace before its name; services use two folders.
  const parts = names.map((name) => name.split("/").slice(2));
  const namespaced = parts.filter((part) => (part[0] === "services" ? part.length === 4 : part.length === 3)).map((part) => part.at(-2) ?? "");
  const counts = new Map<string, number>();
  for (const name of namespaced) counts.set(name, (counts.get(name) ?? 0) + 1);
  expect(counts.size).toBeGreaterThan(3);
  const shown = await table.locator("tbody tr").evaluateAll((rows) => rows.map((row) => [row.getAttribute("data-prefix"), Number(row.querySelector("[data-column='keys']")?.getAttribute("data-value"))]));
  expect(new Map(shown as [string, number][])).toEqual(counts);
  const [first] = shown[0] as [string, number];
  await table.locator("tbody").getByRole("button").first().click();
  await expect(page.getByTestId("search")).toHaveValue(`ns:${first}`);
  await expect(page.getByTestId("hit-live")).toHaveText(String(counts.get(first)));
  // Below the registry the namespaces are groups themselves.
  await page.keyboard.press("3");
  await page.getByTestId("space-table").locator("tbody").getByRole("button").first().click();
  await expect(table).toHaveCount(0);
});

test("folders with odd bytes in their names can be opened", async ({ inspector }) => {
  const { page } = inspector;
  const file = caseFile("3.7-history");
  await space(inspector, file);
  const quoted = page.getByTestId("space-table").locator(`tbody tr[data-prefix^='"'] button`);
  expect(await quoted.count()).toBeGreaterThan(0);
  const key = await quoted.first().getAttribute("title");
  await quoted.first().click();
  await expect(page.locator("[data-view='keys']")).toHaveAttribute("aria-current", "page");
  expect(new URLSearchParams(new URL(page.url()).hash.split("?")[1]).get("key")).toBe(key);
});

test("every text is legible, light and dark, wide and narrow", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(cluster);
  await page.locator("[data-view='space']").click();
  await expect(page.getByTestId("space-treemap").getByRole("button").first()).toBeVisible();
  for (const scheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const [width, height] of [[1280, 800], [400, 800]] as const) {
      await page.setViewportSize({ width, height });
      await expect.poll(() => page.getByTestId("space-treemap").evaluate((map) => [...map.children].every((tile) => tile.getBoundingClientRect().right <= innerWidth))).toBe(true);
      expect(await contrasts(page)).toEqual([]);
      expect(await page.evaluate(() => document.querySelector("#view")?.scrollWidth)).toBeLessThanOrEqual(width);
      await page.screenshot({ path: join(artifacts, `space-${scheme}-${width}.png`) });
    }
  }
});
