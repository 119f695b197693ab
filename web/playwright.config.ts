import { defineConfig } from "@playwright/test";
import { chromium } from "./tests/support/chromium.mjs";
import type { Options } from "./tests/support/page.ts";

/** Every test runs twice: on the page from a static server, and on the page as a file. */
export default defineConfig<Options>({
  testDir: "tests",
  outputDir: "../tests/artifacts/playwright",
  // A test reads files and hashes them on both processors; more at once would only measure each other.
  workers: 2,
  timeout: 60_000,
  forbidOnly: true,
  reporter: [["list"]],
  projects: [
    { name: "http", use: { from: "http" } },
    { name: "file", use: { from: "file" } },
  ],
  use: {
    browserName: "chromium",
    viewport: { width: 1280, height: 800 },
    launchOptions: chromium(),
    screenshot: "only-on-failure",
  },
});
