import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { crc32, deflateRawSync, gzipSync } from "node:zlib";
import { expect, made, test } from "./support/page.ts";
import { caseFile, verify } from "./support/repo.ts";

const source = caseFile("3.7-history");
const plain = readFileSync(source);

test("gzip", async ({ inspector }) => {
  expect(await inspector.judge(made("a.db.gz", gzipSync(plain)))).toBe("sound");
  expect(await inspector.text("sha256-actual")).toBe(verify(source).sha256.actual);
  expect(await inspector.text("status-total-key")).toBe(String(verify(source).status?.totalKey));
});

test("gzip of a damaged file says what an unpacked one says", async ({ inspector }) => {
  const bad = Buffer.from(plain);
  bad.fill(0, 4096 * 7, 4096 * 9);
  const whole = await inspector.judge(made("bad.db", bad));
  const codes = await inspector.codes();
  expect(whole).toBe("damaged");
  expect(await inspector.judge(made("bad.db.gz", gzipSync(bad)))).toBe("damaged");
  expect(await inspector.codes()).toEqual(codes);
});

test("gzip in several members is told from damage", async ({ inspector }) => {
  const half = Math.floor(plain.length / 2);
  const joined = Buffer.concat([gzipSync(plain.subarray(0, half)), gzipSync(plain.subarray(half))]);
  await inspector.open(made("joined.db.gz", joined));
  await expect(inspector.page.getByTestId("failure")).toContainText("several gzip files may have been put together");
  await expect(inspector.page.getByRole("main")).toContainText("gunzip");
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
  await expect(inspector.page.getByTestId("failure")).toContainText("2 files");
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

/** A zip with a folder and these files. */
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

/** The checksum of a zip's member. Node has it since 20.15; the page leaves it to the snapshot's own SHA-256. */
function checksum(bytes: Buffer): number {
  return crc32(bytes);
}
