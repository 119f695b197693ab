import { type Inspector, expect, test } from "./support/page.ts";
import { caseFile } from "./support/repo.ts";

/** Has the next call that reads a file end as the wasm ends when it traps, in all workers that there are. */
async function sabotage({ page }: Inspector): Promise<void> {
  expect(page.workers().length).toBeGreaterThan(0);
  for (const worker of page.workers()) {
    await worker.evaluate(() => {
      performance.now = () => {
        throw new WebAssembly.RuntimeError("unreachable");
      };
    });
  }
}

// Each of the two files has a worker with its keys.
test("a worker that traps in a comparison is replaced, and the page says so", async ({ inspector }) => {
  const { page } = inspector;
  for (const name of ["3.7-history", "3.7-restored"]) expect(await inspector.judge(caseFile(name))).toBe("sound");
  await page.getByRole("tab").first().click();
  await page.locator("[data-view='cluster']").click();
  await expect.poll(() => page.workers().length).toBe(2);
  await expect(page.getByRole("progressbar")).toHaveCount(0);
  await sabotage(inspector);
  await page.locator("[data-view='compare']").click();
  await expect(page.getByRole("alert").filter({ hasText: "A new one took its place" })).toContainText("unreachable");
  // The question that broke it is not asked again by itself, and the keys can be looked at.
  await expect(page.getByTestId("compare-failure")).toContainText("stopped: unreachable");
  await expect.poll(() => page.workers().length).toBe(2);
  await page.locator("[data-view='keys']").click();
  await expect(page.getByTestId("keys-list")).toBeVisible();
  await page.locator("[data-view='compare']").click();
  await page.getByTestId("compare-failure").getByRole("button", { name: "Try again" }).click();
  await expect(page.getByTestId("compare-sentence")).toContainText("alike");
});
