/** The sample snapshot as base64 of gzip; null in a build without one. See vite/packed.ts. */
declare module "virtual:sample" {
  const packed: string | null;
  export default packed;
}

/** The wasm module as base64 of LZMA. */
declare module "virtual:wasm" {
  const packed: string | null;
  export default packed;
}

/** True in the build for the benchmark, whose worker only computes SHA-256. */
declare const __HASH_ONLY__: boolean;

/** The project's version. */
declare const __VERSION__: string;
