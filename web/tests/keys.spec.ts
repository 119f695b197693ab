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

/** Returns all keys of the list, from end to end with the keyboard. */
async function listed(inspector: Inspector): Promise<string[]> {
  const { page } = inspector;
  const list = page.getByTestId("keys-list");
  // The list shows the answer to the last query: two queries may have equally many answers.
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

/** Returns the visible rows: their numbers and keys. */
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

test("a search takes words, kinds, namespaces and conditions like the terminal's filter, and always finds deleted keys", async ({ inspector }) => {
  // Each line is listed from end to end.
  test.slow();
  const { page } = inspector;
  await openKeys(inspector, sample);
  for (const line of ["web shop", "^/registry/pods/", "kind:deploy", "ns:shop kind:po", "!^/registry/events size>0", "lease:any", "size>=330 rev<=200"]) {
    await page.getByTestId("search").fill(line);
    await page.getByTestId("search").blur();
    const filter = line.split(" ").flatMap((part) => ["--filter", part]);
    const [live, deleted] = [names(lines("keys", sample, ...filter)), names(lines("keys", sample, "--deleted", ...filter))];
    expect(live.length + deleted.length, line).toBeGreaterThan(0);
    await expect(page.getByTestId("hit-live"), line).toHaveText(String(live.length));
    await expect(page.getByTestId("hit-deleted"), line).toHaveText(String(deleted.length));
    expect(await listed(inspector), line).toEqual([...live, ...deleted].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
  }
  await page.getByRole("button", { name: "Clear" }).click();
  await expect(page.getByTestId("keys-total")).toHaveAttribute("data-kind", "tree");
  await expect(page.getByTestId("search")).toHaveValue("");
});

test("values are searched, also the last values of deleted keys", async ({ inspector }) => {
  const { page } = inspector;
  await openKeys(inspector, sample);
  await page.getByTestId("search").fill("value~shop");
  const live = lines("keys", sample, "--filter", "value~shop");
  await expect(page.getByTestId("hit-live")).toHaveText(String(live.length));
  await expect(page.getByTestId("hit-deleted")).toHaveText(/^[1-9]/);
});

test("a search with an error says what is wrong and keeps the list", async ({ inspector }) => {
  const { page } = inspector;
  await openKeys(inspector, sample);
  const search = page.getByTestId("search");
  await search.fill("web");
  await expect(page.getByTestId("keys-total")).toHaveAttribute("data-kind", "list");
  await settled(page.getByTestId("keys-found"));
  const total = await page.getByTestId("keys-total").getAttribute("data-total");
  for (const [line, part] of [["web size>abc", "size>abc"], ["rev>yesterday", "rev>yesterday"], ["colour=red", "colour=red"]] as const) {
    await search.fill(line);
    await expect(page.getByTestId("search-problem")).toContainText(part);
    await expect(search).toHaveAttribute("aria-invalid", "true");
    await expect(page.getByTestId("keys-total")).toHaveAttribute("data-total", total ?? "");
  }
  await search.fill("no such key anywhere");
  await expect(page.getByTestId("search-problem")).toHaveCount(0);
  await expect(page.getByTestId("hit-live")).toHaveText("0");
  await expect(page.getByTestId("nothing-found")).toContainText("older snapshot");
  // The page refuses a revision that the file does not contain, and does not show another one instead.
  await search.fill("");
  const oldest = await page.getByTestId("keys-slider").getAttribute("min");
  const revision = page.getByTestId("keys-revision");
  const before = await revision.inputValue();
  for (const wrong of ["1", "yesterday", "99999"]) {
    await revision.fill(wrong);
    await revision.press("Enter");
    await expect(page.getByTestId("revision-problem")).toContainText(wrong === "yesterday" ? "yesterday" : wrong === "1" ? (oldest ?? "") : before);
    await expect(revision).toHaveValue(wrong);
  }
  await page.getByTestId("revision-problem").getByRole("button").click();
  await expect(revision).toHaveValue(before);
});

test("a search that starts in Overview continues in Keys; / opens it from every view", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(sample);
  await page.getByTestId("search").fill("deployments web");
  await expect(page.getByTestId("keys-total")).toHaveAttribute("data-kind", "list");
  await expect(page.getByTestId("search")).toBeFocused();
  await page.keyboard.type(" shop");
  await expect(page.getByTestId("search")).toHaveValue("deployments web shop");
  await page.keyboard.press("Escape");
  await page.getByTestId("search").blur();
  await page.keyboard.press("5");
  await expect(page.getByTestId("cluster-members")).toBeVisible();
  await page.keyboard.press("/");
  await expect(page.getByTestId("search")).toBeFocused();
});

test("deleted keys are found, and Enter opens their last value", async ({ inspector }) => {
  const { page } = inspector;
  await openKeys(inspector, sample);
  const [gone] = lines("keys", sample, "--deleted");
  const key = nameIn(gone ?? {});
  await page.getByTestId("search").fill(key);
  await expect(page.getByTestId("hit-deleted")).toHaveText("1");
  await expect(page.getByTestId("keys-list").locator(`.deleted[data-key="${key}"]`)).toBeVisible();
  await page.getByTestId("search").press("Enter");
  await expect(page.getByTestId("key-pane")).toHaveAttribute("data-key", key);
  const events = lines("history", sample, key);
  await expect(page.getByTestId("key-history").locator("tbody tr")).toHaveCount(events.length);
  await expect(page.getByTestId("key-history")).toContainText("deleted");
  await expect(page.getByTestId("deleted-at")).toBeVisible();
  const last = events.findLast((event) => event["event"] !== "delete");
  const text = output("get", sample, key, "--print-value-only", "--rev", String(last?.["revision"]));
  await expect(page.getByTestId("key-value")).toHaveAttribute("data-mode", "object");
  await page.getByRole("button", { name: "JSON", exact: true }).click();
  expect(JSON.parse(await page.getByTestId("key-value").innerText())).toEqual(JSON.parse(text));
  // One step shows what the deletion changed, and one step leads back.
  await page.getByTestId("key-history").getByRole("button").first().click();
  await page.getByTestId("last-value").click();
  await expect(page.getByTestId("deleted-at")).toBeVisible();
});

test("the counts of live and deleted keys filter the list", async ({ inspector }) => {
  const { page } = inspector;
  await openKeys(inspector, sample);
  const total = page.getByTestId("keys-total");
  await page.getByRole("button", { name: /deleted/ }).click();
  await expect(total).toHaveAttribute("data-total", String(lines("keys", sample, "--deleted").length));
  await page.getByRole("button", { name: /deleted/ }).click();
  await expect(total).toHaveAttribute("data-kind", "tree");
});

test("files with the same name have separate tabs, and Back leads to the right one", async ({ inspector }) => {
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

test("the tree opens and closes with the keyboard, and contains every key once", async ({ inspector }) => {
  // One click for each folder.
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
  // Opens everything: a row that is not a folder is a key.
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

test("an older revision shows its own keys", async ({ inspector }) => {
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
  await expect(page.getByTestId("search")).toBeFocused();
  await page.keyboard.type("leases/kube-node-lease/node-1");
  await page.keyboard.press("Enter");
  const key = "/registry/leases/kube-node-lease/node-1";
  await expect(page.getByTestId("key-pane")).toHaveAttribute("data-key", key);
  const value = page.getByTestId("key-value");
  // An object is shown as YAML first; one key press shows its bytes.
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
  await page.getByRole("button", { name: "Lines", exact: true }).press("Enter");
  const diff = page.getByTestId("key-diff");
  await expect(diff).toHaveAttribute("data-added", /[1-9]/);
  await expect(diff).toHaveAttribute("data-removed", /[1-9]/);
  await page.screenshot({ path: join(artifacts, `history-${test.info().project.name}.png`) });
  await page.keyboard.press("c");
  await expect(page.getByRole("status").last()).toContainText(`Copied ${key}`);
  await page.keyboard.press("Escape");
  await expect(page.getByTestId("key-pane")).toHaveCount(0);
  await page.keyboard.press("Escape");
  await expect(page.getByTestId("search")).toHaveValue("");
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
  await page.getByTestId("search").fill(nameIn(first ?? {}));
  await page.getByTestId("search").press("Enter");
  await expect(page.getByTestId("key-value")).toBeVisible();
  await page.keyboard.press("h");
  await expect(page.getByTestId("key-history")).toBeVisible();
  await expect(page.getByText(/places? could not be read: events of this key may be missing/)).toBeVisible();
});

test("a value can be downloaded", async ({ inspector }) => {
  const { page } = inspector;
  await openKeys(inspector, sample);
  await page.getByTestId("search").fill("deployments/shop/web");
  await page.getByTestId("search").press("Enter");
  await expect(page.getByTestId("key-value")).toBeVisible();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download" }).click()]);
  expect(download.suggestedFilename()).toBe("web");
  const kept = readFileSync(await download.path(), "utf8");
  expect(kept).toBe(output("get", sample, "/registry/deployments/shop/web", "--print-value-only").replace(/\n$/, ""));
});

test("a secret stays hidden until revealed", async ({ inspector }) => {
  const { page } = inspector;
  // A key replaced by one of the same length: only the SHA-256 reveals it.
  const bytes = Buffer.from(readFileSync(file).toString("latin1").replaceAll("/registry/configmaps/", "/registry/secrets/aa/"), "latin1");
  await inspector.judge(made("secrets.db", bytes));
  await page.keyboard.press("2");
  await page.getByTestId("search").fill("/registry/secrets/");
  await page.getByTestId("search").press("Enter");
  const value = page.getByTestId("key-value");
  await expect(page.getByTestId("show-secret")).toBeVisible();
  // As an object it shows what is not secret; as bytes, nothing.
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
  // Once revealed, it is shown in every revision of this key, and of no other key.
  await page.keyboard.press("h");
  await expect(page.getByTestId("key-diff").or(page.getByTestId("key-fields"))).toBeVisible();
  await expect(page.getByTestId("show-secret")).toHaveCount(0);
  await page.getByTestId("keys-list").locator('[data-row="1"]').click();
  await expect(page.getByTestId("show-secret")).toBeVisible();
  await expect(page.getByTestId("key-diff")).toHaveCount(0);
});

for (const prefix of ["/a/b/c/secrets/aaaaa/", "/oauth/accesstokens/a", "/bootstrap/aaaaaaaaa/"]) {
  test(`values below ${prefix} are also secrets`, async ({ inspector }) => {
    const { page } = inspector;
    const bytes = Buffer.from(readFileSync(file).toString("latin1").replaceAll("/registry/configmaps/", prefix), "latin1");
    await inspector.judge(made("secrets.db", bytes));
    await page.keyboard.press("2");
    await page.getByTestId("search").fill(prefix);
    await page.getByTestId("search").press("Enter");
    await expect(page.getByTestId("show-secret")).toBeVisible();
    await expect(page.getByTestId("key-value")).toHaveCount(0);
  });
}

test("a filter keeps the keyboard focus in the list, and the tree follows the selected key", async ({ inspector }) => {
  const { page } = inspector;
  await openKeys(inspector, sample);
  const list = page.getByTestId("keys-list");
  const key = "/registry/deployments/shop/web";
  await page.getByRole("button", { name: /deleted/ }).focus();
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
  await page.getByTestId("search").fill("deployments/shop/web");
  await page.getByTestId("search").press("Enter");
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
  // Only the page itself is requested again.
  inspector.requests.splice(0, 1);
});
