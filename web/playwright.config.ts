import { defineConfig } from "@playwright/test";
import { chromium } from "./tests/support/chromium.mjs";
import type { Options } from "./tests/support/page.ts";

/** Answers of the page's workers come late by so many milliseconds in the second run, or by `PAGE_DELAY` in both. */
const late = process.env["PAGE_DELAY"];

/** Tests that start their own browser. */
const FIREFOX = "firefox.spec.ts";

/** In Chromium, every test runs twice: on the page from a static server, and on the page as a file, where answers come late. In Firefox, the journeys run on the page as a file. */
export default defineConfig<Options>({
  testDir: "tests",
  outputDir: "../tests/artifacts/playwright",
  // A test reads files and hashes them on both processors; more at once would only measure each other.
  workers: 2,
  timeout: 60_000,
  forbidOnly: true,
  reporter: [["list"]],
  projects: [
    { name: "http", testIgnore: FIREFOX, use: { from: "http", late: Number(late ?? 0) } },
    // What axe examines does not depend on where the page comes from.
    { name: "file", testIgnore: [FIREFOX, "axe.spec.ts"], use: { from: "file", late: Number(late ?? 50) } },
    { name: "firefox", testMatch: FIREFOX },
  ],
  use: {
    browserName: "chromium",
    viewport: { width: 1280, height: 800 },
    launchOptions: chromium(),
    screenshot: "only-on-failure",
  },
});
