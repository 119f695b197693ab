// Takes the pictures of the README from the built page: `cargo xtask page`, then `npm run pictures` in web/.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { chromium as browsers } from "@playwright/test";
import { chromium } from "./tests/support/chromium.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const sample = join(root, "samples/sample.db");
const scratch = mkdtempSync(join(tmpdir(), "pictures-"));
const browser = await browsers.launch(chromium());

async function take(name, file, height, ...keys) {
  const page = await browser.newPage({ viewport: { width: 1280, height }, colorScheme: "light" });
  await page.goto(pathToFileURL(join(root, "web/dist/index.html")).href);
  await page.getByTestId("file-input").setInputFiles(file);
  await page.getByTestId("verdict").getByText(/sound|damaged/).waitFor();
  for (const key of keys) {
    await page.keyboard.press(key);
  }
  await page.waitForTimeout(2000);
  await page.screenshot({ path: join(root, "docs", name) });
  await page.close();
}

try {
  // Pages that were written to the wrong place, as a broken disk does it.
  const bytes = readFileSync(sample);
  for (const number of [39, 42, 45, 48, 51, 54, 57]) {
    bytes[number * 4096] = 238;
  }
  const damaged = join(scratch, "backup-0413.db");
  writeFileSync(damaged, bytes);
  await take("page.png", damaged, 800);
  await take("space.png", sample, 660, "3");
} finally {
  await browser.close();
  rmSync(scratch, { recursive: true });
}
