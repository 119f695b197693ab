import { expect } from "@playwright/test";
import { test } from "./support/firefox.ts";
import { Hands } from "./support/driver.ts";
import { defineJourneys } from "./support/journeys.ts";
import { caseFile, cases, verify } from "./support/repo.ts";

defineJourneys(test);

test("the verdict, the hash and the revision of every recorded case", async ({ driver }) => {
  const hands = new Hands(driver, "keyboard");
  const expected = cases.map((name) => ({ name, report: verify(caseFile(name)) }));
  for (const { name, report } of expected) {
    await driver.open(caseFile(name));
    await hands.shows('[role="tab"][aria-selected="true"]', report.verdict, "data-verdict");
    expect(await driver.read('[data-testid="verdict"]'), name).toBe(report.verdict);
    expect(await driver.read('[data-testid="status-hash"]'), name).toBe(report.status?.hash.toString(16) ?? "");
    expect(await driver.read('[data-testid="status-revision"]'), name).toBe(String(report.status?.revision));
    await driver.press("x");
  }
});
