import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { crc32, deflateRawSync, gzipSync } from "node:zlib";
import type { Page } from "@playwright/test";
import { expect, made, test } from "./support/page.ts";
import { caseFile, root, verify } from "./support/repo.ts";

const source = caseFile("3.7-history");
const plain = readFileSync(source);

test("gzip", async ({ inspector }) => {
  expect(await inspector.judge(made("a.db.gz", gzipSync(plain)))).toBe("sound");
  expect(await inspector.text("sha256-actual")).toBe(verify(source).sha256.actual);
  expect(await inspector.text("status-total-key")).toBe(String(verify(source).status?.totalKey));
});

test("gzip of a damaged file gives the same findings as the unpacked one", async ({ inspector }) => {
  const bad = Buffer.from(plain);
  bad.fill(0, 4096 * 7, 4096 * 9);
  const whole = await inspector.judge(made("bad.db", bad));
  const codes = await inspector.codes();
  expect(whole).toBe("damaged");
  expect(await inspector.judge(made("bad.db.gz", gzipSync(bad)))).toBe("damaged");
  expect(await inspector.codes()).toEqual(codes);
});

test("gzip in several members, and zeros behind them", async ({ inspector }) => {
  const half = Math.floor(plain.length / 2);
  const joined = Buffer.concat([gzipSync(plain.subarray(0, half)), gzipSync(plain.subarray(half)), Buffer.alloc(5000)]);
  expect(await inspector.judge(made("joined.db.gz", joined))).toBe("sound");
});

test("gzip cut short", async ({ inspector }) => {
  const packed = gzipSync(plain);
  await inspector.open(made("cut.db.gz", packed.subarray(0, packed.length / 2)));
  await expect(inspector.page.getByTestId("failure")).toContainText("gzip data is damaged or cut");
});

test("zip of one file, deflated and stored", async ({ inspector }) => {
  for (const method of [8, 0]) {
    expect(await inspector.judge(made(`m${method}.zip`, zip([{ name: "snap/a.db", bytes: plain, method }])))).toBe("sound");
  }
});

test("zip of two files says so", async ({ inspector }) => {
  const two = zip(["a.db", "b.db"].map((name) => ({ name, bytes: plain, method: 8 })));
  await inspector.open(made("two.zip", two));
  await expect(inspector.page.getByTestId("failure")).toContainText("several files (a.db, b.db)");
});

test("files that macOS adds to a zip are ignored", async ({ inspector }) => {
  const fork = Buffer.from("\0\x05\x16\x07");
  const names = ["__MACOSX/snap/._a.db", "snap/.DS_Store"];
  const files = [{ name: "snap/a.db", bytes: plain, method: 8 }, ...names.map((name) => ({ name, bytes: fork, method: 0 }))];
  expect(await inspector.judge(made("mac.zip", zip(files)))).toBe("sound");
});

for (const [name, verdict] of [["pzstd.zst", "sound"], ["skippable-last.zst", "sound"], ["page-progress-nan.db.gz", "damaged"]] as const) {
  test(`${name}: as in the terminal, its keys too`, async ({ inspector }) => {
    const { page } = inspector;
    await page.evaluate(() => {
      const look = () => document.body.innerText.includes("NaN") && document.body.setAttribute("data-nan", "");
      new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
    });
    const file = join(root, "tests/packings", name);
    expect(await inspector.judge(file)).toBe(verdict);
    // The page lists damage before warnings.
    expect((await inspector.codes()).sort()).toEqual(verify(file).findings.map(({ code }) => code).sort());
    await page.locator("[data-view='keys']").click();
    await expect(page.getByRole("progressbar")).toHaveCount(0);
    await expect(page.getByTestId("store-failure")).toHaveCount(0);
    expect(await page.locator("body").getAttribute("data-nan")).toBeNull();
  });
}

/** A tar archive of one small file. */
const tar = Buffer.alloc(2048);
tar.write("snapshot.db", 0);
tar.write("ustar", 257);

for (const [name, bytes, what] of [
  ["x.tar.gz", gzipSync(tar), "is a tar archive"],
  ["text.gz", gzipSync("some text\n"), "is text"],
  ["empty.gz", gzipSync(""), "file is empty"],
  ["twice.gz", gzipSync(gzipSync("x")), "is a gzip file"],
] as const) {
  test(`${name} gets the same description as in the terminal`, async ({ inspector }) => {
    expect(await inspector.judge(made(name, bytes))).toBe("damaged");
    expect(await inspector.codes()).toEqual(["not-a-snapshot"]);
    await expect(inspector.page.locator("body")).toContainText(what);
  });
}

test("zstd with a dictionary is reported as unsupported", async ({ inspector }) => {
  const named = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x21, 0x07, 0x05, 0, 0, 0]);
  await inspector.open(made("dictionary.zst", named));
  await expect(inspector.page.getByTestId("failure")).toContainText("cannot be read here");
  await expect(inspector.page.getByTestId("failure")).toContainText("dictionary (number 7)");
});

test("a zip packed with bzip2 is reported as unsupported", async ({ inspector }) => {
  await inspector.open(join(root, "tests/packings/bzip2-method.zip"));
  await expect(inspector.page.getByTestId("failure")).toHaveText("This zip file cannot be read here: the file in it is packed with bzip2.");
});

/** Returns the peak memory of the page's process, in bytes. */
async function peak(page: Page): Promise<number> {
  const session = await page.context().browser()?.newBrowserCDPSession();
  const { processInfo } = (await session?.send("SystemInfo.getProcessInfo")) ?? { processInfo: [] };
  await session?.detach();
  const peaks = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => {
    const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${id}/status`, "utf8"));
    return Number(line?.[1] ?? 0) * 1024;
  });
  return Math.max(...peaks);
}

/** Returns a zstd frame: some raw bytes, and so many GiB of zeros, 128 KiB in four bytes. */
function bomb(start: Buffer, gib: number): Buffer {
  const largest = 128 * 1024;
  const header = (kind: number, size: number) => Buffer.from([kind * 2 + ((size & 0x1f) << 3), (size >> 5) & 0xff, size >> 13]);
  const raw: Buffer[] = [];
  for (let at = 0; at < start.length; at += largest) {
    const piece = start.subarray(at, at + largest);
    raw.push(header(0, piece.length), piece);
  }
  const zeros = Buffer.concat([header(1, largest), Buffer.alloc(1)]);
  const block = Buffer.alloc(8192 * gib * zeros.length, zeros);
  return Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x38]), ...raw, block]);
}

test("bombs end at once, and take little memory", async ({ inspector }) => {
  const { page } = inspector;
  const before = await peak(page);
  // A gzip member of zeros compresses a thousandfold; the file repeats it.
  const zeros = gzipSync(Buffer.alloc(64 * 1024 * 1024));
  const endless = Buffer.concat(Array.from({ length: 64 }, () => zeros));
  const files: [string, Buffer, string][] = [
    ["zeros.zst", bomb(Buffer.alloc(0), 64), "not-a-snapshot"],
    ["zeros.gz", endless, "not-a-snapshot"],
    ["good.zst", bomb(plain, 64), "file-lengthened"],
    ["good.gz", Buffer.concat([gzipSync(plain), endless]), "file-lengthened"],
  ];
  for (const [name, bytes, code] of files) {
    expect(await inspector.judge(made(name, bytes))).toBe("damaged");
    expect(await inspector.codes()).toEqual([code]);
    await page.locator("[data-view='keys']").click();
    await expect(page.getByTestId("store-failure")).toBeVisible();
    await page.getByRole("button", { name: `Close ${name}` }).click();
  }
  // Four bombs of 4 to 64 GiB: keeping part of one takes gigabytes. Below that the browser decides how long it keeps unused memory.
  expect((await peak(page)) - before).toBeLessThan(1024 * 1024 * 1024);
});

/** Returns the compressed snapshot followed by old versions of one of its leaves, outside the tree. */
function stale(pages: number): Buffer {
  const size = 4096;
  const leaf = Array.from({ length: plain.length / size - 2 }, (_, at) => plain.subarray((at + 2) * size)).find(
    (page) => page.readUInt16LE(8) === 2 && page.readUInt32LE(12) === 0 && page.readUInt16LE(10) > 20,
  );
  if (leaf === undefined) throw new Error("There is no leaf.");
  const database = Buffer.from(plain.subarray(0, plain.length - 32));
  for (const meta of [0, size]) {
    database.writeBigUInt64LE(BigInt(pages), meta + 56);
    let sum = 0xcbf29ce484222325n;
    for (const byte of database.subarray(meta + 16, meta + 72)) sum = ((sum ^ BigInt(byte)) * 0x100000001b3n) & 0xffff_ffff_ffff_ffffn;
    database.writeBigUInt64LE(sum, meta + 72);
  }
  const hash = createHash("sha256").update(database);
  const members = [gzipSync(database)];
  for (let page = database.length / size; page < pages; ) {
    const some = Buffer.alloc(Math.min(4096, pages - page) * size, leaf.subarray(0, size));
    for (let at = 0; at < some.length; at += size, page += 1) some.writeBigUInt64LE(BigInt(page), at);
    hash.update(some);
    members.push(gzipSync(some, { level: 1 }));
  }
  return Buffer.concat([...members, gzipSync(hash.digest())]);
}

test("half a gigabyte of old pages takes no more memory than it is allowed", async ({ inspector }) => {
  const { page } = inspector;
  const packed = stale(131_072);
  const before = await peak(page);
  await inspector.open(made("stale.db.gz", packed));
  await expect(page.getByTestId("verdict")).toHaveText("sound", { timeout: 60_000 });
  // Less than the pages themselves: 350 MiB is usual, and the browser decides how long it keeps unused memory.
  expect((await peak(page)) - before).toBeLessThan(500 * 1024 * 1024);
});

test("zstd", async ({ inspector }) => {
  const packed = readFileSync(fileURLToPath(new URL("fixtures/3.7-fresh.db.zst", import.meta.url)));
  const expected = verify(caseFile("3.7-fresh"));
  expect(await inspector.judge(made("a.db.zst", packed))).toBe(expected.verdict);
  expect(await inspector.text("sha256-actual")).toBe(expected.sha256.actual);
});

test("zstd cut short", async ({ inspector }) => {
  const packed = readFileSync(fileURLToPath(new URL("fixtures/3.7-fresh.db.zst", import.meta.url)));
  await inspector.open(made("cut.db.zst", packed.subarray(0, packed.length - 100)));
  await expect(inspector.page.getByTestId("failure")).toContainText("zstd data is damaged or cut");
});

/** Returns a zip archive with a folder and these files. */
function zip(files: { name: string; bytes: Buffer; method: number }[]): Buffer {
  const bodies: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, bytes, method } of [{ name: "snap/", bytes: Buffer.alloc(0), method: 0 }, ...files]) {
    const data = method === 8 ? deflateRawSync(bytes) : bytes;
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(checksum(bytes), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(name.length, 22);
    const body = Buffer.concat([Buffer.from("PK\x03\x04"), common, Buffer.from(name), data]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from("PK\x01\x02\x14\0"), common, rest, Buffer.from(name)]));
    bodies.push(body);
    offset += body.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(directory.length, 4);
  end.writeUInt16LE(directory.length, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...bodies, central, Buffer.from("PK\x05\x06"), end]);
}

/** Computes the checksum of a zip member. Node has it since 20.15; the page relies on the snapshot's own SHA-256. */
function checksum(bytes: Buffer): number {
  return crc32(bytes);
}
