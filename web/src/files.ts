import packedSample from "virtual:sample";
import { unpacked } from "./unpacked.ts";

/** Whether this page carries a sample snapshot. */
export const hasSample = packedSample !== null;

/** The sample snapshot, as if it had been dropped. */
export async function openSample(): Promise<File> {
  return new File([await unpacked(packedSample)], "sample.db");
}

/** Whether a file that was dropped may be an EncryptionConfiguration. */
export function isConfiguration({ name, size }: File): boolean {
  return /\.(?:ya?ml|json|conf)$/i.test(name) && size < 1024 * 1024;
}
/** Lets a person choose files; the page sets what it does. */
export const picker = { open: (): void => {} };

/** Where etcd keeps its database in a data directory. */
const IN_A_DATA_DIRECTORY = ["member/snap/db", "snap/db", "db"];

/** What was dropped: its files, and words about what could not be taken. */
export interface Dropped {
  files: File[];
  notice: string | null;
}

/** The files of a drop. Of a data directory it takes the database. */
export async function dropped(transfer: DataTransfer): Promise<Dropped> {
  // All of it must be asked for before the first await: afterwards the transfer is empty.
  const files = [...transfer.files];
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry());
  const folders = entries.filter((entry): entry is FileSystemDirectoryEntry => entry?.isDirectory === true);
  if (folders.length === 0) return { files, notice: files.length > 0 ? null : "That was no file. Drop a snapshot file, or press o to open one." };
  const plain = files.filter((file) => !folders.some((folder) => folder.name === file.name));
  const missed: string[] = [];
  for (const folder of folders) {
    const database = await databaseIn(folder);
    if (database === null) missed.push(folder.name);
    else plain.push(new File([database], `${folder.name}/db`));
  }
  const notice = missed.length > 0 ? `${missed.join(", ")} is a folder. Of an etcd data directory, drop the file member/snap/db.` : null;
  return { files: plain, notice };
}

async function databaseIn(folder: FileSystemDirectoryEntry): Promise<File | null> {
  for (const path of IN_A_DATA_DIRECTORY) {
    const found = await new Promise<File | null>((resolve) => {
      folder.getFile(path, {}, (entry) => (entry as FileSystemFileEntry).file(resolve, () => resolve(null)), () => resolve(null));
    });
    if (found !== null) return found;
  }
  return null;
}

/** Lets the reader keep a text as a file. */
export function save(name: string, text: string): void {
  saveBlob(name, new Blob([text], { type: "application/json" }));
}

/** Lets the reader keep bytes as a file. */
export function saveBytes(name: string, bytes: Uint8Array): void {
  saveBlob(name, new Blob([bytes.slice()], { type: "application/octet-stream" }));
}

/** Lets the reader keep a file that was made. */
export function saveBlob(name: string, blob: Blob): void {
  const address = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  // The browser takes the address up in its own time.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
