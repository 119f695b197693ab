import wasm from "virtual:wasm";
import { unpacked } from "./unpacked.ts";

let compiled: Promise<WebAssembly.Module> | null = null;

/** The inspector for every worker of the page: compiled once, and its code is in memory once. */
export function inspector(): Promise<WebAssembly.Module> {
  compiled ??= unpacked(wasm)
    .then((bytes) => bytes.arrayBuffer())
    .then((bytes) => WebAssembly.compile(bytes));
  return compiled;
}
