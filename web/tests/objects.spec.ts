import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Download } from "@playwright/test";
import { expect, type Inspector, made, settled, test } from "./support/page.ts";
import { output } from "./support/look.ts";
import { artifacts, caseFile, root } from "./support/repo.ts";

/** Snapshots of a real cluster: its Secrets are encrypted, and a Deployment was deleted. */
const today = join(root, "samples/kubernetes/today.db.zst");
const yesterday = join(root, "samples/kubernetes/yesterday.db.zst");
const configuration = join(root, "samples/kubernetes/encryption.yaml");

async function openObjects(inspector: Inspector, file = today): Promise<void> {
  const { page } = inspector;
  await inspector.judge(file);
  await page.keyboard.press("2");
  await page.getByTestId("show-objects").click();
  await settled(page.getByTestId("objects-found"));
}

async function chooseKind(inspector: Inspector, kind: string): Promise<void> {
  const { page } = inspector;
  await page.getByTestId("object-kinds").locator(`[data-kind="${kind}"]`).click();
  await settled(page.getByTestId("objects-found"));
  await settled(page.getByTestId("objects-list"));
}

async function openKey(inspector: Inspector, key: string): Promise<void> {
  const { page } = inspector;
  await page.getByTestId("search").fill(key);
  await page.getByTestId("search").press("Enter");
  await expect(page.getByTestId("key-pane")).toHaveAttribute("data-key", key);
}

/** Returns the rows of a table that the terminal printed, by the titles of their columns. */
function printed(...args: string[]): { titles: string[]; rows: Record<string, string>[] } {
  const [head = "", ...lines] = output("kube", "get", ...args).replace(/\n$/, "").split("\n");
  const starts = [...head.matchAll(/\S+(?: \S+)*/g)].map((match) => match.index);
  const cut = (line: string): string[] => starts.map((start, index) => line.slice(start, starts[index + 1]).trim());
  const titles = cut(head);
  return { titles, rows: lines.map((line) => Object.fromEntries(cut(line).map((cell, index) => [titles[index] ?? "", cell]))) };
}

/** Returns the visible rows, by the titles of their columns. */
async function shownRows(inspector: Inspector): Promise<Record<string, string>[]> {
  return inspector.page.getByTestId("objects-list").evaluate((list) => {
    const titles = [...list.querySelectorAll('[role="columnheader"]')].map((head) => head.getAttribute("aria-label") ?? "");
    return [...list.querySelectorAll("[data-row]")].map((row) => Object.fromEntries([...row.querySelectorAll('[role="gridcell"]')].map((cell, index) => [titles[index] ?? "", cell.textContent ?? ""])));
  });
}

async function downloaded(download: Download): Promise<Buffer> {
  return readFileSync(await download.path());
}

for (const [kind, type] of [
  ["statefulsets.apps", "sts"],
  ["pods", "po"],
  ["services", "svc"],
  ["nodes", "no"],
  ["horizontalpodautoscalers.autoscaling", "hpa"],
  ["storageclasses.storage.k8s.io", "sc"],
  ["widgets.example.com", "widgets"],
  ["customresourcedefinitions.apiextensions.k8s.io", "crd"],
] as const) {
  test(`${kind} have the columns of the terminal`, async ({ inspector }) => {
    const { page } = inspector;
    await page.setViewportSize({ width: 1900, height: 900 });
    await openObjects(inspector);
    await chooseKind(inspector, kind);
    const { titles, rows } = printed(today, type, "-A");
    expect(rows.length).toBeGreaterThan(0);
    await expect(page.getByTestId("objects-total")).toHaveAttribute("data-total", String(rows.length));
    await expect.poll(async () => (await shownRows(inspector)).length).toBe(rows.length);
    const shown = (await shownRows(inspector)).map((row) => Object.fromEntries(titles.map((title) => [title, row[title] ?? "(no such column)"])));
    expect(shown).toEqual(rows);
  });
}

for (const [key, ...words] of [
  ["/registry/statefulsets/shop/db", "sts", "db", "-n", "shop"],
  ["/registry/example.com/widgets/shop/banner", "widget", "banner", "-n", "shop"],
  ["/registry/minions/node-1", "node", "node-1"],
  ["/registry/services/specs/shop/web", "svc", "web", "-n", "shop"],
] as const) {
  test(`${key} is the YAML that the terminal prints`, async ({ inspector }) => {
    const { page } = inspector;
    await inspector.judge(today);
    await page.keyboard.press("2");
    await openKey(inspector, key);
    const value = page.getByTestId("key-value");
    await expect(value).toHaveAttribute("data-mode", "object");
    await expect(value).toHaveText(/apiVersion/);
    expect(await value.textContent()).toBe(output("kube", "get", today, ...words, "-o", "yaml"));
    await page.getByTestId("managed-fields").click();
    await expect(value).toContainText("managedFields:");
    expect(await value.textContent()).toBe(output("kube", "get", today, ...words, "-o", "yaml", "--show-managed-fields"));
    // One key press shows the bytes.
    await page.keyboard.press("v");
    await expect(value).not.toHaveAttribute("data-mode", "object");
  });
}

test("an encrypted Secret is decrypted with the configuration, and its values are shown on request", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(today);
  await page.keyboard.press("2");
  await expect(page.getByTestId("encryption-needed")).toContainText("secretbox:v1 first");
  await openKey(inspector, "/registry/secrets/shop/database");
  await expect(page.getByTestId("object-problem")).toContainText("It is encrypted (secretbox:v1, key first)");
  await page.getByTestId("encryption-file").first().setInputFiles(configuration);
  await expect(page.getByTestId("encryption-state").first()).toContainText("decrypted");
  const value = page.getByTestId("key-value");
  const words = ["kube", "get", today, "secret", "database", "-n", "shop", "-o", "yaml", "--encryption-config", configuration];
  await expect(value).toHaveAttribute("data-mode", "object");
  expect(await value.textContent()).toBe(output(...words));
  await page.getByTestId("show-secret").click();
  await expect.poll(() => value.textContent()).toBe(output(...words, "--show-secrets"));
  // Another key hides its values again.
  await openKey(inspector, "/registry/statefulsets/shop/db");
  await openKey(inspector, "/registry/secrets/shop/database");
  await expect.poll(() => value.textContent()).toBe(output(...words));
  // Only the worker has the keys.
  const secret = "cmVjb3JkZWQga2V5";
  expect(await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, location.href, document.documentElement.outerHTML]))).not.toContain(secret);
  await page.getByRole("button", { name: "Forget the keys" }).first().click();
  await expect(page.getByTestId("object-problem")).toBeVisible();
});

test("a key that the configuration lacks is named with its provider", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(today);
  await page.keyboard.press("2");
  const other = readFileSync(configuration, "utf8").replace("name: first", "name: second");
  await page.getByRole("button", { name: "or paste it" }).click();
  await page.getByTestId("encryption-text").fill(other);
  await page.getByRole("button", { name: "Decrypt" }).click();
  await expect(page.getByTestId("encryption-missing")).toContainText("1 value stays encrypted (secretbox:v1, key first): the configuration has no key of this name for this provider: it has secretbox:v1 key second.");
  await page.getByTestId("encryption-file").setInputFiles(made("wrong.yaml", Buffer.from("kind: Pod\n")));
  await expect(page.getByTestId("encryption-problem")).toContainText("EncryptionConfiguration cannot be read");
});

test("the deleted Deployment comes back as the manifest that the terminal writes", async ({ inspector }) => {
  const { page } = inspector;
  await openObjects(inspector);
  await page.getByTestId("object-show").selectOption("deleted");
  await settled(page.getByTestId("objects-found"));
  await chooseKind(inspector, "deployments.apps");
  const row = page.getByTestId("objects-list").locator("[data-row='0']");
  await expect(row).toContainText("web");
  await expect(row.locator(".name")).toHaveCSS("text-decoration-line", "line-through");
  // The columns show its last state.
  await expect(row).toContainText("4/4");
  await row.click();
  await expect(page.getByTestId("key-pane")).toHaveAttribute("data-key", "/registry/deployments/shop/web");
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByTestId("manifest-save").click()]);
  expect(download.suggestedFilename()).toBe("deployments-shop-web.yaml");
  expect((await downloaded(download)).toString()).toBe(output("kube", "manifests", today, "deployment/web", "-n", "shop", "--deleted"));
  await expect(page.getByTestId("manifest-command")).toHaveText("kubectl apply --server-side -f deployments-shop-web.yaml");
});

test("manifests of a namespace, a kind and a selection equal the terminal's", async ({ inspector }) => {
  const { page } = inspector;
  await openObjects(inspector);
  await page.getByTestId("object-namespace").selectOption("shop");
  await settled(page.getByTestId("objects-found"));
  await page.getByTestId("take-out").click();
  const take = async (): Promise<Download> => (await Promise.all([page.waitForEvent("download"), page.getByTestId("manifest-save").click()]))[0];
  const namespace = await take();
  expect(namespace.suggestedFilename()).toBe("shop.yaml");
  expect((await downloaded(namespace)).toString()).toBe(output("kube", "manifests", today, "-n", "shop"));
  await expect(page.getByTestId("manifest-report")).toContainText("Left out: secrets 1");
  // As an archive, with the command that applies it.
  await page.getByLabel("as a zip archive, one file per object").check();
  const archive = await take();
  expect(archive.suggestedFilename()).toBe("shop.zip");
  const bytes = (await downloaded(archive)).toString("latin1");
  expect(bytes.startsWith("PK\u0003\u0004")).toBe(true);
  for (const part of ["crds/0001-customresourcedefinition-widgets.example.com.yaml", "objects/0002-namespace-shop.yaml", "README.md", "kind: StatefulSet"]) expect(bytes).toContain(part);
  await expect(page.getByTestId("manifest-command")).toContainText("unzip shop.zip -d shop && cd shop");
  // A kind.
  await chooseKind(inspector, "services");
  await page.getByLabel("as a zip archive, one file per object").uncheck();
  const kind = await take();
  expect((await downloaded(kind)).toString()).toBe(output("kube", "manifests", today, "services", "-n", "shop"));
  // A selection, by the keyboard.
  await chooseKind(inspector, "configmaps");
  await page.getByTestId("objects-list").focus();
  await page.keyboard.press("Home");
  await page.keyboard.press("Space");
  await expect(page.getByTestId("objects-found")).toContainText("1 selected");
  const name = await page.getByTestId("objects-list").locator("[data-row='0'] .name").textContent();
  const one = await take();
  expect((await downloaded(one)).toString()).toBe(output("kube", "manifests", today, `configmap/${name}`, "-n", "shop"));
});

test("the history shows times beside revisions, and the fields that a write changed", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(today);
  await page.keyboard.press("2");
  await openKey(inspector, "/registry/statefulsets/shop/db");
  await expect(page.getByTestId("written-at").first()).toHaveText(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(± .+\)$/);
  await page.keyboard.press("h");
  const fields = page.getByTestId("key-fields");
  await expect(fields).toBeVisible();
  const lines = output("kube", "history", today, "statefulset/db", "-n", "shop", "-w", "json").trim().split("\n");
  const last = JSON.parse(lines.at(-1) ?? "{}") as { fields: { path: string }[] };
  expect(await fields.locator("[data-path]").evaluateAll((all) => all.map((one) => one.getAttribute("data-path")))).toEqual(last.fields.map(({ path }) => path));
  await page.getByRole("button", { name: "Lines", exact: true }).click();
  await expect(page.getByTestId("key-diff")).toBeVisible();
});

test("text is found inside a value, and parts of the value fold", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(today);
  await page.keyboard.press("2");
  await openKey(inspector, "/registry/statefulsets/shop/db");
  const value = page.getByTestId("key-value");
  await expect(value).toContainText("spec:");
  await page.getByRole("button", { name: "Fold", exact: true }).click();
  await expect(value.locator(".line")).toHaveCount(5);
  await page.getByTestId("value-find").fill("replicas");
  await expect(page.getByTestId("value-hits")).toHaveText(/found/);
  await expect(value.locator("mark").first()).toHaveText("replicas");
  await page.getByTestId("value-find").press("Enter");
  await expect(value.locator("mark.current")).toHaveCount(1);
  await page.getByTestId("value-find").press("Escape");
  await expect(value.locator("mark")).toHaveCount(0);
});

test("dependents, owners and Events of an object are found", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(today);
  await page.keyboard.press("2");
  await openKey(inspector, "/registry/statefulsets/shop/db");
  await page.getByTestId("find-related").click();
  const related = page.getByTestId("object-related");
  await expect(related).toContainText("Pod db-0");
  const events = output("kube", "events", today, "-n", "shop", "--for", "sts/db", "-w", "json").trim().split("\n");
  await expect(related.locator("tbody tr")).toHaveCount(events.length);
  await related.getByRole("button", { name: "Pod db-0" }).click();
  await expect(page.getByTestId("key-pane")).toHaveAttribute("data-key", "/registry/pods/shop/db-0");
  await expect(page.getByTestId("object-owners")).toContainText("StatefulSet db");
});

test("a comparison shows objects as YAML", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(yesterday);
  await inspector.judge(today);
  await page.keyboard.press("d");
  const list = page.getByTestId("compare-list");
  await list.locator("[data-key='/registry/endpointslices/shop/web-j8v85']").click();
  await expect(page.getByTestId("compare-pane")).toContainText("The value as YAML.");
  const diff = page.getByTestId("compare-diff");
  await expect(diff.locator("[data-line='removed']").first()).toBeVisible();
  // Unchanged lines are folded until requested.
  const before = await diff.locator("[data-line='same']").count();
  await diff.getByRole("button", { name: /unchanged lines/ }).first().click();
  await expect.poll(() => diff.locator("[data-line='same']").count()).toBeGreaterThan(before);
  await expect(diff).toContainText("addressType: IPv4");
});

test("the address leads back to a kind in a namespace", async ({ inspector }) => {
  const { page } = inspector;
  await openObjects(inspector);
  await page.getByTestId("object-namespace").selectOption("shop");
  await chooseKind(inspector, "services");
  expect(page.url()).toContain("objects=services&namespace=shop");
  await page.screenshot({ path: join(artifacts, `objects-${test.info().project.name}.png`) });
});

test("Overview shows when a snapshot was taken", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(today);
  const line = JSON.parse(output("kube", "history", today, "statefulset/db", "-n", "shop", "-w", "json").trim().split("\n").at(-1) ?? "{}") as { time: string };
  const taken = page.getByTestId("taken-about");
  await expect(taken).toHaveText(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  // The object was written by one of the last revisions.
  const seconds = (Date.parse((await taken.textContent()) ?? "") - Date.parse(line.time)) / 1000;
  expect(seconds).toBeGreaterThanOrEqual(0);
  expect(seconds).toBeLessThan(60);
});

test("the time is unknown if no object contains one", async ({ inspector }) => {
  await inspector.judge(caseFile("3.4-history"));
  await expect(inspector.page.getByTestId("taken-about")).toHaveText("unknown");
  await inspector.page.keyboard.press("2");
  await expect(inspector.page.getByTestId("keys-list")).toBeVisible();
  await expect(inspector.page.getByTestId("show-objects")).toHaveCount(0);
});

test("a list of objects can be filtered, sorted and read with the keyboard alone", async ({ inspector }) => {
  const { page } = inspector;
  await openObjects(inspector);
  await page.getByTestId("object-kinds").locator('[data-kind=""]').focus();
  await page.keyboard.press("ArrowDown");
  await settled(page.getByTestId("objects-found"));
  await expect(page.getByTestId("object-kinds").locator('[aria-pressed="true"]')).not.toHaveAttribute("data-kind", "");
  await chooseKind(inspector, "clusterroles.rbac.authorization.k8s.io");
  await page.keyboard.press("/");
  await page.keyboard.type("NODE");
  await page.keyboard.press("Enter");
  const found = output("kube", "get", today, "clusterroles", "-o", "name").trim().split("\n").filter((name) => name.includes("node"));
  await expect(page.getByTestId("objects-total")).toHaveAttribute("data-total", String(found.length));
  await expect(page.getByTestId("key-pane")).toHaveAttribute("data-key", /clusterroles.*node/);
  await page.keyboard.press("Escape");
  await expect(page.getByTestId("key-pane")).toHaveCount(0);
  const list = page.getByTestId("objects-list");
  await list.getByRole("button", { name: "NAME" }).press("Enter");
  await list.getByRole("button", { name: "NAME" }).press("Enter");
  await settled(page.getByTestId("objects-found"));
  await settled(list);
  const names = await list.locator("[data-row] .name").allTextContents();
  expect(names).toEqual(names.toSorted().toReversed());
  expect(names.length).toBe(found.length);
});
