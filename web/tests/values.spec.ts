import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, made, openChange, plainChanges, test, type Inspector } from "./support/page.ts";
import { output } from "./support/look.ts";
import { artifacts, caseFile } from "./support/repo.ts";

const NODE = "/registry/minions/node-0";

/** Returns the recorded cluster with one value replaced by another of the same length: a comment or blanks fill up YAML and text. */
function withValue(value: string, fill: string): Buffer {
  const file = caseFile("3.7-cluster");
  const old = output("get", file, NODE, "--print-value-only").replace(/\n$/, "");
  const room = old.length - Buffer.byteLength(value);
  expect(room).toBeGreaterThan(0);
  const bytes = readFileSync(file);
  const at = bytes.indexOf(old);
  expect(at).toBeGreaterThan(0);
  for (let found = at; found >= 0; found = bytes.indexOf(old, found + 1)) bytes.write(value + fill.repeat(room), found);
  return bytes;
}

async function openValue(inspector: Inspector, file: Buffer): Promise<void> {
  const { page } = inspector;
  await inspector.open(made("value.db", file));
  await page.keyboard.press("2");
  await page.getByTestId("search").fill(NODE);
  await page.getByTestId("search").press("Enter");
  await expect(page.getByTestId("key-value")).toBeVisible();
}

test("YAML is laid out, its comments, quotes and digits kept", async ({ inspector }) => {
  const { page } = inspector;
  await openValue(inspector, withValue('# limits\nlimits:\n        cpu:   1.10\n        big: 12345678901234567890123\n        on: "on"\nlist:\n- a\n- {b: 0x1F}\ntext: |\n  one\n  two\n', "\n"));
  const value = page.getByTestId("key-value");
  await expect(value).toHaveAttribute("data-mode", "yaml");
  expect((await value.innerText()).trimEnd()).toBe('# limits\nlimits:\n  cpu: 1.10\n  big: 12345678901234567890123\n  on: "on"\nlist:\n  - a\n  - { b: 0x1F }\ntext: |\n  one\n  two');
  await page.screenshot({ path: join(artifacts, `yaml-${test.info().project.name}.png`) });
  await page.keyboard.press("v");
  await expect(value).toHaveAttribute("data-mode", "text");
  await expect(value).toContainText("        cpu:   1.10");
});

test("invisible and reordering characters in a value are shown", async ({ inspector }) => {
  await openValue(inspector, withValue("note: pass\u200bword \u202egnp.exe \u{e0041} is\ta text", " "));
  const value = inspector.page.getByTestId("key-value");
  await expect(value).toContainText("pass\\u{200b}word \\u{202e}gnp.exe \\u{e0041} is\ta text", { useInnerText: true });
});

for (const [name, text] of [
  ["a sentence", "note: this is a sentence and not a document"],
  ["a log", "12:00:01 started: yes\n12:00:02 stopped: no\n"],
  ["a script", "#!/bin/sh\nset -e\necho done\n"],
  ["broken YAML", "a: 1\nb: [1, 2\nc: 3\n"],
] as const) {
  test(`${name} is text`, async ({ inspector }) => {
    await openValue(inspector, withValue(text, " "));
    await expect(inspector.page.getByTestId("key-value")).toHaveAttribute("data-mode", "text");
  });
}

test("JSON is shown as YAML on request", async ({ inspector }) => {
  const { page } = inspector;
  await openValue(inspector, withValue('{"kind":"Node","yes":"true","n":1.10,"none":null,"empty":[],"list":[{"a":"b: c"},"two words"],"lines":"x\\ny\\n"}', " "));
  const value = page.getByTestId("key-value");
  await expect(value).toHaveAttribute("data-mode", "json");
  await page.getByRole("button", { name: "YAML", exact: true }).click();
  await expect(value).toHaveAttribute("data-mode", "yaml");
  expect((await value.innerText()).trimEnd()).toBe('kind: Node\n"yes": "true"\nn: 1.10\nnone: null\nempty: []\nlist:\n  - a: "b: c"\n  - two words\nlines: |\n  x\n  y');
});

test("YAML is compared as it is laid out", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.open(made("value.db", withValue("a:   1\nb:\n    c: 2\n", "\n")));
  await page.keyboard.press("4");
  await page.getByTestId("compare-revision").fill("400");
  await page.getByTestId("compare-revision").press("Enter");
  await plainChanges(page);
  await openChange(page, NODE);
  await expect(page.getByTestId("compare-pane")).toContainText("YAML");
  await expect(page.getByTestId("compare-diff").locator("[data-line='added'] .text, [data-line='same'] .text").filter({ hasText: "c: 2" })).toHaveText("  c: 2");
});
