import { readFileSync } from "node:fs";
import { join } from "node:path";
import { contrasts } from "./support/contrast.ts";
import { lines, nameIn, notes, type Line } from "./support/look.ts";
import { expect, plainChanges, settled, test, type Inspector } from "./support/page.ts";
import { artifacts, root } from "./support/repo.ts";

const today = join(root, "samples/kubernetes/today.db.zst");
const yesterday = join(root, "samples/kubernetes/yesterday.db.zst");
const sample = join(root, "samples/sample.db");

/** Opens two files and compares the first with the second. */
async function compare(inspector: Inspector, own: string, other: string): Promise<void> {
  const { page } = inspector;
  await inspector.judge(own);
  await page.keyboard.press("d");
  await inspector.open(other);
  await page.getByRole("tab").first().click();
  await expect(page.getByTestId("compare-sentence")).toBeVisible();
  await settled(page.getByTestId("compare-lines"));
}

/** Opens every group. */
async function openAll(inspector: Inspector): Promise<void> {
  for (;;) {
    await settled(inspector.page.getByTestId("compare-list"));
    const closed = inspector.page.getByTestId("compare-list").locator("[aria-expanded='false']").first();
    if ((await closed.count()) === 0) return;
    await closed.click();
    await expect(inspector.page.getByTestId("compare-pane")).toHaveCount(0);
  }
}

/** What kubectl calls the type of an object in a line of `kube diff`. */
const typeOf = (line: Line): string => `${String(line["resource"])}${line["group"] ? `.${String(line["group"])}` : ""}`;

async function saved(inspector: Inspector, format: "csv" | "ndjson"): Promise<string> {
  const download = inspector.page.waitForEvent("download");
  await inspector.page.getByTestId(`save-${format}`).click();
  return readFileSync(await (await download).path(), "utf8");
}

const jsonLines = (text: string): Line[] => text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Line);

test("what changed since yesterday: grouped by kind and namespace, and noise is left out as in the terminal", async ({ inspector }) => {
  const { page } = inspector;
  await page.setViewportSize({ width: 1280, height: 1600 });
  // The newer file is opened first: the older revision comes first all the same.
  await compare(inspector, today, yesterday);
  await expect(page.getByText(/From yesterday\.db\.zst, revision 344, to today\.db\.zst, revision 511 \(older revision first\)/)).toBeVisible();
  await expect(page.getByTestId("compare-cluster")).toHaveAttribute("data-relation", "same");
  const said = lines("kube", "diff", yesterday, today);
  const folded = /Folded: (.*) \(--all/.exec(notes("kube", "diff", yesterday, today))?.[1];
  expect(folded).toMatch(/Lease.*Event/);
  await expect(page.getByTestId("compare-noise")).toContainText(`not listed: ${folded}.`);
  // Groups with the same objects, and with the numbers of each kind of change.
  await openAll(inspector);
  const rows = await page.getByTestId("compare-list").locator("[data-row]").evaluateAll((rows) =>
    rows.map((row) => {
      const group = row.querySelector<HTMLElement>("[data-group]");
      const change = row.querySelector<HTMLElement>("[data-key]");
      return group !== null ? { group: [group.dataset["group"], group.dataset["namespace"]] } : { kind: change?.dataset["kind"], key: change?.dataset["key"] };
    }),
  );
  const found: string[] = [];
  let group: (string | undefined)[] = [];
  for (const row of rows) {
    if (row.group !== undefined) group = row.group;
    else if (row.key?.startsWith("/registry/") === true) found.push([row.kind, ...group, row.key.split("/").pop()].join(" "));
  }
  const expected = said.map((line) => [line["change"] === "made anew" ? "changed" : line["change"], typeOf(line), line["namespace"], line["name"]].join(" "));
  expect(expected.length).toBeGreaterThan(5);
  expect(found.sort()).toEqual(expected.sort());
  const pods = page.getByTestId("compare-list").locator("[data-group='pods']");
  await expect(pods.getByTitle("removed")).toHaveText(/4$/);
  await expect(pods.getByTitle("added")).toHaveCount(0);
});

test("noise is listed on request", async ({ inspector }) => {
  const { page } = inspector;
  await compare(inspector, yesterday, today);
  const all = lines("diff", yesterday, today);
  const noise = Number(await page.getByTestId("compare-noise").getAttribute("data-total"));
  const listedKinds = async (): Promise<number> => (await page.locator("[data-kind][aria-pressed] .number").allInnerTexts()).reduce((sum, text) => sum + Number(text), 0);
  expect(noise).toBeGreaterThan(0);
  expect(await listedKinds()).toBe(all.length - noise);
  await plainChanges(page);
  expect(await listedKinds()).toBe(all.length);
  await expect(page.getByTestId("compare-list")).toHaveAttribute("data-total", String(all.length));
  await page.getByTestId("compare-search").fill("kind:lease");
  await expect(page.getByTestId("compare-list").locator("[data-key^='/registry/leases/']").first()).toBeVisible();
});

test("groups open and close by keyboard", async ({ inspector }) => {
  const { page } = inspector;
  await compare(inspector, yesterday, today);
  const list = page.getByTestId("compare-list");
  const heading = list.locator("[data-row='0']");
  await page.keyboard.press("j");
  await expect(heading).toHaveAttribute("aria-selected", "true");
  await expect(heading).toHaveAttribute("aria-expanded", "true");
  const total = Number(await list.getAttribute("data-total"));
  await page.keyboard.press("ArrowLeft");
  await expect(heading).toHaveAttribute("aria-expanded", "false");
  expect(Number(await list.getAttribute("data-total"))).toBeLessThan(total);
  await page.keyboard.press("Enter");
  await expect(heading).toHaveAttribute("aria-expanded", "true");
  await expect(list).toHaveAttribute("data-total", String(total));
  await page.keyboard.press("ArrowRight");
  await expect(page.getByTestId("compare-list").locator("[data-row='1']")).toHaveAttribute("aria-selected", "true");
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("compare-pane")).toBeVisible();
  // The order changes within the groups; what the user closed stays closed.
  await page.keyboard.press("Escape");
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowLeft");
  await expect(heading).toHaveAttribute("aria-expanded", "false");
  await page.getByRole("button", { name: "Growth" }).click();
  await settled(page.getByTestId("compare-lines"));
  await expect(heading).toHaveAttribute("aria-expanded", "false");
});

test("changes are searched by words and conditions", async ({ inspector }) => {
  const { page } = inspector;
  await compare(inspector, yesterday, today);
  const list = page.getByTestId("compare-list");
  const before = Number(await list.getAttribute("data-total"));
  await page.keyboard.press("/");
  await expect(page.getByTestId("compare-search")).toBeFocused();
  await page.keyboard.type("kind:deploy ns:shop");
  await expect(list).toHaveAttribute("data-total", "2");
  await expect(list.locator("[data-key='/registry/deployments/shop/web'][data-kind='removed']")).toBeVisible();
  // What is wrong is said, and the list stays.
  await page.getByTestId("compare-search").fill("size>abc");
  await expect(page.getByTestId("compare-search-problem")).toContainText("size>abc: ");
  await expect(list).toHaveAttribute("data-total", "2");
  await page.getByTestId("compare-search").fill("value~secret");
  await expect(page.getByTestId("compare-search-problem")).toContainText("by keys alone");
  await page.getByTestId("compare-search").fill("nothing-is-called-so");
  await expect(list).toHaveAttribute("data-total", "0");
  await expect(page.getByTestId("compare-search-problem")).toHaveCount(0);
  // Esc clears the search, then leaves it.
  await page.keyboard.press("Escape");
  await expect(list).toHaveAttribute("data-total", String(before));
  await page.getByTestId("compare-search").fill("web");
  await expect(list).not.toHaveAttribute("data-total", String(before));
  await page.keyboard.press("Enter");
  await page.keyboard.press("j");
  await expect(page.getByTestId("compare-pane")).toBeVisible();
});

test("files of two clusters are told apart", async ({ inspector }) => {
  const { page } = inspector;
  await compare(inspector, sample, yesterday);
  const warning = /These are two clusters: the first has (.*), the second (.*?)\. Objects/.exec(notes("kube", "diff", sample, yesterday));
  expect(warning).not.toBeNull();
  await expect(page.getByTestId("compare-cluster")).toHaveAttribute("data-relation", "other");
  await expect(page.getByTestId("compare-cluster")).toContainText(`sample.db has ${warning?.[1]}, yesterday.db.zst has ${warning?.[2]}.`);
});

test("the listed changes are saved as the terminal prints them", async ({ inspector }) => {
  const { page } = inspector;
  await compare(inspector, yesterday, today);
  const known = lines("diff", yesterday, today);
  // Closed groups are saved, too.
  await page.getByTestId("compare-list").locator("[aria-expanded='true']").first().click();
  const listed = jsonLines(await saved(inspector, "ndjson"));
  const web = listed.find((line) => line["key"] === "/registry/deployments/shop/web");
  expect(web).toMatchObject({ change: "removed", type: "deployments.apps", namespace: "shop" });
  expect(listed.length).toBe(known.length - Number(await page.getByTestId("compare-noise").getAttribute("data-total")));
  await plainChanges(page);
  expect(jsonLines(await saved(inspector, "ndjson"))).toEqual(known);
  const csv = (await saved(inspector, "csv")).trimEnd().split("\n");
  expect(csv[0]).toBe("change,key,key_encoding,type,namespace,mod_revision_a,create_revision_a,version_a,value_bytes_a,lease_a,mod_revision_b,create_revision_b,version_b,value_bytes_b,lease_b");
  expect(csv.length).toBe(known.length + 1);
  const removed = csv.find((line) => line.includes(",/registry/deployments/shop/web,"));
  const side = known.find((line) => nameIn(line) === "/registry/deployments/shop/web")?.["a"] as Line;
  expect(removed).toBe(`removed,/registry/deployments/shop/web,text,,,${[side["modRevision"], side["createRevision"], side["version"], side["valueBytes"]].join(",")},,,,,,`);
});

test("all changes are printed, those of closed groups, too", async ({ inspector }) => {
  const { page } = inspector;
  await compare(inspector, yesterday, today);
  await openAll(inspector);
  const total = Number(await page.getByTestId("compare-list").getAttribute("data-total"));
  await page.getByTestId("compare-list").locator("[aria-expanded='true']").first().click();
  await page.evaluate(() => {
    window.print = () => Object.assign(globalThis, { rows: document.querySelectorAll("[data-testid='printed-rows'] .row").length });
  });
  await page.keyboard.press("p");
  await expect.poll(() => page.evaluate(() => (globalThis as { rows?: number }).rows)).toBe(total);
});

test("every text is legible, light and dark, wide and narrow", async ({ inspector }) => {
  const { page } = inspector;
  await compare(inspector, yesterday, today);
  for (const scheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const width of [1280, 1024, 390]) {
      await page.setViewportSize({ width, height: 844 });
      expect(await contrasts(page)).toEqual([]);
      expect(await page.evaluate(() => document.querySelector("#view")?.scrollWidth)).toBeLessThanOrEqual(width);
      await page.screenshot({ path: join(artifacts, `changes-${scheme}-${width}.png`) });
    }
  }
});
