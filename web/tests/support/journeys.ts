import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, type TestType } from "@playwright/test";
import { type Driver, Hands, type Means } from "./driver.ts";
import { lines, output } from "./look.ts";
import { caseFile, root, verify } from "./repo.ts";

const sample = join(root, "samples/sample.db");
/** Snapshots of a real cluster, from which a Deployment was deleted in between. */
const today = join(root, "samples/kubernetes/today.db.zst");
const yesterday = join(root, "samples/kubernetes/yesterday.db.zst");

/** Defines the tests of what people come for, each with the mouse and with the keyboard alone. */
export function defineJourneys(test: TestType<{ driver: Driver }, object>): void {
  for (const means of ["mouse", "keyboard"] as const satisfies Means[]) {
    test(`${means}: is this backup good, and how old is it?`, async ({ driver }) => {
      const hands = new Hands(driver, means);
      await hands.use('[data-testid="open-sample"]');
      await hands.shows('[data-testid="verdict"]', "sound");
      await hands.shows("h1", /This snapshot can be restored\./);
      const { stateAsOf } = JSON.parse(output("status", sample, "-w", "json")) as { stateAsOf: string };
      await hands.shows('[data-testid="taken-about"]', stateAsOf);
      await hands.shows("[aria-label='State']", /ago/);
    });

    test(`${means}: get back the deleted Deployment`, async ({ driver }) => {
      const hands = new Hands(driver, means);
      await driver.open(today);
      await hands.shows('[data-testid="verdict"]', "sound");
      await hands.search("deployments web");
      await hands.shows('[data-testid="hit-deleted"]', "1");
      if (means === "keyboard") await driver.press("Enter");
      else await driver.click('[data-testid="keys-list"] [data-key="/registry/deployments/shop/web"]');
      await hands.shows('[data-testid="key-pane"]', "/registry/deployments/shop/web", "data-key");
      await hands.shows('[data-testid="key-value"]', /kind: Deployment/);
      const { name, path } = await driver.saved(() => hands.use('[data-testid="manifest-save"]'));
      expect(name).toBe("deployments-shop-web.yaml");
      expect(readFileSync(path, "utf8")).toBe(output("kube", "manifests", today, "deployment/web", "-n", "shop", "--deleted"));
      await hands.shows('[data-testid="manifest-command"]', /^kubectl apply /);
    });

    test(`${means}: what fills the database, and the commands against it`, async ({ driver }) => {
      const hands = new Hands(driver, means);
      await driver.open(sample);
      await hands.shows('[data-testid="verdict"]', "sound");
      await hands.view("space", "3");
      const total = lines("usage", sample).find(({ kind }) => kind === "total");
      await hands.shows('[data-testid="space-total-live"]', String(total?.["liveBytes"]));
      await hands.shows('[data-testid="space-total-history"]', String(total?.["historyBytes"]));
      await hands.shows('[data-testid="space-table"] tbody tr', /^\/registry\//, "data-prefix");
      await hands.use('[data-testid="space-commands"] summary');
      await hands.shows('[data-testid="space-commands"]', "", "open");
      await hands.shows('[data-testid="space-commands"]', /etcdctl compact[\s\S]*etcdctl defrag/);
    });

    test(`${means}: what changed since last night?`, async ({ driver }) => {
      const hands = new Hands(driver, means);
      // Whatever is opened first, the older one comes first.
      await driver.open(today);
      await hands.shows('[data-testid="verdict"]', "sound");
      await driver.open(yesterday);
      await hands.shows('[role="tab"][aria-selected="true"]', "sound", "data-verdict");
      if (means === "keyboard") await driver.press("d");
      else await driver.click('[data-testid="offer-compare"]');
      await hands.shows('[data-testid="compare-sentence"]', /unchanged/);
      if (means === "keyboard") {
        // The headings of kinds are rows, too.
        for (let row = 0; row < 5 && !(await driver.hasFocus('[data-testid="compare-list"] [data-key], [data-testid="compare-list"] [data-key] *')); row += 1) await driver.press("j");
        await driver.press("Enter");
      } else await driver.click('[data-testid="compare-list"] [data-key]');
      await hands.shows('[data-testid="compare-pane"]', /^\/registry\//, "data-key");
    });

    test(`${means}: what did this damage cost?`, async ({ driver }, info) => {
      const hands = new Hands(driver, means);
      const bytes = readFileSync(caseFile("3.7-cluster"));
      for (let page = 30; page < 60; page += 3) bytes[4096 * page + 8] = (bytes[4096 * page + 8] ?? 0) ^ 0x55;
      const file = info.outputPath("backup-0413.db");
      writeFileSync(file, bytes);
      await driver.open(file);
      await hands.shows('[data-testid="verdict"]', "damaged");
      const { lost } = verify(file) as { lost: { missingCount: number } | null };
      await hands.shows('[data-testid="lost-revisions"]', String(lost?.missingCount));
      await hands.shows('[data-testid="lost"]', /revision/);
      await hands.view("findings", "6");
      if (means === "keyboard") await driver.press("j");
      await hands.use('[data-testid="findings"] [data-finding="0"] .row');
      await hands.shows('[data-testid="findings"] .open', /What to do/);
      const { path } = await driver.saved(async () => {
        await hands.view("overview", "1");
        await hands.use('[data-testid="salvage-save"]');
      });
      expect(verify(path).verdict).not.toBe("damaged");
    });

    test(`${means}: a copy without secrets for support`, async ({ driver }) => {
      const hands = new Hands(driver, means);
      await driver.open(sample);
      await hands.shows('[data-testid="verdict"]', "sound");
      const { name, path } = await driver.saved(() => hands.use('[data-testid="redact-save"]'));
      expect(name).toBe("sample.redacted.db");
      expect(verify(path).verdict).toBe("sound");
      await hands.shows('[data-testid="copy-made"]', /is sound/);
      expect(output("export", path, "--history", "--show-secrets")).not.toBe(output("export", sample, "--history", "--show-secrets"));
    });
  }
}
