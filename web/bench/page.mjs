// Measures the page on one file: how long the verdict takes, beside SHA-256 alone in the same wasm fed by the same reads; how long, from the choice of the file
// on, until the first keys are on the screen; how long an older revision takes; and the most memory that the renderer holds until each of these.
// Prints one JSON object; it judges nothing.
//
//   cargo xtask page --bench && node web/bench/page.mjs FILE [ROUNDS [DIST]]
//
// DIST is the folder of a page that was built elsewhere, to compare two.
import { readFileSync, readdirSync, existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium as browsers } from "@playwright/test";
import { chromium } from "../tests/support/chromium.mjs";

const PAGES = { verdict: "index.html", sha256: "bench/index.html" };
/** How often the renderer's memory is looked at. */
const LOOK_MS = 50;

const [file, rounds = "3", dist = fileURLToPath(new URL("../dist", import.meta.url))] = process.argv.slice(2);
if (file === undefined || !existsSync(file)) {
  console.error("usage: node bench/page.mjs FILE [ROUNDS [DIST]]");
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
    revisionSeconds: median(samples.verdict.map(({ revision }) => revision)),
    ratio: round3(verdict / sha256),
    rendererPeakMiB: Math.max(...samples.verdict.map(({ mib }) => mib)),
    rendererPeakMiBKeys: Math.max(...samples.verdict.map(({ keysMib }) => keysMib)),
    rendererPeakMiBRevision: Math.max(...samples.verdict.map(({ revisionMib }) => revisionMib)),
    rendererPeakMiBSha256: Math.max(...samples.sha256.map(({ mib }) => mib)),
    samples,
  }),
);

/** Opens the file in a fresh browser; seconds from the choice of the file to what is on the screen. */
async function measure(page) {
  const browser = await browsers.launch(chromium());
  try {
    const tab = await browser.newPage();
    await tab.goto(pathToFileURL(resolve(join(dist, page))).href);
    // Timed in the page, so that no polling of ours is in it; the keys are wished for as soon as the verdict is there.
    await tab.evaluate((keys) => {
      addEventListener("change", ({ target }) => target.type === "file" && (globalThis.began = performance.now()), true);
      const since = () => performance.now() - globalThis.began;
      new MutationObserver(() => {
        if (globalThis.took === undefined && document.querySelector('[data-testid="verdict"]') !== null) {
          globalThis.took = since();
          globalThis.verdict = document.querySelector('[data-testid="verdict"]').textContent;
          if (keys) document.querySelector('[data-view="keys"]').click();
        }
        if (keys && globalThis.keysTook === undefined && document.querySelector('[data-testid="keys-list"] [data-row] .key') !== null) globalThis.keysTook = since();
      }).observe(document.body, { subtree: true, childList: true });
    }, page === PAGES.verdict);
    let peak = 0;
    const look = setInterval(() => (peak = Math.max(peak, rendererMemory())), LOOK_MS);
    const reached = (name) => tab.waitForFunction((name) => globalThis[name] !== undefined, name, { timeout: 600_000, polling: 100 });
    await tab.getByTestId("file-input").setInputFiles(file);
    await reached("took");
    const found = { seconds: await seconds(tab, "took"), verdict: await tab.evaluate(() => globalThis.verdict), mib: mebibytes(peak) };
    if (page === PAGES.verdict) {
      await reached("keysTook");
      Object.assign(found, { keys: await seconds(tab, "keysTook"), keysMib: mebibytes(peak) });
      Object.assign(found, { revision: await olderRevision(tab), revisionMib: mebibytes(peak) });
    }
    clearInterval(look);
    return found;
  } finally {
    await browser.close();
  }
}

async function seconds(tab, name) {
  return round3((await tab.evaluate((name) => globalThis[name], name)) / 1000);
}

/** Seconds that the keys at a revision take which lies half way back. */
async function olderRevision(tab) {
  const slider = tab.getByTestId("keys-slider");
  const [oldest, latest] = await slider.evaluate(({ min, max }) => [Number(min), Number(max)]);
  if (oldest === latest) return 0;
  const began = performance.now();
  await tab.getByTestId("keys-revision").fill(String(Math.floor((oldest + latest) / 2)));
  await tab.getByTestId("keys-revision").press("Enter");
  await tab.getByRole("button", { name: /^Back to the latest/ }).waitFor({ timeout: 600_000 });
  return round3((performance.now() - began) / 1000);
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
