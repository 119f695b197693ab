import { existsSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";

/** Gives `virtual:NAME`: a file, gzipped and in base64, or null where it is absent. */
export function packed(name: string, path: string): Plugin {
  const id = `virtual:${name}`;
  return {
    name: `etcdsnap-${name}`,
    resolveId: (asked) => (asked === id ? `\0${id}` : undefined),
    load(asked) {
      if (asked !== `\0${id}`) return undefined;
      if (!existsSync(path)) return "export default null;";
      this.addWatchFile(path);
      return `export default ${JSON.stringify(gzipSync(readFileSync(path), { level: 9 }).toString("base64"))};`;
    },
  };
}
