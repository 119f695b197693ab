import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lines, output, type Line } from "./support/look.ts";
import { expect, made, settled, test, type Inspector } from "./support/page.ts";
import { caseFile, root, verify } from "./support/repo.ts";

const today = join(root, "samples/kubernetes/today.db.zst");

/** Saves a list and returns the file. */
async function saved(inspector: Inspector, label: string, format: "CSV" | "JSON lines"): Promise<string> {
  const download = inspector.page.waitForEvent("download");
  await inspector.page.getByRole("button", { name: `${label} as ${format}` }).click();
  const file = await download;
  expect(file.suggestedFilename()).toMatch(format === "CSV" ? /\.csv$/ : /\.ndjson$/);
  return readFileSync(await file.path(), "utf8");
}

async function savedLines(inspector: Inspector, label: string): Promise<Line[]> {
  return jsonLines(await saved(inspector, label, "JSON lines"));
}

const jsonLines = (text: string): Line[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);

/** Reads comma-separated values (RFC 4180) into a map for each row. */
function csvRows(text: string): Record<string, string>[] {
  const rows: string[][] = [[]];
  let [cell, quoted] = ["", false];
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at] ?? "";
    if (quoted && sign === '"' && text[at + 1] === '"') {
      cell += sign;
      at += 1;
    } else if (sign === '"') quoted = !quoted;
    else if (!quoted && (sign === "," || sign === "\n")) {
      rows.at(-1)?.push(cell);
      cell = "";
      if (sign === "\n") rows.push([]);
    } else cell += sign;
  }
  const [header = [], ...others] = rows.filter((row) => row.length > 0);
  return others.map((row) => Object.fromEntries(header.map((name, at) => [name, row[at] ?? ""])));
}

async function toKeys(inspector: Inspector, search: string): Promise<void> {
  const { page } = inspector;
  await page.keyboard.press("2");
  await page.getByTestId("search").fill(search);
  await settled(page.getByTestId("keys-found"));
}

test("keys are saved as the terminal prints them: the tree, a search, and deleted keys", async ({ inspector }) => {
  const file = caseFile("3.7-history");
  await inspector.judge(file);
  await toKeys(inspector, "");
  await expect(inspector.page.getByTestId("keys-total")).toHaveAttribute("data-kind", "tree");
  const all = lines("keys", file);
  expect(all.some((line) => "keyBase64" in line)).toBe(true);
  expect(await savedLines(inspector, "Save the listed keys")).toEqual(all);
  // The tree stays on the screen.
  await expect(inspector.page.getByTestId("keys-total")).toHaveAttribute("data-kind", "tree");
  for (const [search, args] of [["is:deleted", ["--deleted"]], ["a !is:deleted", ["--filter", "a"]]] as const) {
    await toKeys(inspector, search);
    const known = lines("keys", file, ...args);
    expect(known.length, search).toBeGreaterThan(0);
    expect(await savedLines(inspector, "Save the listed keys"), search).toEqual(known);
  }
});

/** Keys that spreadsheets would run as formulas, or read as several cells; all as long as the key that they replace. */
const HOSTILE = [
  `=cmd|' /C calc'!A0 ,`,
  `a;=1+1;"-2";\t@x\n+y, `,
  ` \u200b=HYPERLINK("x");1`,
  `'quoted, "text"\r\n=b `,
  `\uff1d1+1;\ufeff\uff20a b\t'`,
];

test("no cell of a CSV file is a formula: the same rule as in the terminal", async ({ inspector }) => {
  const bytes = readFileSync(join(root, "samples/sample.db"));
  for (const [number, key] of HOSTILE.entries()) {
    const from = Buffer.from(`/registry/minions/node-${number}`);
    const to = Buffer.alloc(from.length, " ");
    expect(Buffer.from(key).copy(to)).toBe(Buffer.byteLength(key));
    for (let at = bytes.indexOf(from); at >= 0; at = bytes.indexOf(from, at + 1)) to.copy(bytes, at);
  }
  const file = join(mkdtempSync(join(tmpdir(), "etcdsnap-")), "hostile.db");
  writeFileSync(file, bytes);
  await inspector.open(made("hostile.db", bytes));
  await toKeys(inspector, "is:live");
  const rows = csvRows(await saved(inspector, "Save the listed keys", "CSV"));
  const known = csvRows(output("export", file, "--format", "csv", "-o", "-"));
  expect(known.filter(({ key }) => key?.includes("'")).length).toBeGreaterThanOrEqual(HOSTILE.length);
  const columns = ["key", "key_encoding", "mod_revision", "create_revision", "version", "lease", "deleted", "value_bytes"];
  expect(Object.keys(rows[0] ?? {})).toEqual(columns);
  expect(rows).toEqual(known.map((row) => Object.fromEntries(columns.map((name) => [name, row[name]]))));
});

test("the history of a key is saved", async ({ inspector }) => {
  const { page } = inspector;
  const key = "/registry/deployments/shop/web";
  await inspector.judge(today);
  await toKeys(inspector, key);
  await page.getByTestId("keys-list").locator(`[data-key='${key}']`).click();
  await page.keyboard.press("h");
  await expect(page.getByTestId("key-history")).toBeVisible();
  const known = lines("history", today, key);
  expect(known.length).toBeGreaterThan(2);
  expect(await savedLines(inspector, "Save the history")).toEqual(known);
  const rows = csvRows(await saved(inspector, "Save the history", "CSV"));
  expect(rows.map(({ event, time }) => [event, time])).toEqual(known.map((line) => [line["event"], line["time"]]));
});

test("objects are saved with the columns of kubectl", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(today);
  await page.keyboard.press("2");
  await page.getByTestId("show-objects").click();
  await page.getByTestId("object-show").selectOption("all");
  await page.getByTestId("object-kinds").locator("[data-kind='pods']").click();
  await expect(page.getByTestId("objects-total")).toContainText("pods");
  await settled(page.getByTestId("objects-found"));
  const rows = csvRows(await saved(inspector, "Save the listed objects", "CSV"));
  const known = output("kube", "get", today, "po", "-A")
    .trim()
    .split("\n")
    .map((line) => line.split(/ {2,}/));
  expect(known[0]?.slice(0, 4)).toEqual(["NAMESPACE", "NAME", "READY", "STATUS"]);
  expect(known.length).toBeGreaterThan(1);
  const live = rows.filter(({ deleted }) => deleted === "false").map(({ namespace, name, ready, status }) => [namespace, name, ready, status]);
  expect(live).toEqual(known.slice(1).map((row) => row.slice(0, 4)));
  expect(rows.find(({ deleted }) => deleted === "true")).toMatchObject({ type: "pods", namespace: "shop", key_encoding: "text" });
});

test("the groups of Space are saved", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(today);
  await page.keyboard.press("3");
  await expect(page.getByTestId("space-namespaces")).toBeVisible();
  const known = lines("usage", today, "--by", "namespace", "--top", "1000").filter((line) => line["kind"] === "namespace" && line["namespace"] !== "");
  expect(known.length).toBeGreaterThan(2);
  const section = page.locator("section").filter({ has: page.getByTestId("space-namespaces") });
  const download = page.waitForEvent("download");
  await section.getByRole("button", { name: "Save the groups as JSON lines" }).click();
  const found = jsonLines(readFileSync(await (await download).path(), "utf8"));
  expect(found).toEqual(known);
});

test("findings are saved as the report has them", async ({ inspector }) => {
  const bytes = readFileSync(caseFile("3.7-cluster"));
  bytes.fill(0xaa, 8192, 8192 + 64);
  const file = join(mkdtempSync(join(tmpdir(), "etcdsnap-")), "damaged.db");
  writeFileSync(file, bytes);
  expect(await inspector.judge(made("damaged.db", bytes))).toBe("damaged");
  const known = verify(file).findings;
  expect(known.length).toBeGreaterThan(0);
  const found = await savedLines(inspector, "Save all findings");
  // JSON lines leave out what is empty.
  expect(found).toEqual(known.map((finding) => Object.fromEntries(Object.entries(finding).filter(([, value]) => value !== null))));
});

test("a list is saved by keyboard, and the page says so", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(caseFile("3.7-fresh"));
  await page.keyboard.press("2");
  await inspector.judge(today);
  await page.keyboard.press("2");
  await settled(page.getByTestId("keys-found"));
  const button = page.getByRole("button", { name: "Save the listed keys as JSON lines" });
  await button.focus();
  const download = page.waitForEvent("download");
  await page.keyboard.press("Enter");
  expect((await download).suggestedFilename()).toBe("today.db.zst.keys.ndjson");
  await expect(page.getByRole("status").last()).toContainText("Saved today.db.zst.keys.ndjson: 280 rows");
});
