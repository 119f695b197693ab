import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { contrasts } from "./support/contrast.ts";
import { expect, made, test } from "./support/page.ts";
import { output } from "./support/look.ts";
import { artifacts, builtPage, caseFile, verify } from "./support/repo.ts";

const sound = caseFile("3.7-cluster");

/** A snapshot with several kinds of damage. */
function damaged(): ReturnType<typeof made> {
  const bytes = readFileSync(sound);
  bytes.fill(0, 4096 * 20, 4096 * 22);
  for (let page = 30; page < 60; page += 3) bytes[4096 * page] = 0xee;
  return made("backup-0413.db", bytes);
}

test("the page is one file below its size limit that requests nothing", async () => {
  const html = readFileSync(builtPage, "utf8");
  expect(html.length).toBeLessThan(1_200_000);
  const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1] ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("connect-src 'none'");
  expect(policy).not.toContain("unsafe-inline");
  expect(policy).not.toContain("http");
});

test("a file's name cannot reorder the words around it", async ({ inspector }) => {
  const { page } = inspector;
  const name = "snap\u202ebd.\u200b\u{e0041}.db";
  expect(await inspector.judge(made(name, readFileSync(sound)))).toBe("sound");
  const shown = "snap\\u{202e}bd.\\u{200b}\\u{e0041}.db";
  await expect(page).toHaveTitle(`✓ ${shown} – etcdsnap`);
  await expect(page.getByRole("tab")).toContainText(shown);
  const text = await page.evaluate(() => document.body.innerText);
  expect(text).not.toMatch(/[\u202e\u200b\u{e0041}]/u);
  // The saved report is JSON with the unchanged name.
  expect(await inspector.saved()).toMatchObject({ file: name });
});

test("the content security policy blocks every request", async ({ inspector, origin }) => {
  const { page } = inspector;
  await expect(page.getByText("Nothing leaves this machine. This page has no network access.")).toBeVisible();
  const outcomes = await page.evaluate(async (origin) => {
    const blocked: string[] = [];
    document.addEventListener("securitypolicyviolation", (event) => blocked.push(event.effectiveDirective));
    const tries: Promise<string>[] = [
      fetch(origin).then(() => "out", () => "held"),
      new Promise((resolve) => {
        const image = new Image();
        image.onload = () => resolve("out");
        image.onerror = () => resolve("held");
        image.src = `${origin}x.png`;
      }),
      new Promise((resolve) => {
        try {
          const socket = new WebSocket(origin.replace("http", "ws"));
          socket.onopen = () => resolve("out");
          socket.onerror = () => resolve("held");
        } catch {
          resolve("held");
        }
      }),
    ];
    const all = await Promise.all(tries);
    await new Promise((resolve) => setTimeout(resolve, 100));
    return { all, blocked };
  }, origin);
  expect(outcomes.all).toEqual(["held", "held", "held"]);
  expect(new Set(outcomes.blocked)).toEqual(new Set(["connect-src", "img-src"]));
  // The browser reports what it blocked; nothing was sent.
  inspector.complaints.length = 0;
  inspector.requests.length = 0;
});

test("from empty to sound, by the sample", async ({ inspector }) => {
  const { page } = inspector;
  await page.screenshot({ path: join(artifacts, `empty-${test.info().project.name}.png`) });
  await page.getByTestId("open-sample").click();
  expect(await inspector.verdict()).toBe("sound");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("sound This snapshot can be restored.");
  await expect(page.getByTestId("findings").locator("[data-code]")).toHaveCount(0);
  await page.screenshot({ path: join(artifacts, `sound-${test.info().project.name}.png`) });
});

test("the overview shows the largest groups and the members: the keys load with the verdict", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(sound);
  const glance = page.getByTestId("glance");
  // They load by themselves, and the verdict's worker has ended.
  await expect(glance.getByRole("button", { name: "member-1", exact: true })).toBeVisible();
  expect(page.workers().length).toBe(1);
  await page.keyboard.press("3");
  const table = page.getByTestId("space-table");
  const largest = (await table.locator("tbody tr").first().getAttribute("data-prefix")) ?? "";
  await page.keyboard.press("1");
  // Kubernetes objects are grouped by kind.
  await glance.getByTitle(largest, { exact: true }).click();
  await expect(page.getByTestId("space-crumbs")).toHaveAttribute("data-prefix", new RegExp(`^${largest}`));
  await page.keyboard.press("1");
  await glance.getByRole("button", { name: "member-1", exact: true }).click();
  await expect(page.getByTestId("cluster-members")).toContainText("member-1");
});

test("the overview shows how old a file is and what it contains", async ({ inspector }) => {
  const { page } = inspector;
  for (const name of ["3.7-cluster", "3.5-raw"]) {
    const file = caseFile(name);
    await inspector.judge(file);
    const { stateAsOf } = JSON.parse(output("status", file, "-w", "json")) as { stateAsOf: string | null };
    await expect(page.getByTestId("taken-about")).toHaveText(stateAsOf ?? "unknown");
    await expect(page.getByTestId("lost-revisions")).toHaveText("0");
  }
  await expect(page.getByLabel("State")).toContainText("no Kubernetes");
  await page.keyboard.press("[");
  await expect(page.getByLabel("State")).toContainText(/Kubernetes: \d+ objects of \d+ kinds/);
  await expect(page.getByLabel("State")).toContainText(/\d+ (year|day|hour|minute)s? ago|just now/);
});

test("damage is reported as lost revisions, and as keys by kind and namespace", async ({ inspector }) => {
  const { page } = inspector;
  const bytes = readFileSync(sound);
  for (let page = 30; page < 60; page += 3) bytes[4096 * page + 8] = (bytes[4096 * page + 8] ?? 0) ^ 0x55;
  const file = test.info().outputPath("lost.db");
  writeFileSync(file, bytes);
  expect(await inspector.judge(file)).toBe("damaged");
  const { lost } = verify(file) as { lost: { missingCount: number; keyCount: number } | null };
  expect(lost).not.toBeNull();
  await expect(page.getByTestId("lost-revisions")).toHaveText(String(lost?.missingCount));
  await expect(page.getByRole("heading", { name: "What is lost" })).toBeVisible();
});

test("damage: problem, risk and remedy, in that order", async ({ inspector }) => {
  const { page } = inspector;
  expect(await inspector.judge(damaged())).toBe("damaged");
  await expect(page.getByRole("heading", { level: 2 })).toContainText(["What is wrong", "What is at risk", "What can still be done"]);
  expect((await inspector.codes()).length).toBeGreaterThan(3);
  await page.screenshot({ path: join(artifacts, `damaged-${test.info().project.name}.png`) });
  // A finding links to its page and bytes.
  const finding = page.getByTestId("findings").locator("[data-code='page-id-mismatch']").first();
  await finding.getByRole("button").click();
  const open = page.getByTestId("findings").locator("[data-code='page-id-mismatch']").first();
  await expect(open.getByRole("button").first()).toHaveAttribute("aria-expanded", "true");
  await expect(open).toContainText("Meaning");
  await expect(open).toContainText(/page \d+, offset/);
  await page.screenshot({ path: join(artifacts, `findings-${test.info().project.name}.png`) });
  await page.getByRole("button", { name: "Offset" }).click();
  const offsets = await page.getByTestId("findings").locator(".offset").allTextContents();
  const numbers = offsets.map((text) => (text === "" ? -1 : Number(text.replaceAll("\u2009", ""))));
  expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
});

test("a file that is not a snapshot", async ({ inspector }) => {
  const { page } = inspector;
  const html = made("backup.db", Buffer.from("<html><head><title>Access Denied</title></head></html>"));
  expect(await inspector.judge(html)).toBe("damaged");
  expect(await inspector.codes()).toContain("not-a-snapshot");
  await expect(page.getByRole("heading", { level: 1 })).toContainText("This is not an etcd snapshot.");
  await expect(page.getByRole("heading", { name: "What to do" })).toBeVisible();
  await expect(page.getByTestId("status-hash")).toHaveCount(0);
});

test("the page works with the keyboard alone", async ({ inspector }) => {
  const { page } = inspector;
  const tab = (name: string) => page.getByRole("tab", { name });
  for (const file of [sound, damaged()]) {
    const chooser = page.waitForEvent("filechooser");
    await page.keyboard.press("o");
    await (await chooser).setFiles(file as string);
    await inspector.verdict();
  }
  await expect(tab("backup-0413.db")).toHaveAttribute("aria-selected", "true");
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keyboard shortcuts" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await page.keyboard.press("6");
  await expect(page.getByRole("button", { name: "Findings" })).toHaveAttribute("aria-current", "page");
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  const second = page.getByTestId("findings").locator("[data-code]").nth(1);
  await expect(second.getByRole("button").first()).toBeFocused();
  await page.keyboard.press("k");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await expect(second).toContainText("Meaning");
  await page.keyboard.press("c");
  await expect(page.getByRole("status").last()).toContainText("Copied");
  await page.keyboard.press("Escape");
  await expect(second).not.toContainText("Meaning");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("button", { name: "Overview" })).toHaveAttribute("aria-current", "page");
  await page.keyboard.press("[");
  await expect(tab("snapshot.db")).toHaveAttribute("aria-selected", "true");
  await page.keyboard.press("]");
  await page.keyboard.press("x");
  await expect(page.getByRole("tab")).toHaveCount(1);
  // With Tab, every control shows the focus.
  await page.keyboard.press("Tab");
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement ?? document.body).outlineStyle);
  expect(outline).toBe("solid");
});

test("two tabs, each with its verdict, and numbers that copy", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.open(sound, caseFile("3.5-raw"));
  const tabs = page.getByRole("tab");
  await expect(tabs).toHaveCount(2);
  await expect(tabs.nth(0)).toHaveAttribute("data-verdict", "sound");
  await expect(tabs.nth(1)).toHaveAttribute("data-verdict", /sound|warnings/);
  await tabs.nth(1).click();
  await expect(page).toHaveTitle(/snapshot\.db/);
  await tabs.nth(0).click();
  await page.getByTestId("status-total-size").click();
  await expect(page.getByRole("status").last()).toContainText(`Copied Size ${await inspector.text("status-total-size")}`);
  await page.getByRole("button", { name: /^Close/ }).nth(0).click();
  await page.getByRole("button", { name: /^Close/ }).click();
  await expect(page.getByText("Drop an etcd snapshot here")).toBeVisible();
});

test("dropped and pasted files", async ({ inspector }) => {
  const { page } = inspector;
  const bytes = readFileSync(caseFile("3.7-fresh")).toString("base64");
  for (const kind of ["drop", "paste"]) {
    await page.evaluate(
      ([kind, bytes]) => {
        const transfer = new DataTransfer();
        const content = Uint8Array.from(atob(bytes ?? ""), (letter) => letter.charCodeAt(0));
        transfer.items.add(new File([content], `${kind}.db`));
        const options = { bubbles: true, cancelable: true };
        const event =
          kind === "drop"
            ? new DragEvent("drop", { ...options, dataTransfer: transfer })
            : new ClipboardEvent("paste", { ...options, clipboardData: transfer });
        document.body.dispatchEvent(event);
      },
      [kind, bytes],
    );
    await expect(page.getByRole("tab", { name: `${kind}.db` })).toHaveAttribute("data-verdict", "sound");
  }
});

test("on a phone", async ({ inspector }) => {
  const { page } = inspector;
  await page.setViewportSize({ width: 390, height: 844 });
  expect(await inspector.judge(damaged())).toBe("damaged");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(wide, "pixels to scroll sideways").toBeLessThanOrEqual(0);
  const rail = await page.getByRole("navigation").boundingBox();
  expect((rail?.y ?? 0) + (rail?.height ?? 0)).toBe(844);
  await page.screenshot({ path: join(artifacts, `phone-${test.info().project.name}.png`) });
  await page.getByRole("navigation").getByRole("button", { name: "Findings" }).click();
  await page.getByTestId("findings").locator("[data-code]").first().getByRole("button").click();
  await expect(page.getByTestId("findings")).toContainText("Meaning");
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
  await page.screenshot({ path: join(artifacts, `phone-findings-${test.info().project.name}.png`) });
});

for (const width of [1280, 1024, 390]) {
  test(`the verdict keeps its place, whatever it says, on ${width} pixels`, async ({ inspector }) => {
    const { page } = inspector;
    await page.setViewportSize({ width, height: 800 });
    await page.evaluate(() => {
      const heights = new Set<number>();
      Object.assign(globalThis, { heights });
      const look = (): void => {
        const height = document.querySelector("section.verdict")?.getBoundingClientRect().height;
        if (height !== undefined) heights.add(Math.round(height));
        requestAnimationFrame(look);
      };
      look();
    });
    for (const file of [sound, caseFile("3.7-raw"), damaged()]) await (typeof file === "string" ? inspector.judge(file) : inspector.judge(file));
    expect(await page.evaluate(() => [...(globalThis as unknown as { heights: Set<number> }).heights])).toHaveLength(1);
  });
}

for (const colorScheme of ["light", "dark"] as const) {
  test(`${colorScheme}: text can be read`, async ({ inspector }) => {
    const { page } = inspector;
    await page.emulateMedia({ colorScheme });
    expect(await contrasts(page)).toEqual([]);
    for (const file of [sound, caseFile("3.7-raw"), damaged()]) {
      await (typeof file === "string" ? inspector.judge(file) : inspector.judge(file));
      expect(await contrasts(page)).toEqual([]);
      await page.screenshot({ path: join(artifacts, `${await inspector.verdict()}-${colorScheme}-${test.info().project.name}.png`) });
      await page.keyboard.press("6");
      await page.keyboard.press("j");
      await page.keyboard.press("Enter");
      expect(await contrasts(page)).toEqual([]);
    }
  });
}

test("colours switch, and print is on white", async ({ inspector }) => {
  const { page } = inspector;
  await page.emulateMedia({ colorScheme: "light" });
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await ground();
  await page.getByRole("button", { name: "Colours: system" }).click();
  expect(await ground()).toBe(light);
  await page.getByRole("button", { name: "Colours: light" }).click();
  expect(await ground()).not.toBe(light);
  await inspector.judge(damaged());
  await page.emulateMedia({ media: "print" });
  expect(await ground()).toBe(light);
  await expect(page.getByRole("navigation")).toBeHidden();
  // The printed page names the file, when it was written, and the program's version.
  await expect(page.getByTestId("letterhead")).toBeVisible();
  await expect(page.getByTestId("letterhead")).toContainText(/Overview · [\d\u2009]+ bytes .* · last changed \d{4}-\d\d-\d\d \d\d:\d\d UTC · etcdsnap v\d/);
  await page.screenshot({ path: join(artifacts, `print-${test.info().project.name}.png`), fullPage: true });
});
