import { ChromiumDriver } from "./support/chromium_driver.ts";
import { test as base } from "./support/page.ts";
import { defineJourneys } from "./support/journeys.ts";

const test = base.extend<{ driver: ChromiumDriver }>({
  driver: async ({ inspector }, use) => use(new ChromiumDriver(inspector)),
});

defineJourneys(test);
