import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";
import { viteSingleFile } from "vite-plugin-singlefile";
import { contentSecurityPolicy } from "./vite/csp.ts";
import { packed } from "./vite/packed.ts";
import { packedScript } from "./vite/script.ts";

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const sample = packed("sample", path("../samples/sample.db"));
/** Packed with LZMA, the wasm takes less than a third of the room; `src/lzma.ts` unpacks it. */
const wasm = packed("wasm", path("src/generated/etcdsnap_inspector_bg.wasm.lzma"));

const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8")) as { version: string };

/** `vite build` makes the page; `vite build --mode bench` the page whose worker only hashes, for the benchmark. */
export default defineConfig(({ mode }) => ({
  base: "./",
  define: { __HASH_ONLY__: JSON.stringify(mode === "bench"), __VERSION__: JSON.stringify(version) },
  plugins: [svelte(), sample, wasm, viteSingleFile({ removeViteModuleLoader: true }), packedScript(), contentSecurityPolicy()],
  worker: { format: "iife" as const },
  build: {
    outDir: mode === "bench" ? "dist/bench" : "dist",
    emptyOutDir: true,
    target: ["chrome123", "firefox121", "safari17.5"],
    assetsInlineLimit: Number.MAX_SAFE_INTEGER,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1024,
  },
}));
