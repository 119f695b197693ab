/** The sample snapshot, gzipped and in base64; null in a build without one. See vite/packed.ts. */
declare module "virtual:sample" {
  const packed: string | null;
  export default packed;
}

/** The inspector's wasm, packed with LZMA and in base64. */
declare module "virtual:wasm" {
  const packed: string | null;
  export default packed;
}

/** True in the benchmark's build, whose worker does nothing but SHA-256. */
declare const __HASH_ONLY__: boolean;

/** The project's version. */
declare const __VERSION__: string;
