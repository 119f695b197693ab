import { existsSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";

const NAME = "virtual:sample";

/** Gives `virtual:sample`: the sample snapshot, gzipped and in base64, or null where the file is absent. */
export function sample(path: string): Plugin {
  return {
    name: "etcdsnap-sample",
    resolveId: (id) => (id === NAME ? `\0${NAME}` : undefined),
    load(id) {
      if (id !== `\0${NAME}`) return undefined;
      if (!existsSync(path)) return "export default null;";
      this.addWatchFile(path);
      const packed = gzipSync(readFileSync(path), { level: 9 }).toString("base64");
      return `export default ${JSON.stringify(packed)};`;
    },
  };
}
