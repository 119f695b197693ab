import { join } from "node:path";
import { readFileSync } from "node:fs";
import { contrasts } from "./support/contrast.ts";
import { lines, nameIn, type Line } from "./support/look.ts";
import { expect, made, openChange, plainChanges, settled, test, type Inspector } from "./support/page.ts";
import { artifacts, caseFile } from "./support/repo.ts";

type Change = [string, string];

/** Opens files and selects the first. All cases are called snapshot.db, so they get their own names here. */
async function openCases(inspector: Inspector, ...names: string[]): Promise<void> {
  for (const name of names) await inspector.open(made(`${name}.db`, readFileSync(caseFile(name))));
  await inspector.page.getByRole("tab", { name: new RegExp(`${names[0]}\\.db`) }).first().click();
}

async function compare(inspector: Inspector, ...names: string[]): Promise<void> {
  await openCases(inspector, ...names);
  await inspector.page.locator("[data-view='compare']").click();
}

/** Returns every row of the list, from start to end. */
async function listed(inspector: Inspector): Promise<Change[]> {
  const list = inspector.page.getByTestId("compare-list");
  await settled(list);
  const total = Number(await list.getAttribute("data-total"));
  const all = new Map<number, Change>();
  await list.evaluate((box) => box.scrollTo(0, 0));
  while (all.size < total) {
    const before = all.size;
    const next = all.size;
    await expect(list.locator(`[data-row='${next}'] [data-key]`)).toHaveCount(1);
    const rows = await list.locator("[data-row]").evaluateAll((rows) =>
      rows.flatMap((row): [number, [string, string]][] => {
        const line = row.querySelector("[data-key]");
        return line === null ? [] : [[Number(row.getAttribute("data-row")), [line.getAttribute("data-kind") ?? "", line.getAttribute("data-key") ?? ""]]];
      }),
    );
    for (const [at, change] of rows) if (at === all.size) all.set(at, change);
    expect(all.size).toBeGreaterThan(before);
    await list.evaluate((box, row) => box.scrollTo(0, row * 26), all.size);
  }
  return [...all.values()];
}

const changesOf = (said: Line[]): Change[] => said.map((line) => [String(line["change"]), nameIn(line)]);
const countOf = (changes: Change[], kind: string): number => changes.filter(([own]) => own === kind).length;

for (const [a, b] of [["3.7-cluster", "3.7-restored"], ["3.7-history", "3.7-restored"], ["3.7-history", "3.7-raw"], ["3.5-history", "3.6-raw"]] as const) {
  test(`${a} and ${b}: the same differences as in the terminal`, async ({ inspector }) => {
    const { page } = inspector;
    await compare(inspector, a, b);
    // The only other file is compared at once.
    await expect(page.getByTestId("compare-sentence")).toContainText("unchanged");
    await plainChanges(page);
    const said = changesOf(lines("diff", caseFile(a), caseFile(b)));
    expect(said.length).toBeGreaterThan(0);
    for (const kind of ["added", "removed", "changed"]) {
      await expect(page.locator(`[data-kind='${kind}'][aria-pressed] .number`)).toHaveText(String(countOf(said, kind)));
    }
    expect(await listed(inspector)).toEqual(said);
  });
}

test("identical files are reported as identical", async ({ inspector }) => {
  const { page } = inspector;
  await compare(inspector, "3.6-history", "3.7-history");
  expect(lines("diff", caseFile("3.6-history"), caseFile("3.7-history"))).toEqual([]);
  await expect(page.getByTestId("compare-sentence")).toHaveText("Both sides have the same keys and values.");
  await expect(page.getByTestId("compare-list")).toHaveCount(0);
});

test("a second file offers a comparison", async ({ inspector }) => {
  const { page } = inspector;
  await openCases(inspector, "3.7-history");
  await expect(page.getByTestId("offer-compare")).toHaveCount(0);
  await openCases(inspector, "3.7-restored");
  await page.getByTestId("offer-compare").click();
  await expect(page.getByTestId("compare-sentence")).toContainText("unchanged");
});

test("a file is identical to itself", async ({ inspector }) => {
  const { page } = inspector;
  await openCases(inspector, "3.7-cluster", "3.7-cluster");
  await page.locator("[data-view='compare']").click();
  await expect(page.getByTestId("compare-sentence")).toHaveText("Both sides have the same keys and values.");
});

test("a file is compared with its own older revision", async ({ inspector }) => {
  const { page } = inspector;
  const file = caseFile("3.7-history");
  await compare(inspector, "3.7-history");
  await expect(page.getByTestId("compare-other")).toHaveValue("revision");
  await page.getByTestId("compare-revision").fill("600");
  await page.getByTestId("compare-revision").press("Enter");
  await expect(page.getByTestId("compare-sentence")).toContainText("unchanged");
  await plainChanges(page);
  // Time runs forward: the older revision is the earlier side.
  const said = changesOf(lines("diff", file, "--rev-a", "600"));
  expect(await listed(inspector)).toEqual(said);
  expect(countOf(said, "added")).toBeGreaterThan(0);
  await expect(page.getByText("From revision 600 to revision 672.")).toBeVisible();
  await page.getByTestId("compare-list").locator("[data-kind='added']").first().click();
  await expect(page.getByTestId("compare-before-revision")).toHaveText("–");
  await expect(page.getByTestId("compare-after-revision")).not.toHaveText("–");
  await expect(page.getByTestId("compare-diff").locator("[data-line='removed']")).toHaveCount(0);
  await expect(page.getByTestId("compare-diff").locator("[data-line='added']").first()).toBeVisible();
});

test("revisions that cannot be read are refused in place", async ({ inspector }) => {
  const { page } = inspector;
  await compare(inspector, "3.7-history");
  for (const [typed, words] of [["3", "Enter a revision from"], ["x", "Enter a revision from"], ["672", "Choose another"]] as const) {
    await page.getByTestId("compare-revision").fill(typed);
    await page.getByTestId("compare-revision").press("Enter");
    await expect(page.getByRole("alert")).toContainText(words);
    await expect(page.getByTestId("compare-sentence")).toHaveCount(0);
  }
  await page.getByRole("button", { name: "oldest" }).click();
  await expect(page.getByRole("alert")).toHaveCount(0);
  await expect(page.getByTestId("compare-sentence")).toContainText("unchanged");
});

test("a changed key: both values and the line that changed", async ({ inspector }) => {
  const { page } = inspector;
  const files = [caseFile("3.7-history"), caseFile("3.7-restored")] as const;
  await compare(inspector, "3.7-history", "3.7-restored");
  await plainChanges(page);
  const line = lines("diff", ...files, "--values").find(({ change }) => change === "changed");
  if (line === undefined) throw new Error("Nothing was changed.");
  const [a, b] = [line["a"] as Line, line["b"] as Line];
  await openChange(page, nameIn(line));
  const diff = page.getByTestId("compare-diff");
  await expect(page.getByTestId("compare-pane")).toHaveAttribute("data-key", nameIn(line));
  await expect(page.getByTestId("compare-before-revision")).toHaveText(String(a["modRevision"]));
  await expect(page.getByTestId("compare-after-revision")).toHaveText(String(b["modRevision"]));
  await expect(diff.locator("[data-line='removed'] .text")).toHaveText(String(a["value"]));
  await expect(diff.locator("[data-line='added'] .text")).toHaveText(String(b["value"]));
  await page.keyboard.press("c");
  await expect(page.getByRole("status").last()).toContainText(`Copied ${nameIn(line)}`);
  // Another key replaces it; Esc closes the pane and keeps the view.
  await page.keyboard.press("j");
  await expect(page.getByTestId("compare-pane")).not.toHaveAttribute("data-key", nameIn(line));
  await page.keyboard.press("Escape");
  await expect(page.getByTestId("compare-pane")).toHaveCount(0);
  await expect(page.getByTestId("compare-sentence")).toBeVisible();
});

/** Compares a file with its own revision 400. */
async function compareWith400(inspector: Inspector, bytes: Buffer): Promise<void> {
  const { page } = inspector;
  await inspector.open(made("patched.db", bytes));
  await page.locator("[data-view='compare']").click();
  await page.getByTestId("compare-revision").fill("400");
  await page.getByTestId("compare-revision").press("Enter");
  await expect(page.getByTestId("compare-sentence")).toContainText("unchanged");
  await plainChanges(page);
}

/** Returns the recorded cluster with some bytes replaced by others of the same length, everywhere. */
function patched(from: string, to: Buffer): Buffer {
  const bytes = readFileSync(caseFile("3.7-cluster"));
  expect(to.length).toBe(from.length);
  for (let at = bytes.indexOf(from); at >= 0; at = bytes.indexOf(from, at + 1)) to.copy(bytes, at);
  return bytes;
}

const NODE = "/registry/minions/node-0";
const NODE_START = '{"apiVersion":"v1",';

test("kinds can be shown and hidden", async ({ inspector }) => {
  const { page } = inspector;
  await compareWith400(inspector, readFileSync(caseFile("3.7-cluster")));
  const said = changesOf(lines("diff", caseFile("3.7-cluster"), "--rev-a", "400"));
  await expect(page.locator("[data-kind='added'][aria-pressed]")).toBeDisabled();
  await page.locator("[data-kind='removed'][aria-pressed]").click();
  const changed = said.filter(([kind]) => kind === "changed");
  await expect(page.getByTestId("compare-list")).toHaveAttribute("data-total", String(changed.length));
  expect(await listed(inspector)).toEqual(changed);
  await page.locator("[data-kind='removed'][aria-pressed]").click();
  await expect(page.getByTestId("compare-list")).toHaveAttribute("data-total", String(said.length));
  expect(await listed(inspector)).toEqual(said);
});

test("objects are compared as YAML", async ({ inspector }) => {
  const { page } = inspector;
  await compareWith400(inspector, readFileSync(caseFile("3.7-cluster")));
  const diff = page.getByTestId("compare-diff");
  await openChange(page, "/registry/leases/kube-node-lease/node-0");
  await expect(diff.locator("[data-line='removed'] .text").first()).toHaveText("  generation: 4");
  await expect(diff.locator("[data-line='added'] .text").first()).toHaveText("  generation: 18");
  await expect(diff.locator("[data-line='added'] b").first()).toHaveText("18");
  await expect(diff.locator("[data-line='added']")).toHaveCount(3);
  await expect(diff.locator("[data-line='removed']")).toHaveCount(3);
});

test("Kubernetes' protobuf is compared field by field", async ({ inspector }) => {
  const { page } = inspector;
  // `k8s`, a zero byte, and a message: its first field is the type, its second, of 296 bytes, fills the rest of the value.
  const start = Buffer.concat([Buffer.from("k8s\0"), Buffer.from([0x0a, 10, 0x0a, 2]), Buffer.from("v1"), Buffer.from([0x12, 4]), Buffer.from("Node"), Buffer.from([0x12, 0xa8, 0x02])]);
  await compareWith400(inspector, patched(NODE_START, start));
  const diff = page.getByTestId("compare-diff");
  await openChange(page, NODE);
  await expect(page.getByTestId("compare-pane")).toContainText("The value as YAML.");
  await expect(diff.locator("[data-line='same'] .text").filter({ hasText: "Node" })).toHaveText("kind: Node");
  await expect(diff.locator("[data-line='added'] .text")).toContainText("field 4 (unknown)");
  await expect(diff.locator("[data-line='removed']")).toHaveCount(1);
  await expect(diff.locator("[data-line='added']")).toHaveCount(1);
});

test("values that are not text are compared as bytes", async ({ inspector }) => {
  const { page } = inspector;
  await compareWith400(inspector, patched(NODE_START, Buffer.alloc(NODE_START.length, 0xff)));
  const diff = page.getByTestId("compare-diff");
  await openChange(page, NODE);
  await expect(page.getByTestId("compare-pane")).toContainText("The value as bytes.");
  await expect(diff.locator("[data-line='removed'] .text").first()).toHaveText(/^[0-9a-f]{8}( {1,2}[0-9a-f]{2}){16} {2}.{16}$/);
  await diff.getByRole("button", { name: /unchanged lines/ }).first().click();
  await expect(diff.locator("[data-line='same'] .text").first()).toContainText("00000000  ff ff ff ff");
});

test("secrets are shown on request only", async ({ inspector }) => {
  const { page } = inspector;
  await compareWith400(inspector, patched("/registry/leases/k", Buffer.from("/registry/secrets/")));
  await page.locator("[data-kind='removed'][aria-pressed]").click();
  const secrets = page.getByTestId("compare-list").locator("[data-key^='/registry/secrets/']");
  await secrets.nth(0).click();
  await expect(page.getByTestId("compare-pane")).toContainText("This is a secret.");
  await expect(page.getByTestId("compare-diff")).toHaveCount(0);
  await expect(page.getByText("generation")).toHaveCount(0);
  await page.getByTestId("compare-unveil").click();
  await expect(page.getByTestId("compare-diff").locator("[data-line='removed']").first()).toContainText("generation");
  // The next secret is masked again.
  await secrets.nth(1).click();
  await expect(page.getByTestId("compare-pane")).toContainText("This is a secret.");
  await expect(page.getByTestId("compare-diff")).toHaveCount(0);
});

test("swap makes the other file the earlier side", async ({ inspector }) => {
  const { page } = inspector;
  await compare(inspector, "3.7-history", "3.7-raw");
  await expect(page.getByTestId("compare-sentence")).toHaveText(/^1 key was added; \d+ unchanged\.$/);
  await page.getByTestId("compare-swap").click();
  await expect(page.getByTestId("compare-sentence")).toHaveText(/^1 key was removed; \d+ unchanged\.$/);
  await expect(page.getByRole("tab", { name: /3\.7-raw\.db/ })).toHaveAttribute("aria-selected", "true");
  await plainChanges(page);
  expect(await listed(inspector)).toEqual(changesOf(lines("diff", caseFile("3.7-raw"), caseFile("3.7-history"))));
});

test("returning to the view reads nothing again; closing the other file ends the comparison", async ({ inspector }) => {
  const { page } = inspector;
  await compare(inspector, "3.7-history", "3.7-restored");
  await plainChanges(page);
  await expect(page.getByTestId("compare-list")).toBeVisible();
  await page.getByTestId("compare-list").locator("[data-row='1']").click();
  await page.getByTestId("compare-to-keys").or(page.getByRole("button", { name: /Show in Keys/ })).first().click();
  await expect(page.locator("[data-view='keys']")).toHaveAttribute("aria-current", "page");
  await page.locator("[data-view='overview']").click();
  await page.keyboard.press("d");
  await expect(page.getByTestId("compare-list")).toBeVisible();
  await page.getByRole("button", { name: /Close 3\.7-restored\.db/ }).click();
  await expect(page.getByTestId("compare-list")).toHaveCount(0);
  await expect(page.getByTestId("compare-other").locator("option")).toHaveCount(1);
});

test("every text is legible, light and dark, wide and narrow", async ({ inspector }) => {
  const { page } = inspector;
  await compare(inspector, "3.7-cluster");
  await page.getByTestId("compare-revision").fill("400");
  await page.getByTestId("compare-revision").press("Enter");
  await page.getByTestId("compare-list").locator("[data-kind='changed']").first().click();
  await expect(page.getByTestId("compare-diff")).toBeVisible();
  for (const scheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const [width, height] of [[1280, 800], [400, 800]] as const) {
      await page.setViewportSize({ width, height });
      expect(await contrasts(page)).toEqual([]);
      expect(await page.evaluate(() => document.querySelector("#view")?.scrollWidth)).toBeLessThanOrEqual(width);
      await page.screenshot({ path: join(artifacts, `compare-${scheme}-${width}.png`) });
    }
  }
});
