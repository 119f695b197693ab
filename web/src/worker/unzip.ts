import { Unreadable } from "./unpack.ts";

/*
 * A zip is read from its end: the end record names the central directory, which names each member.
 *
 *   end record       PK 05 06   …   10 entries u16 | 12 size u32 | 16 offset u32 | 20 comment length u16
 *   zip64 locator    PK 06 07   …    8 offset u64            (the 20 bytes before the end record)
 *   zip64 end        PK 06 06   …   32 entries u64 | 40 size u64 | 48 offset u64
 *   central header   PK 01 02   8 flags u16 | 10 method u16 | 20 packed u32 | 24 size u32 | 28 name u16 | 30 extra u16
 *                               32 comment u16 | 42 local header u32 | 46 name, extra, comment
 *   local header     PK 03 04   26 name u16 | 28 extra u16 | 30 name, extra, then the data
 */
const END = 0x06054b50;
const ZIP64_LOCATOR = 0x07064b50;
const ZIP64_END = 0x06064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const FULL = 0xffff_ffff;
/** A directory of one file needs a few hundred bytes; more than this is refused. */
const MAX_DIRECTORY = 16 * 1024 * 1024;

/** The one file in a zip. */
export interface Member {
  name: string;
  method: "stored" | "deflate";
  /** Its bytes as they lie in the archive. */
  data: Blob;
}

/** Finds the one file in a zip; folders do not count. */
export async function onlyMember(zip: Blob): Promise<Member> {
  const members = (await directory(zip)).filter((entry) => !entry.name.endsWith("/"));
  const [member, second] = members;
  if (member === undefined) throw new Unreadable("The zip holds no file.", "Look for the snapshot where the zip came from.");
  if (second !== undefined) {
    throw new Unreadable(
      `The zip holds ${members.length} files, ${member.name} and ${second.name} among them.`,
      "Unpack it and open the snapshot in it.",
    );
  }
  if (member.encrypted) throw new Unreadable(`${member.name} in the zip is encrypted.`, "Unpack it with its password first.");
  const local = await view(zip, member.local, member.local + 30);
  if (local.getUint32(0, true) !== LOCAL) throw broken();
  const start = member.local + 30 + local.getUint16(26, true) + local.getUint16(28, true);
  const data = zip.slice(start, start + member.packed);
  if (data.size !== member.packed) throw broken();
  if (member.method === 0) return { name: member.name, method: "stored", data };
  if (member.method === 8) return { name: member.name, method: "deflate", data };
  throw new Unreadable(`${member.name} is packed by method ${member.method}, which this page does not know.`, "Unpack the zip first.");
}

interface Entry {
  name: string;
  method: number;
  encrypted: boolean;
  packed: number;
  local: number;
}

async function directory(zip: Blob): Promise<Entry[]> {
  const tailStart = Math.max(0, zip.size - 22 - 0xffff - 20);
  const tail = await view(zip, tailStart, zip.size);
  let end = tail.byteLength - 22;
  while (end >= 0 && tail.getUint32(end, true) !== END) end -= 1;
  if (end < 0) throw broken();
  let size = tail.getUint32(end + 12, true);
  let offset = tail.getUint32(end + 16, true);
  if (end >= 20 && tail.getUint32(end - 20, true) === ZIP64_LOCATOR) {
    const at = number(tail.getBigUint64(end - 12, true));
    const wide = await view(zip, at, at + 56);
    if (wide.getUint32(0, true) !== ZIP64_END) throw broken();
    size = number(wide.getBigUint64(40, true));
    offset = number(wide.getBigUint64(48, true));
  }
  if (size > MAX_DIRECTORY) throw broken();
  const central = await view(zip, offset, offset + size);
  const entries: Entry[] = [];
  for (let at = 0; at + 46 <= central.byteLength; ) {
    if (central.getUint32(at, true) !== CENTRAL) throw broken();
    const nameLength = central.getUint16(at + 28, true);
    const extraLength = central.getUint16(at + 30, true);
    const next = at + 46 + nameLength + extraLength + central.getUint16(at + 32, true);
    if (next > central.byteLength) throw broken();
    const entry: Entry = {
      name: new TextDecoder().decode(new Uint8Array(central.buffer, at + 46, nameLength)),
      method: central.getUint16(at + 10, true),
      encrypted: (central.getUint16(at + 8, true) & 1) !== 0,
      packed: central.getUint32(at + 20, true),
      local: central.getUint32(at + 42, true),
    };
    widen(entry, central.getUint32(at + 24, true) === FULL, new DataView(central.buffer, at + 46 + nameLength, extraLength));
    entries.push(entry);
    at = next;
  }
  return entries;
}

/** Takes sizes that do not fit 32 bits from the zip64 field, which holds only those, in order. */
function widen(entry: Entry, sizeIsWide: boolean, extra: DataView): void {
  for (let at = 0; at + 4 <= extra.byteLength; at += 4 + extra.getUint16(at + 2, true)) {
    if (extra.getUint16(at, true) !== 1) continue;
    let from = at + 4 + (sizeIsWide ? 8 : 0);
    const take = (): number => {
      if (from + 8 > extra.byteLength) throw broken();
      from += 8;
      return number(extra.getBigUint64(from - 8, true));
    };
    if (entry.packed === FULL) entry.packed = take();
    if (entry.local === FULL) entry.local = take();
    return;
  }
}

async function view(blob: Blob, start: number, end: number): Promise<DataView<ArrayBuffer>> {
  const buffer = await blob.slice(start, end).arrayBuffer();
  if (buffer.byteLength !== end - start) throw broken();
  return new DataView(buffer);
}

function number(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw broken();
  return Number(value);
}

function broken(): Unreadable {
  return new Unreadable("The zip's directory cannot be read: the archive is cut or damaged.", "Copy or download it again.");
}
