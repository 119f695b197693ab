import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, type Inspector, made, settled, test } from "./support/page.ts";
import { type Line, lines, nameIn, output } from "./support/look.ts";
import { artifacts, caseFile, root } from "./support/repo.ts";

const file = caseFile("3.7-cluster");
const sample = join(root, "samples/sample.db");

const names = (found: Line[]) => found.map((line) => nameIn(line));

async function openKeys(inspector: Inspector, path: string): Promise<void> {
  await inspector.judge(path);
  await inspector.page.keyboard.press("2");
  await expect(inspector.page.getByTestId("keys-list")).toBeVisible();
}

/** All keys of the list, from end to end by the keyboard. */
async function listed(inspector: Inspector): Promise<string[]> {
  const { page } = inspector;
  const list = page.getByTestId("keys-list");
  // What is listed is what was asked last: two questions may have as many answers.
  await settled(page.getByTestId("keys-found"));
  await settled(list);
  const total = Number(await list.getAttribute("data-total"));
  const found = new Map<number, string>();
  await list.focus();
  await page.keyboard.press("Home");
  for (let turn = 0; found.size < total && turn <= total; turn += 1) {
    await expect(list.locator('[aria-selected="true"] [data-key]')).toBeVisible();
    for (const [row, key] of await list.evaluate(rowsOf)) found.set(row, key);
    await page.keyboard.press("PageDown");
  }
  return [...found].sort(([a], [b]) => a - b).map(([, key]) => key);
}

/** The rows that are on the screen: their numbers and keys. */
function rowsOf(list: HTMLElement | SVGElement): [number, string][] {
  return [...list.querySelectorAll<HTMLElement>("[data-row]")].flatMap((row): [number, string][] => {
    const key = row.querySelector<HTMLElement>("[data-key]")?.dataset["key"];
    return key === undefined ? [] : [[Number(row.dataset["row"]), key]];
  });
}

async function showList(inspector: Inspector): Promise<void> {
  await inspector.page.getByRole("button", { name: "Tree", exact: true }).click();
  await expect(inspector.page.getByTestId("keys-total")).toHaveAttribute("data-kind", "list");
}

for (const name of ["3.7-cluster", "3.4-history", "3.6-bumped", "3.7-compacting"]) {
  test(`the list has the keys of ${name}`, async ({ inspector }) => {
    await openKeys(inspector, caseFile(name));
    await showList(inspector);
    expect(await listed(inspector)).toEqual(names(lines("keys", caseFile(name))));
  });
}

test("a search finds by any part and from the start; filters narrow it", async ({ inspector }) => {
  const { page } = inspector;
  await openKeys(inspector, sample);
  const all = lines("keys", sample);
  const total = page.getByTestId("keys-total");
  const expected = async (found: Line[]) => {
    await expect(total).toHaveAttribute("data-total", String(found.length));
    expect(await listed(inspector)).toEqual(names(found));
  };
  await page.getByTestId("keys-search").fill("kube");
  await expect(total).toHaveAttribute("data-kind", "list");
  await page.getByTestId("keys-search").blur();
  await expected(all.filter((line) => nameIn(line).includes("kube")));
  await page.getByTestId("keys-search").fill("/registry/pods/");
  await page.getByLabel("from the start").check();
  await page.getByLabel("from the start").blur();
  await expected(all.filter((line) => nameIn(line).startsWith("/registry/pods/")));
  await page.getByRole("button", { name: "Clear" }).click();
  await page.getByLabel("with a lease").check();
  await page.getByLabel("with a lease").blur();
  const leased = lines("keys", sample, "--filter", "lease!=0");
  expect(leased.length).toBeGreaterThan(0);
  await expected(leased);
  await page.getByRole("button", { name: "Clear" }).click();
  await page.getByRole("button", { name: "More filters" }).click();
  await page.getByLabel("Size from").fill("330");
  await page.getByLabel("Revision to").fill("200");
  await page.getByLabel("Revision to").blur();
  const narrow = lines("keys", sample, "--filter", "size>=330", "--filter", "mod<=200");
  expect(narrow.length).toBeGreaterThan(0);
  await expected(narrow);
});

test("deleted keys are found, with their last value", async ({ inspector }) => {
  const { page } = inspector;
  await openKeys(inspector, sample);
  await page.getByLabel("Which keys").selectOption("deleted");
  await expect(page.getByTestId("keys-total")).toContainText("deleted");
  const list = page.getByTestId("keys-list");
  const first = list.locator("[data-key]").first();
  const key = (await first.getAttribute("data-key")) ?? "";
  await first.click();
  await expect(page.getByTestId("key-pane")).toHaveAttribute("data-key", key);
  const events = lines("history", sample, key);
  await expect(page.getByTestId("key-history").locator("tbody tr")).toHaveCount(events.length);
  await expect(page.getByTestId("key-history")).toContainText("deleted");
  await page.getByTestId("last-value").click();
  const last = events.findLast((event) => event["event"] !== "delete");
  const text = output("get", sample, key, "--print-value-only", "--rev", String(last?.["revision"]));
  await expect(page.getByTestId("key-value")).toHaveAttribute("data-mode", "object");
  await page.getByRole("button", { name: "JSON", exact: true }).click();
  expect(JSON.parse(await page.getByTestId("key-value").innerText())).toEqual(JSON.parse(text));
});

test("a search says of deleted keys that it would find, and shows them", async ({ inspector }) => {
  const { page } = inspector;
  await openKeys(inspector, sample);
  await page.getByLabel("Which keys").selectOption("deleted");
  const gone = (await page.getByTestId("keys-list").locator("[data-key]").first().getAttribute("data-key")) ?? "";
  await page.getByLabel("Which keys").selectOption("live");
  await page.getByTestId("keys-search").fill(gone);
  await expect(page.getByTestId("keys-total")).toContainText("0 keys");
  const offer = page.getByText("1 deleted one of that name");
  await expect(offer).toBeVisible();
  await offer.getByRole("button", { name: "show" }).click();
  await expect(page.getByTestId("keys-list").locator("[data-key]").first()).toHaveAttribute("data-key", gone);
});

test("files of one name have tabs of their own, and Back leads to the right one", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.open(sample);
  await inspector.open(sample);
  await expect(page.getByRole("tab", { name: "sample.db (2)" })).toHaveAttribute("aria-selected", "true");
  await page.keyboard.press("6");
  await page.getByRole("tab").first().click();
  await page.keyboard.press("2");
  await page.goBack();
  await page.goBack();
  await expect(page.getByRole("tab", { name: "sample.db (2)" })).toHaveAttribute("aria-selected", "true");
});

test("the tree opens and closes by the keyboard, and has every key once", async ({ inspector }) => {
  // A click for each folder.
  test.slow();
  const { page } = inspector;
  await openKeys(inspector, sample);
  const list = page.getByTestId("keys-list");
  const rows = () => list.getAttribute("data-total").then(Number);
  const before = await rows();
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await expect(list.locator('[aria-selected="true"]')).toHaveAttribute("aria-expanded", "false");
  await page.keyboard.press("ArrowRight");
  await expect(list.locator('[aria-selected="true"]')).toHaveAttribute("aria-expanded", "true");
  await expect.poll(rows).toBeGreaterThan(before);
  await page.keyboard.press("ArrowRight");
  await expect(list.locator('[aria-selected="true"]')).toHaveAttribute("aria-level", "3");
  await page.keyboard.press("ArrowLeft");
  await expect(list.locator('[aria-selected="true"]')).toHaveAttribute("aria-level", "2");
  await page.keyboard.press("ArrowLeft");
  await expect.poll(rows).toBe(before);
  // Open all of it: what is not a folder is a key.
  for (let line = 0; line < (await rows()); line += 1) {
    await list.evaluate((box, line) => (box.scrollTop = Math.max(0, (line - 3) * 26)), line);
    const row = list.locator(`[data-row="${line}"]`);
    await settled(list);
    await expect(row.locator(".cells")).toBeVisible();
    if ((await row.getAttribute("aria-expanded")) !== "false") continue;
    const count = await rows();
    await row.click();
    await expect.poll(rows).toBeGreaterThan(count);
  }
  const found = await leaves(inspector);
  expect(found).toEqual(names(lines("keys", sample)));
});

async function leaves({ page }: Inspector): Promise<string[]> {
  const list = page.getByTestId("keys-list");
  const total = Number(await list.getAttribute("data-total"));
  const found = new Map<number, string>();
  for (let line = 0; line < total; line += 15) {
    await list.evaluate((box, line) => (box.scrollTop = line * 26), line);
    const last = Math.min(total - 1, line + 14);
    await expect(list.locator(`[data-row="${last}"] .cells`)).toBeVisible();
    for (const [row, key] of await list.evaluate(rowsOf)) found.set(row, key);
  }
  return [...found].sort(([a], [b]) => a - b).map(([, key]) => key);
}

test("an older revision has the keys that it had", async ({ inspector }) => {
  const { page } = inspector;
  await openKeys(inspector, sample);
  await showList(inspector);
  const oldest = await page.getByTestId("keys-slider").getAttribute("min");
  await page.getByTestId("keys-slider").focus();
  await page.keyboard.press("Home");
  const at = lines("keys", sample, "--rev", String(oldest));
  await expect(page.getByTestId("keys-total")).toHaveAttribute("data-total", String(at.length));
  await page.getByTestId("keys-slider").blur();
  expect(await listed(inspector)).toEqual(names(at));
  await page.getByTestId("keys-revision").fill("400");
  await page.keyboard.press("Enter");
  const later = lines("keys", sample, "--rev", "400");
  await expect(page.getByTestId("keys-total")).toHaveAttribute("data-total", String(later.length));
  await page.getByRole("button", { name: /^Back to the latest/ }).click();
  await expect(page.getByTestId("keys-total")).toHaveAttribute("data-total", String(lines("keys", sample).length));
});

test("with the keyboard alone: search, value, history, what changed", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(sample);
  await page.keyboard.press("2");
  await expect(page.getByTestId("keys-list")).toBeVisible();
  await page.keyboard.press("/");
  await expect(page.getByTestId("keys-search")).toBeFocused();
  await page.keyboard.type("leases/kube-node-lease/node-1");
  await page.keyboard.press("Enter");
  const key = "/registry/leases/kube-node-lease/node-1";
  await expect(page.getByTestId("key-pane")).toHaveAttribute("data-key", key);
  const value = page.getByTestId("key-value");
  // An object is YAML first; its bytes are a key away.
  await expect(value).toHaveAttribute("data-mode", "object");
  expect(await value.textContent()).toBe(output("kube", "get", sample, "lease", "node-1", "-n", "kube-node-lease", "-o", "yaml"));
  await page.keyboard.press("v");
  await expect(value).toHaveAttribute("data-mode", "json");
  const text = output("get", sample, key, "--print-value-only");
  expect(JSON.parse(await value.innerText())).toEqual(JSON.parse(text));
  await page.keyboard.press("v");
  await expect(value).toHaveAttribute("data-mode", "text");
  expect((await value.innerText()).trimEnd()).toBe(text.trimEnd());
  await page.screenshot({ path: join(artifacts, `keys-${test.info().project.name}.png`) });
  await page.keyboard.press("h");
  const events = lines("history", sample, key);
  await expect(page.getByTestId("key-history").locator("tbody tr")).toHaveCount(events.length);
  const shown = await page.getByTestId("key-history").locator("tbody tr").evaluateAll((rows) => rows.map((row) => (row as HTMLElement).dataset["revision"]));
  expect(shown).toEqual(events.map((event) => String(event["revision"])).toReversed());
  await expect(page.getByTestId("key-fields").locator("[data-path]").first()).toBeVisible();
  await page.getByRole("button", { name: "Lines" }).press("Enter");
  const diff = page.getByTestId("key-diff");
  await expect(diff).toHaveAttribute("data-added", /[1-9]/);
  await expect(diff).toHaveAttribute("data-removed", /[1-9]/);
  await page.screenshot({ path: join(artifacts, `history-${test.info().project.name}.png`) });
  await page.keyboard.press("c");
  await expect(page.getByRole("status").last()).toContainText(`Copied ${key}`);
  await page.keyboard.press("Escape");
  await expect(page.getByTestId("key-pane")).toHaveCount(0);
  await page.keyboard.press("Escape");
  await expect(page.getByTestId("keys-search")).toHaveValue("");
});

test("the history of a damaged file says that events may be missing", async ({ inspector }) => {
  const { page } = inspector;
  const bytes = readFileSync(caseFile("3.7-cluster"));
  for (let page = 30; page < 60; page += 3) bytes[4096 * page] = 0xee;
  const bad = test.info().outputPath("damaged.db");
  writeFileSync(bad, bytes);
  expect(await inspector.judge(bad)).toBe("damaged");
  const [first] = lines("keys", bad);
  await page.keyboard.press("2");
  await page.getByTestId("keys-search").fill(nameIn(first ?? {}));
  await page.getByTestId("keys-search").press("Enter");
  await expect(page.getByTestId("key-value")).toBeVisible();
  await page.keyboard.press("h");
  await expect(page.getByTestId("key-history")).toBeVisible();
  await expect(page.getByText(/places? could not be read: events of this key may be missing/)).toBeVisible();
});

test("a value can be kept as a file", async ({ inspector }) => {
  const { page } = inspector;
  await openKeys(inspector, sample);
  await page.getByTestId("keys-search").fill("deployments/shop/web");
  await page.getByTestId("keys-search").press("Enter");
  await expect(page.getByTestId("key-value")).toBeVisible();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download" }).click()]);
  expect(download.suggestedFilename()).toBe("web");
  const kept = readFileSync(await download.path(), "utf8");
  expect(kept).toBe(output("get", sample, "/registry/deployments/shop/web", "--print-value-only").replace(/\n$/, ""));
});

test("a secret stays hidden until it is asked for", async ({ inspector }) => {
  const { page } = inspector;
  // A key of the same length in the place of another: only the SHA-256 tells.
  const bytes = Buffer.from(readFileSync(file).toString("latin1").replaceAll("/registry/configmaps/", "/registry/secrets/aa/"), "latin1");
  await inspector.judge(made("secrets.db", bytes));
  await page.keyboard.press("2");
  await page.getByTestId("keys-search").fill("/registry/secrets/");
  await page.getByTestId("keys-search").press("Enter");
  const value = page.getByTestId("key-value");
  await expect(page.getByTestId("show-secret")).toBeVisible();
  // As an object it shows what is no secret; as bytes nothing.
  await expect(value).toContainText("hidden");
  await page.getByRole("button", { name: "Text", exact: true }).click();
  await expect(value).toHaveCount(0);
  await expect(page.getByTestId("show-secret")).toBeVisible();
  await page.keyboard.press("h");
  await expect(page.getByTestId("show-secret")).toBeVisible();
  await expect(page.getByTestId("key-diff")).toHaveCount(0);
  await page.keyboard.press("h");
  await page.getByTestId("show-secret").click();
  await expect(value).toBeVisible();
  await expect(value).not.toContainText("hidden");
  // Asked for once, it is shown in every revision of this key, and of no other.
  await page.keyboard.press("h");
  await expect(page.getByTestId("key-diff").or(page.getByTestId("key-fields"))).toBeVisible();
  await expect(page.getByTestId("show-secret")).toHaveCount(0);
  await page.getByTestId("keys-list").locator('[data-row="1"]').click();
  await expect(page.getByTestId("show-secret")).toBeVisible();
  await expect(page.getByTestId("key-diff")).toHaveCount(0);
});

for (const prefix of ["/a/b/c/secrets/aaaaa/", "/oauth/accesstokens/a", "/bootstrap/aaaaaaaaa/"]) {
  test(`what lies below ${prefix} is a secret, too`, async ({ inspector }) => {
    const { page } = inspector;
    const bytes = Buffer.from(readFileSync(file).toString("latin1").replaceAll("/registry/configmaps/", prefix), "latin1");
    await inspector.judge(made("secrets.db", bytes));
    await page.keyboard.press("2");
    await page.getByTestId("keys-search").fill(prefix);
    await page.getByTestId("keys-search").press("Enter");
    await expect(page.getByTestId("show-secret")).toBeVisible();
    await expect(page.getByTestId("key-value")).toHaveCount(0);
  });
}

test("a filter leaves the keyboard to the list, and the tree follows the key in hand", async ({ inspector }) => {
  const { page } = inspector;
  await openKeys(inspector, sample);
  const list = page.getByTestId("keys-list");
  const key = "/registry/deployments/shop/web";
  await page.getByLabel("with a lease").focus();
  await page.keyboard.press("Space");
  await expect(page.getByTestId("keys-total")).toHaveAttribute("data-kind", "list");
  await page.keyboard.press("Escape");
  await expect(page.getByTestId("keys-total")).toHaveAttribute("data-kind", "tree");
  await page.keyboard.press("/");
  await page.keyboard.type("deployments/shop/web");
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("key-pane")).toHaveAttribute("data-key", key);
  await page.getByRole("button", { name: "Clear" }).click();
  await expect(list.locator(`[aria-selected="true"] [data-key="${key}"]`)).toBeVisible();
});

test("the address leads back to a key, through Back, Forward and a reload", async ({ inspector }) => {
  const { page } = inspector;
  await page.getByTestId("open-sample").click();
  await inspector.verdict();
  await page.keyboard.press("2");
  await page.getByTestId("keys-search").fill("deployments/shop/web");
  await page.getByTestId("keys-search").press("Enter");
  const key = "/registry/deployments/shop/web";
  await expect(page.getByTestId("key-pane")).toHaveAttribute("data-key", key);
  await page.keyboard.press("5");
  await expect(page.getByTestId("cluster-members")).toBeVisible();
  await page.goBack();
  await expect(page.getByTestId("key-pane")).toHaveAttribute("data-key", key);
  await page.goForward();
  await expect(page.getByTestId("cluster-members")).toBeVisible();
  await page.goBack();
  await expect(page.getByTestId("key-pane")).toHaveAttribute("data-key", key);
  await page.reload();
  await expect(page.getByTestId("key-pane")).toHaveAttribute("data-key", key);
  await expect(page.getByTestId("keys-list").locator(`[data-key="${key}"]`)).toBeVisible();
  // The page itself is asked for again, and nothing else.
  inspector.requests.splice(0, 1);
});
