import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Worker } from "@playwright/test";
import { expect, test } from "./support/page.ts";
import { caseFile } from "./support/repo.ts";

/** Length of the database: long enough to interrupt the read; sparse, so that it takes no disk space. */
const LENGTH = 6 * 1024 ** 3;

const PAGE = 4096;

/** Returns a snapshot whose meta pages claim free pages up to LENGTH, which need not be read. */
function lengthened(snapshot: Buffer): Buffer {
  for (const meta of [snapshot.subarray(16, 80), snapshot.subarray(PAGE + 16, PAGE + 80)]) {
    meta.writeBigUInt64LE(BigInt(LENGTH / PAGE), 40);
    let checksum = 0xcbf29ce484222325n;
    for (const byte of meta.subarray(0, 56)) checksum = BigInt.asUintN(64, (checksum ^ BigInt(byte)) * 0x100000001b3n);
    meta.writeBigUInt64LE(checksum, 56);
  }
  return snapshot.subarray(0, snapshot.length - (snapshot.length % 512));
}

const folder = mkdtempSync(join(tmpdir(), "etcdsnap-large-"));
const large = join(folder, "large.db");

test.beforeAll(() => {
  writeFileSync(large, lengthened(readFileSync(caseFile("3.7-cluster"))));
  truncateSync(large, LENGTH + 32);
});

test.afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("first facts, progress, and a cancel that works at once", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.open(large);
  await expect(page.getByRole("button", { name: "Page size: 4096, copy" })).toBeVisible();
  await expect(page.getByTestId("verdict")).toHaveCount(0);
  await expect.poll(async () => Number(await inspector.text("progress")), { timeout: 20_000 }).toBeGreaterThan(1);
  await expect(page.getByText(/[MG]B\/s/)).toBeVisible();
  await expect(page.getByText(/left$/)).toBeVisible();
  await page.getByTestId("cancel").click();
  await expect(page.getByTestId("cancelled")).toBeVisible();
  await expect.poll(() => page.workers().length).toBe(0);
  await page.getByRole("button", { name: "Read it again" }).click();
  await expect(page.getByTestId("progress")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByTestId("cancelled")).toBeVisible();
});

test("the page answers while a file is read, and another file is judged beside it", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.open(large);
  await expect.poll(async () => Number(await inspector.text("progress")), { timeout: 20_000 }).toBeGreaterThan(0);
  // Frames are drawn while the worker is busy: if this thread read the file, none would be.
  await page.evaluate(async () => {
    for (let frame = 0; frame < 60; frame += 1) await new Promise(requestAnimationFrame);
  });
  await expect(page.getByTestId("cancel")).toBeVisible();
  expect(await inspector.judge(caseFile("3.7-history"))).toBe("sound");
  await page.keyboard.press("[");
  await expect(page.getByTestId("cancel")).toBeVisible();
});

test("a worker that dies is replaced once, and the page says so", async ({ inspector }) => {
  const { page } = inspector;
  let struck: Worker | undefined;
  const breakNextWorker = async () => {
    // The previous worker may still be listed for a moment; the worker for keys is a different one.
    const next = async () => {
      for (const worker of page.workers().filter((worker) => worker !== struck)) {
        // It may also end while it is asked.
        if ((await worker.evaluate(() => self.name).catch(() => "ended")) === "verdict") return worker;
      }
      return undefined;
    };
    await expect.poll(async () => (await next()) !== undefined, { timeout: 20_000 }).toBe(true);
    await expect.poll(async () => Number(await inspector.text("progress")), { timeout: 20_000 }).toBeGreaterThan(0);
    struck = await next();
    await struck?.evaluate(() => {
      setTimeout(() => {
        throw new Error("struck");
      });
    });
  };
  await inspector.open(large);
  await breakNextWorker();
  await expect(page.getByTestId("notice")).toContainText("A new one took its place");
  await breakNextWorker();
  await expect(page.getByTestId("failure")).toContainText("stopped twice: struck");
  // Errors that the test itself threw.
  inspector.complaints.length = 0;
});
