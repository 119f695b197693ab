import wasm from "virtual:wasm";
import { unlzma } from "./lzma.ts";

let compiled: Promise<WebAssembly.Module> | null = null;

/** The inspector for every worker of the page: unpacked and compiled once, and its code is in memory once. */
export function inspector(): Promise<WebAssembly.Module> {
  compiled ??= unlzma(Uint8Array.from(atob(wasm ?? ""), (letter) => letter.charCodeAt(0))).then((bytes) => WebAssembly.compile(bytes));
  return compiled;
}
