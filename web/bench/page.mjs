// Measures the page on one file: how long the verdict takes, beside SHA-256 alone in the same wasm fed by the same reads, and the most
// memory that the renderer holds. Prints one JSON object; it judges nothing.
//
//   cargo xtask page --bench && node web/bench/page.mjs FILE [ROUNDS]
import { readFileSync, readdirSync, existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium as browsers } from "@playwright/test";
import { chromium } from "../tests/support/chromium.mjs";

const PAGES = { verdict: "../dist/index.html", sha256: "../dist/bench/index.html" };
/** How often the renderer's memory is looked at. */
const LOOK_MS = 50;

const [file, rounds = "3"] = process.argv.slice(2);
if (file === undefined || !existsSync(file)) {
  console.error("usage: node bench/page.mjs FILE [ROUNDS]");
  process.exit(2);
}

const samples = { verdict: [], sha256: [] };
for (let round = 0; round < Number(rounds); round += 1) {
  // In turns, so that a slow moment of the machine hits both.
  for (const [what, page] of Object.entries(PAGES)) samples[what].push(await measure(page));
}
const verdict = median(samples.verdict.map(({ seconds }) => seconds));
const sha256 = median(samples.sha256.map(({ seconds }) => seconds));
console.log(
  JSON.stringify({
    file: resolve(file),
    verdictSeconds: verdict,
    sha256Seconds: sha256,
    keysSeconds: median(samples.verdict.map(({ keys }) => keys)),
    ratio: round3(verdict / sha256),
    rendererPeakMiB: Math.max(...samples.verdict.map(({ mib }) => mib)),
    rendererPeakMiBKeys: Math.max(...samples.verdict.map(({ keysMib }) => keysMib)),
    rendererPeakMiBSha256: Math.max(...samples.sha256.map(({ mib }) => mib)),
    samples,
  }),
);

/** Opens the file in a fresh browser; seconds from the choice of the file to the verdict on the screen. */
async function measure(page) {
  const browser = await browsers.launch(chromium());
  try {
    const tab = await browser.newPage();
    await tab.goto(pathToFileURL(fileURLToPath(new URL(page, import.meta.url))).href);
    // Timed in the page, so that no polling of ours is in it.
    await tab.evaluate(() => {
      addEventListener("change", () => (globalThis.began = performance.now()), true);
      new MutationObserver(() => {
        if (globalThis.took === undefined && document.querySelector('[data-testid="verdict"]') !== null) {
          globalThis.took = performance.now() - globalThis.began;
        }
      }).observe(document.body, { subtree: true, childList: true });
    });
    let peak = 0;
    const look = setInterval(() => (peak = Math.max(peak, rendererMemory())), LOOK_MS);
    await tab.getByTestId("file-input").setInputFiles(file);
    await tab.waitForFunction(() => globalThis.took !== undefined, undefined, { timeout: 600_000, polling: 250 });
    const verdict = await tab.getByTestId("verdict").textContent();
    const judged = peak;
    const keys = page === PAGES.verdict ? await firstKeys(tab) : 0;
    clearInterval(look);
    const seconds = await tab.evaluate(() => globalThis.took / 1000);
    return { seconds: round3(seconds), keys: round3(keys), mib: mebibytes(judged), keysMib: mebibytes(peak), verdict };
  } finally {
    await browser.close();
  }
}

/** Seconds from the wish to see the keys to the first of them on the screen. */
async function firstKeys(tab) {
  await tab.evaluate(() => {
    const began = performance.now();
    new MutationObserver(() => {
      if (globalThis.keysTook === undefined && document.querySelector('[data-testid="keys-list"] [data-row] .key') !== null) {
        globalThis.keysTook = performance.now() - began;
      }
    }).observe(document.body, { subtree: true, childList: true });
    document.querySelector('[data-view="keys"]').click();
  });
  await tab.waitForFunction(() => globalThis.keysTook !== undefined, undefined, { timeout: 600_000, polling: 250 });
  return tab.evaluate(() => globalThis.keysTook / 1000);
}

/** Bytes (proportional set size) of the largest renderer below this process. */
function rendererMemory() {
  const parents = new Map();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = text(`/proc/${name}/stat`);
    parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 4).split(" ")[0]));
  }
  const below = (pid) => pid === process.pid || (parents.has(pid) && below(parents.get(pid)));
  let most = 0;
  for (const pid of parents.keys()) {
    if (!below(pid) || !text(`/proc/${pid}/cmdline`).includes("--type=renderer")) continue;
    const pss = /^Pss:\s+(\d+) kB/m.exec(text(`/proc/${pid}/smaps_rollup`))?.[1] ?? "0";
    most = Math.max(most, Number(pss) * 1024);
  }
  return most;
}

/** A process may end while it is looked at. */
function text(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function mebibytes(bytes) {
  return Math.round(bytes / 1024 / 1024);
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

function round3(value) {
  return Math.round(value * 1000) / 1000;
}
