import wasm from "virtual:wasm";
import { unlzma } from "./lzma.ts";

let compiled: Promise<WebAssembly.Module> | null = null;

/** Returns the compiled wasm module. All workers share it, so that it is compiled and in memory only once. */
export function inspector(): Promise<WebAssembly.Module> {
  compiled ??= unlzma(Uint8Array.from(atob(wasm ?? ""), (letter) => letter.charCodeAt(0))).then((bytes) => WebAssembly.compile(bytes));
  return compiled;
}
