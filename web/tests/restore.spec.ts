import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env } from "node:process";
import { expect, made, test } from "./support/page.ts";
import { program } from "./support/look.ts";
import { artifacts, caseFile, root } from "./support/repo.ts";

let folder = "";

test.beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "etcdsnap-restore-"));
  copyFileSync(caseFile("3.7-cluster"), join(folder, "snapshot.db"));
  symlinkSync(program(), join(folder, "etcdsnap"));
});

test.afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a command as a shell on the host would. */
function run(command: string): string {
  return execFileSync("sh", ["-c", command], { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], env: { ...env, PATH: `${folder}:${env["PATH"] ?? ""}` } });
}

const database = (directory: string) => existsSync(join(folder, directory, "member/snap/db"));

test("the commands make the directories of the snapshot's own members", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(caseFile("3.7-cluster"));
  await page.keyboard.press("8");
  const commands = page.getByTestId("restore-commands").locator("pre");
  // The learner is not one of them.
  await expect(page.getByTestId("restore-member")).toHaveCount(3);
  await expect(page.getByText("Learners left out: 6f7568af949d9aa.")).toBeVisible();
  await expect(commands).toHaveCount(1);
  await page.getByTestId("restore-token").fill("after the fire");
  await page.getByTestId("restore-bump").fill("1000000000");
  await page.screenshot({ path: join(artifacts, `restore-${test.info().project.name}.png`) });
  run(await commands.innerText());
  for (const name of ["member-1", "member-2", "member-3"]) expect(database(`restored/${name}`), name).toBe(true);

  await page.getByRole("button", { name: "Member by member" }).click();
  await expect(commands).toHaveCount(3);
  await page.getByLabel("Data directory of member 1").fill("it's here/etcd data");
  const texts = await commands.allInnerTexts();
  for (const text of texts) run(text);
  expect(database("it's here/etcd data")).toBe(true);
  expect(database("member-1.etcd") && database("member-2.etcd")).toBe(true);

  await page.getByRole("button", { name: "With etcdutl" }).click();
  const theirs = await commands.allInnerTexts();
  expect(theirs.map((text) => text.replace("etcdutl snapshot restore", "etcdsnap restore"))).toEqual(texts);
});

test("for Kubernetes the bump is auto, which etcdutl gets as a number", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(caseFile("3.7-cluster"));
  await page.keyboard.press("8");
  const commands = page.getByTestId("restore-commands").locator("pre");
  await expect(commands).toHaveCount(1);
  await page.getByRole("button", { name: "auto", exact: true }).click();
  const ours = await commands.innerText();
  expect(ours).toContain("--bump-revision auto");
  expect(ours).toContain("--mark-compacted");
  run(ours.replace("restored", "raised"));
  expect(database("raised/member-1")).toBe(true);
  await page.getByRole("button", { name: "With etcdutl" }).click();
  await expect(commands).toHaveCount(3);
  for (const text of await commands.allInnerTexts()) expect(text).toContain("--bump-revision 1000000000");
  await page.getByTestId("restore-bump").fill("automatic");
  await expect(page.getByTestId("restore-problems")).toContainText("above 0, or by auto");
});

test("an impossible restore shows the reason instead of a command", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(caseFile("3.7-cluster"));
  await page.keyboard.press("8");
  const commands = page.getByTestId("restore-commands").locator("pre");
  await expect(commands).toHaveCount(1);
  await page.getByTestId("restore-add").click();
  await expect(commands).toHaveCount(0);
  await expect(page.getByTestId("restore-problems")).toContainText("m4 needs a peer URL");
  await page.getByLabel("Peer URLs of member 4").fill("10.0.0.4:2380");
  await expect(page.getByTestId("restore-problems")).toContainText("10.0.0.4:2380 does not begin with a scheme");
  await page.getByLabel("Peer URLs of member 4").fill("http://10.0.0.4:2380");
  await expect(commands).toContainText("m4=http://10.0.0.4:2380");
  await page.getByLabel("Name of member 4").fill("member-1");
  await expect(page.getByTestId("restore-problems")).toContainText("Two members are called member-1");
  await page.getByRole("button", { name: "Remove member 4" }).click();
  await expect(commands).toHaveCount(1);
  // The input is still there after a visit to another view.
  await page.getByTestId("restore-token").fill("mine");
  await page.getByTestId("restore-token").blur();
  await page.keyboard.press("1");
  await page.keyboard.press("8");
  await expect(page.getByTestId("restore-token")).toHaveValue("mine");
});

test("a file without SHA-256 needs an explicit flag", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(caseFile("3.7-raw"));
  await page.keyboard.press("8");
  await expect(page.getByTestId("restore-commands")).toContainText("--skip-hash-check");
});

/** etcd's own tool, as `cargo xtask reference` builds it. */
const etcdutl = join(root, "tests/reference/bin/3.7/etcdutl");

test("names, directories and paths reach the programs unchanged", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(caseFile("3.7-cluster"));
  await page.keyboard.press("8");
  const commands = page.getByTestId("restore-commands").locator("pre");
  await expect(commands).toHaveCount(1);
  const name = "it's $(one) \"of\" `us` \\ &";
  const file = "-odd 'n' $HOME.db";
  copyFileSync(caseFile("3.7-cluster"), join(folder, file));
  await page.getByTestId("restore-file").fill(file);
  await page.getByTestId("restore-token").fill("--name");
  await page.getByTestId("restore-folder").fill("-all of 'em");
  await page.getByLabel("Name of member 1").fill(name);
  await page.getByLabel("Name of member 2").fill("--force");
  run(await commands.innerText());
  for (const member of [name, "--force"]) expect(database(`-all of 'em/${member}`), member).toBe(true);
  expect(readFileSync(join(folder, "-all of 'em", `${name}.env`), "utf8")).toContain("--name");

  await page.getByRole("button", { name: "Member by member" }).click();
  await page.getByLabel("Data directory of member 3").fill("=$x");
  for (const text of await commands.allInnerTexts()) run(text);
  for (const directory of [`${name}.etcd`, "--force.etcd", "=$x"]) expect(database(directory), directory).toBe(true);
});

test("etcdutl accepts the printed commands", async ({ inspector }) => {
  test.skip(!existsSync(etcdutl), "etcdutl is not built: run `cargo xtask reference`");
  const { page } = inspector;
  symlinkSync(etcdutl, join(folder, "etcdutl"));
  await inspector.judge(caseFile("3.7-cluster"));
  await page.keyboard.press("8");
  await page.getByRole("button", { name: "With etcdutl" }).click();
  await page.getByTestId("restore-bump").fill("1000000000");
  await page.getByLabel("Name of member 1").fill("it's one");
  await page.getByLabel("Data directory of member 2").fill("it's here/etcd data");
  const commands = page.getByTestId("restore-commands").locator("pre");
  await expect(commands).toHaveCount(3);
  for (const text of await commands.allInnerTexts()) run(text);
  for (const directory of ["it's one.etcd", "it's here/etcd data", "member-1.etcd"]) expect(database(directory), directory).toBe(true);
});

/** Peer URLs, and whether both page and program accept them. */
const URLS: [url: string, fine: boolean][] = [
  ["https://etcd-1.example:2380", true],
  ["http://[fd00::1]:2380", true],
  ["HTTP://10.0.0.9:2380", true],
  ["unix://localhost:2380", true],
  ["http://10.0.0.9", false],
  ["http://10.0.0.9:2380/", false],
  ["http://10.0.0.9:65536", false],
  ["http://[fd00::1:2380", false],
  ["ftp://10.0.0.9:2380", false],
  ["http://a b:2380", false],
  ["10.0.0.9:2380", false],
];

test("page and program accept the same peer URLs", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(caseFile("3.7-fresh"));
  await page.keyboard.press("8");
  const commands = page.getByTestId("restore-commands").locator("pre");
  await expect(commands).toHaveCount(1);
  for (const [url, fine] of URLS) {
    await page.getByLabel("Peer URLs of member 1").fill(url);
    await expect(commands, url).toHaveCount(fine ? 1 : 0);
    const dry = () => run(`etcdsnap restore snapshot.db --dry-run --name m --data-dir new --initial-cluster 'm=${url}' --initial-advertise-peer-urls '${url}' 2>&1`);
    if (fine) expect(dry, url).not.toThrow();
    else expect(dry, url).toThrow("--initial-cluster");
  }
});

test("member names that map to one file name are refused, as by the program", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(caseFile("3.7-cluster"));
  await page.keyboard.press("8");
  const [commands, problems] = [page.getByTestId("restore-commands").locator("pre"), page.getByTestId("restore-problems")];
  await expect(commands).toHaveCount(1);
  for (const name of [".hidden", "a/b", "member-2.env"]) {
    await page.getByLabel("Name of member 1").fill(name);
    await expect(problems, name).toContainText("In one directory");
    const dry = () => run(`etcdsnap restore snapshot.db --dry-run --all-members new --initial-cluster '${name}=http://a:1,member-2=http://b:1' 2>&1`);
    expect(dry, name).toThrow();
  }
  // For a single member they are fine.
  await page.getByRole("button", { name: "Member by member" }).click();
  await expect(commands).toHaveCount(3);
  await page.getByTestId("restore-bump").fill(String(2n ** 63n - 1n));
  await expect(problems).toContainText("63 bits");
});

const RESTORE_BAD = "etcdsnap restore bad.db --skip-hash-check --initial-cluster default=http://localhost:2380";

test("a command is copied unchanged, and the page warns of a damaged file", async ({ inspector, context, from }) => {
  const { page } = inspector;
  const bad = readFileSync(caseFile("3.7-cluster"));
  for (let number = 30; number < 60; number += 3) bad[4096 * number] = 0xee;
  expect(await inspector.judge(made("bad.db", bad))).toBe("damaged");
  await page.keyboard.press("8");
  await expect(page.getByTestId("restore-warning")).toContainText("This file is damaged");
  const commands = page.getByTestId("restore-commands").locator("pre");
  await expect(commands).toHaveCount(1);
  // The program does refuse it.
  writeFileSync(join(folder, "bad.db"), bad);
  expect(() => run(`${RESTORE_BAD} 2>&1`)).toThrow();
  expect(() => run(`${RESTORE_BAD} --force`)).not.toThrow();
  if (from === "http") {
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("button", { name: "Copy the command for All members" }).click();
    await expect(page.getByRole("status").last()).toContainText("Copied the command");
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(await commands.innerText());
  }
});

test("a file that is not a snapshot offers no restore", async ({ inspector }) => {
  const { page } = inspector;
  await inspector.judge(made("no.db", Buffer.from("<html></html>")));
  await page.keyboard.press("8");
  await expect(page.getByTestId("restore-warning")).toContainText("not an etcd snapshot");
  await expect(page.getByTestId("restore-member")).toHaveCount(0);
  // No view asks to report a bug in etcdsnap.
  for (const view of ["keys", "space", "compare", "cluster"]) {
    await page.locator(`[data-view='${view}']`).click();
    await expect(page.getByTestId("store-failure"), view).toContainText("This file has no keys to read");
    await expect(page.getByRole("alert"), view).not.toContainText("report it");
  }
  // Its bytes can be seen.
  await page.locator("[data-view='pages']").click();
  await expect(page.getByTestId("page-hex")).toContainText("html");
});

test("the commands have the flags that the file needs, and all steps are copied as one script", async ({ inspector, context, from }) => {
  const { page } = inspector;
  const bad = readFileSync(caseFile("3.7-cluster"));
  for (let number = 30; number < 60; number += 3) bad[4096 * number] = 0xee;
  await inspector.judge(made("bad.db", bad));
  await page.keyboard.press("8");
  const commands = page.getByTestId("restore-commands").locator("pre");
  await expect(commands).toContainText("--force");
  await expect(commands).toContainText("--skip-hash-check");
  await page.getByTestId("restore-kubernetes").click();
  await expect(commands).toContainText("--bump-revision auto");
  await expect(commands).toContainText("--mark-compacted");
  writeFileSync(join(folder, "bad.db"), bad);
  expect(() => run(`${RESTORE_BAD} --force`)).not.toThrow();
  if (from === "http") {
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByTestId("restore-copy-all").click();
    await expect(page.getByRole("status").last()).toContainText("Copied all steps");
    const script = await page.evaluate(() => navigator.clipboard.readText());
    expect(script).toContain(await commands.innerText());
    expect(script.indexOf("etcd.old")).toBeLessThan(script.indexOf("--force"));
    expect(script.indexOf("endpoint health")).toBeGreaterThan(script.indexOf("--force"));
    expect(() => run(script)).toThrow();
  }
});
