import { join } from "node:path";
import type { Locator } from "@playwright/test";
import { expect, test } from "./support/page.ts";
import { type Line, lines, nameIn } from "./support/look.ts";
import { artifacts, caseFile } from "./support/repo.ts";

/** Returns the cells of a table, row by row. */
async function cells(table: Locator): Promise<string[][]> {
  const rows = await table.locator("tbody tr").all();
  return Promise.all(rows.map((row) => row.locator("td").allInnerTexts()));
}

/** Describes the keys of a permission, computed from its bytes. */
function describeKeys(permission: Line): string {
  const [key, end] = [String(permission["key"]), String(permission["rangeEnd"])];
  if (end === "") return `one key: ${key}`;
  if (end === "\0") return key === "\0" ? "all keys" : `from ${key} on`;
  const after = Buffer.from(key);
  after[after.length - 1] = (after.at(-1) ?? 0) + 1;
  return after.equals(Buffer.from(end)) ? `prefix ${key}` : `from ${key} to before ${end}`;
}

for (const name of ["3.7-cluster", "3.4-cluster", "3.6-restored", "3.7-history"]) {
  test(`members, leases, users, roles, alarms and stored settings of ${name} equal those of the terminal`, async ({ inspector }) => {
    const { page } = inspector;
    const file = caseFile(name);
    await inspector.judge(file);
    await page.keyboard.press("5");
    await expect(page.getByTestId("cluster-marks")).toBeVisible();

    const all = lines("members", file);
    const members = all.filter(({ role }) => role !== "removed");
    const shown = await cells(page.getByTestId("cluster-members"));
    expect(shown.map(([id, role, name, peers, clients]) => ({ id, role, name, peers, clients }))).toEqual(
      members.map(({ id, role, name, peerUrls, clientUrls }) => ({ id, role, name: name === "" ? "not started yet" : name, peers: (peerUrls as string[]).join(", "), clients: (clientUrls as string[]).join(", ") })),
    );
    for (const { id } of all.filter(({ role }) => role === "removed")) await expect(page.getByText(String(id))).toBeVisible();

    const leases = lines("leases", file).map(({ id, ttl, keys }) => [id, `${String(ttl)} s`, String((keys as unknown[]).length)]);
    const shownLeases = await cells(page.getByTestId("cluster-leases"));
    expect(shownLeases.map(([id, ttl, , keys]) => [id, ttl?.replaceAll("\u2009", ""), keys])).toEqual(leases);

    const auth = lines("auth", file);
    const [state] = auth.filter(({ kind }) => kind === "auth");
    await expect(page.getByText(/^Authentication is/)).toContainText(state?.["enabled"] === true ? "enabled" : "disabled");
    const users = auth.filter(({ kind }) => kind === "user").map((user) => [nameIn(user, "name"), (user["roles"] as string[]).join(", ") || "–", user["hasPassword"] === true ? "yes" : "none"]);
    expect(await cells(page.getByTestId("cluster-users"))).toEqual(users);
    const roles = auth.filter(({ kind }) => kind === "role").map((role) => {
      const permissions = (role["permissions"] as Line[]).map((one) => `${String(one["type"])} ${describeKeys(one)}`);
      const none = role["name"] === "root" ? "all keys" : "none";
      return [nameIn(role, "name"), permissions.length === 0 ? [none] : permissions];
    });
    const shownRoles = await page.getByTestId("cluster-roles").locator("tbody tr").all();
    expect(await Promise.all(shownRoles.map(async (row) => [await row.locator("td").first().innerText(), await row.locator("li").allInnerTexts()]))).toEqual(roles);

    const alarms = lines("alarms", file).map(({ member, alarm }) => [member, alarm]);
    expect(await cells(page.getByTestId("cluster-alarms"))).toEqual(alarms);
    const marks = lines("meta", file).map((mark) => [mark["bucket"], nameIn(mark), mark["value"]]);
    expect(await cells(page.getByTestId("cluster-marks"))).toEqual(marks);
    await page.screenshot({ path: join(artifacts, `cluster-${name}-${test.info().project.name}.png`) });
  });
}

test("HashKV equals the terminal's", async ({ inspector }) => {
  const { page } = inspector;
  const file = caseFile("3.6-history");
  await inspector.judge(file);
  await page.keyboard.press("5");
  await page.getByTestId("cluster-hashkv").getByRole("button", { name: /^Compute/ }).click();
  const [said] = lines("hashkv", file);
  await expect(page.getByTestId("hashkv-hash")).toHaveText(String(said?.["hash"]));
});
