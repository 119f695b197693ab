import packedSample from "virtual:sample";
import { unpacked } from "./unpacked.ts";

/** Whether this page contains a sample snapshot. */
export const hasSample = packedSample !== null;

/** Returns the sample snapshot as a file, as if it had been dropped. */
export async function openSample(): Promise<File> {
  return new File([await unpacked(packedSample)], "sample.db");
}

/** Tells by its name and size whether a dropped file may be an EncryptionConfiguration. */
export function isConfiguration({ name, size }: File): boolean {
  return /\.(?:ya?ml|json|conf)$/i.test(name) && size < 1024 * 1024;
}

/** Opens the browser's file dialog. `App.svelte` sets the function. */
export const picker = { open: (): void => {} };

/** Paths of the database, from different levels of a data directory. */
const IN_A_DATA_DIRECTORY = ["member/snap/db", "snap/db", "db"];

/** The files of a drop, and a message about what could not be opened. */
export interface Dropped {
  files: File[];
  notice: string | null;
}

/** Returns the files of a drop; from a data directory, its database. */
export async function dropped(transfer: DataTransfer): Promise<Dropped> {
  // Read everything before the first await: afterwards the transfer is empty.
  const files = [...transfer.files];
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry());
  const folders = entries.filter((entry): entry is FileSystemDirectoryEntry => entry?.isDirectory === true);
  if (folders.length === 0) return { files, notice: files.length > 0 ? null : "That is not a file. Drop a snapshot file, or press o to open one." };
  const plain = files.filter((file) => !folders.some((folder) => folder.name === file.name));
  const missed: string[] = [];
  for (const folder of folders) {
    const database = await databaseIn(folder);
    if (database === null) missed.push(folder.name);
    else plain.push(new File([database], `${folder.name}/db`));
  }
  const notice = missed.length > 0 ? `${missed.join(", ")} contains no etcd database. Drop a snapshot file, an etcd data directory, or its file member/snap/db.` : null;
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

/** Downloads JSON text as a file. */
export function save(name: string, text: string): void {
  saveBlob(name, new Blob([text], { type: "application/json" }));
}

/** Downloads bytes as a file. */
export function saveBytes(name: string, bytes: Uint8Array): void {
  saveBlob(name, new Blob([bytes.slice()], { type: "application/octet-stream" }));
}

/** Downloads a blob as a file. */
export function saveBlob(name: string, blob: Blob): void {
  const address = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  // The browser may start the download later.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
