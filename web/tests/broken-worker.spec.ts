import { type Inspector, expect, test } from "./support/page.ts";
import { caseFile } from "./support/repo.ts";

/** Makes the next read of a file trap like the wasm, in all existing workers. */
async function breakWorkers({ page }: Inspector): Promise<void> {
  expect(page.workers().length).toBeGreaterThan(0);
  for (const worker of page.workers()) {
    await worker.evaluate(() => {
      performance.now = () => {
        throw new WebAssembly.RuntimeError("unreachable");
      };
    });
  }
}

// Each of the two files has a worker for its keys.
test("a worker that traps in a comparison is replaced, and the page says so", async ({ inspector }) => {
  const { page } = inspector;
  for (const name of ["3.7-history", "3.7-restored"]) expect(await inspector.judge(caseFile(name))).toBe("sound");
  await page.getByRole("tab").first().click();
  await page.locator("[data-view='cluster']").click();
  await expect.poll(() => page.workers().length).toBe(2);
  await expect(page.getByRole("progressbar")).toHaveCount(0);
  await breakWorkers(inspector);
  await page.locator("[data-view='compare']").click();
  await expect(page.getByRole("alert").filter({ hasText: "A new one took its place" })).toContainText("unreachable");
  // The page does not repeat the query that broke the worker, and shows the keys.
  await expect(page.getByTestId("compare-failure")).toContainText("stopped: unreachable");
  await expect.poll(() => page.workers().length).toBe(2);
  await page.locator("[data-view='keys']").click();
  await expect(page.getByTestId("keys-list")).toBeVisible();
  await page.locator("[data-view='compare']").click();
  await page.getByTestId("compare-failure").getByRole("button", { name: "Try again" }).click();
  await expect(page.getByTestId("compare-sentence")).toContainText("unchanged");
});
