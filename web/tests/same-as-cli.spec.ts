import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, test, type Inspector } from "./support/page.ts";
import { caseFile, cases, status, verify, verifyText } from "./support/repo.ts";

const folder = mkdtempSync(join(tmpdir(), "etcdsnap-page-"));

/** Compares everything that the page shows and saves about a file with the terminal's output. */
async function compare(inspector: Inspector, file: string): Promise<void> {
  const expected = verify(file);
  expect(await inspector.judge(file)).toBe(expected.verdict);
  // A consequence of other damage is listed below its cause; the Findings view lists everything.
  const codes = expected.findings.map(({ code }) => code).sort();
  const causes = new Set(expected.findings.filter(({ because }) => because === undefined).map(({ code }) => code));
  expect((await inspector.codes()).sort()).toEqual(codes.filter((code) => causes.has(code)));
  for (const code of new Set(codes.filter((code) => !causes.has(code)))) {
    await expect(inspector.page.getByText(/consequences of the findings above/)).toContainText(`${code} × `);
  }
  if (expected.status !== null) {
    const { hash, revision, totalKey, totalSize, version, totalEntries } = expected.status;
    expect(await inspector.text("status-hash")).toBe(hash.toString(16));
    expect(await inspector.text("status-revision")).toBe(String(revision));
    expect(await inspector.text("status-total-key")).toBe(String(totalKey));
    expect(await inspector.text("status-total-size")).toBe(String(totalSize));
    expect(await inspector.text("status-version")).toBe(version);
    expect(await inspector.text("status-total-entries")).toBe(String(totalEntries));
  }
  // The terminal wraps its lines; the words are the same.
  const lost = await inspector.page.getByTestId("lost").getByRole("listitem").allTextContents();
  const said = verifyText(file).replaceAll(/\s+/g, " ").replaceAll(" (verify --all shows more)", "");
  expect(lost.length > 0).toBe(expected.lost !== null);
  for (const line of lost) expect(said).toContain(line.replaceAll("\u2009", ","));
  const { expected: inFile, actual } = expected.sha256;
  if (inFile !== null) expect(await inspector.text("sha256-expected")).toBe(inFile);
  if (actual !== null) expect(await inspector.text("sha256-actual")).toBe(actual);
  expect(await inspector.saved()).toEqual({ ...expected, file: basename(file) });
}

for (const name of cases) {
  test(`case ${name}`, async ({ inspector }) => {
    const file = caseFile(name);
    const { hash, revision, totalKey, totalSize, version } = status(file);
    expect({ ...verify(file).status }).toMatchObject({ hash, revision, totalKey, totalSize, version });
    await compare(inspector, file);
  });
}

/** Named damage, each applied to a good file. */
const damages: Record<string, (good: Buffer) => Buffer> = {
  "a byte of a value changed": (good) => changed(good, good.indexOf("/registry/") + 40),
  "the type of a page changed": (good) => changed(good, 4096 * pageWithKeys(good) + 8),
  "the id of a page changed": (good) => changed(good, 4096 * pageWithKeys(good)),
  "the count of a page changed": (good) => changed(good, 4096 * pageWithKeys(good) + 10),
  "both metas broken": (good) => changed(changed(good, 16), 4096 + 16),
  "cut in the middle": (good) => good.subarray(0, 4096 * 9 + 777),
  "the trailer cut off": (good) => good.subarray(0, good.length - 32),
  "zeros behind the end": (good) => Buffer.concat([good, Buffer.alloc(512)]),
  "a page of zeros": (good) => Buffer.concat([good.subarray(0, 4096 * 5), Buffer.alloc(4096), good.subarray(4096 * 6)]),
  "an error page": () => Buffer.from("<!DOCTYPE html><html><body><h1>404 Not Found</h1></body></html>"),
  "nothing at all": () => Buffer.alloc(0),
  "all zeros": () => Buffer.alloc(8192),
};

for (const [damage, make] of Object.entries(damages)) {
  test(`damage: ${damage}`, async ({ inspector }, { project }) => {
    const file = join(folder, `${project.name} ${damage}.db`);
    writeFileSync(file, make(readFileSync(caseFile("3.7-cluster"))));
    await compare(inspector, file);
    expect(await inspector.verdict()).not.toBe("sound");
  });
}

function changed(good: Buffer, at: number): Buffer {
  const bad = Buffer.from(good);
  bad[at] = (bad[at] ?? 0) ^ 0x55;
  return bad;
}

/** Finds a leaf page with Kubernetes-like keys. */
function pageWithKeys(good: Buffer): number {
  return Math.floor(good.lastIndexOf("/registry/") / 4096);
}
