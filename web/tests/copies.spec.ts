import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, type Inspector, made, test } from "./support/page.ts";
import { output } from "./support/look.ts";
import { caseFile, root, verify } from "./support/repo.ts";

const sample = join(root, "samples/sample.db");

/** Clicks a button, and returns the path of the file that the page saves. */
async function saved({ page }: Inspector, testid: string, name: string): Promise<string> {
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByTestId(testid).click()]);
  expect(download.suggestedFilename()).toBe(name);
  const path = test.info().outputPath(name);
  await download.saveAs(path);
  return path;
}

/** Returns every entry of a file, as the terminal exports it. */
const entries = (file: string): string[] => output("export", file, "--history", "--show-secrets").split("\n");

/** Returns the entries of the new file that the terminal makes from the same file. */
function byTerminal(command: string, file: string, ...flags: string[]): string {
  const path = test.info().outputPath(`terminal-${command}.db`);
  output(command, file, "-o", path, ...flags);
  return path;
}

test("a redacted copy equals the terminal's, is verified, and the page says what was replaced", async ({ inspector }) => {
  const { page } = inspector;
  expect(await inspector.judge(sample)).toBe("sound");
  const path = await saved(inspector, "redact-save", "sample.redacted.db");
  await expect(page.getByTestId("copy-made")).toContainText("is sound");
  await expect(page.getByTestId("copy-made")).toContainText(/Deployment: \d+ texts in \d+ values replaced/);
  await expect(page.getByTestId("copy-made")).toContainText("Names, labels, images and addresses are still readable");
  expect(verify(path).verdict).toBe("sound");
  expect(entries(path)).toEqual(entries(byTerminal("redact", sample)));
  expect(entries(path)).not.toEqual(entries(sample));
});

test("names are hidden on request", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(sample);
  await page.getByLabel("hide names as well").check();
  const path = await saved(inspector, "redact-save", "sample.redacted.db");
  expect(verify(path).verdict).toBe("sound");
  expect(readFileSync(sample).includes("/shop/web")).toBe(true);
  expect(readFileSync(path).includes("shop")).toBe(false);
  await expect(page.getByTestId("copy-made")).not.toContainText("Names, labels");
});

test("a compacted copy has no old versions", async ({ inspector }) => {
  await inspector.judge(sample);
  const path = await saved(inspector, "compact-save", "sample.compacted.db");
  expect(verify(path).verdict).toBe("sound");
  expect(entries(path)).toEqual(entries(byTerminal("compact", sample)));
  expect(entries(path).length).toBeLessThan(entries(sample).length);
});

test("a salvage saves what a damaged file still contains, and says what is missing", async ({ inspector }) => {
  const { page } = inspector;
  const bytes = readFileSync(caseFile("3.7-cluster"));
  for (let page = 30; page < 60; page += 3) bytes[4096 * page + 8] = (bytes[4096 * page + 8] ?? 0) ^ 0x55;
  const bad = test.info().outputPath("bad.db");
  writeFileSync(bad, bytes);
  expect(await inspector.judge(bad)).toBe("damaged");
  // A copy that would be incomplete is not offered.
  await expect(page.getByTestId("redact-save")).toBeDisabled();
  await expect(page.getByTestId("compact-save")).toBeDisabled();
  const path = await saved(inspector, "salvage-save", "bad.salvaged.db");
  expect(verify(path).verdict).not.toBe("damaged");
  expect(entries(path)).toEqual(entries(byTerminal("salvage", bad)));
  await expect(page.getByTestId("copy-made")).toContainText(/Missing: \d+ revisions/);
});

test("the report is saved as a page and as Markdown, with the commands", async ({ inspector }) => {
  const hostile = made("<b>&`x`.db", readFileSync(sample));
  await inspector.judge(hostile);
  await expect(inspector.page.getByTestId("glance")).toContainText("deployments");
  for (const [testid, extension] of [["save-html", "html"], ["save-markdown", "md"]] as const) {
    const [download] = await Promise.all([inspector.page.waitForEvent("download"), inspector.page.getByTestId(testid).click()]);
    const text = readFileSync(await download.path(), "utf8");
    expect(download.suggestedFilename()).toContain(`.report.${extension}`);
    for (const part of ["SOUND", "2026-01-02", "deployments", "etcdctl defrag"]) expect(text, `${extension}: ${part}`).toContain(part);
    expect(text).not.toContain("<b>");
  }
});
