import { existsSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";

/** Gives `virtual:NAME`: a file in base64, gzipped unless it is packed already, or null where it is absent. */
export function packed(name: string, path: string): Plugin {
  const id = `virtual:${name}`;
  return {
    name: `etcdsnap-${name}`,
    resolveId: (asked) => (asked === id ? `\0${id}` : undefined),
    load(asked) {
      if (asked !== `\0${id}`) return undefined;
      if (!existsSync(path)) return "export default null;";
      this.addWatchFile(path);
      const bytes = readFileSync(path);
      return `export default ${JSON.stringify((path.endsWith(".lzma") ? bytes : gzipSync(bytes, { level: 9 })).toString("base64"))};`;
    },
  };
}
