import { existsSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";

/**
 * Gives `virtual:NAME`: a file in base64, gzipped unless it is packed already, or null where it is absent. It stands in an element of the page that runs nothing, beside the script,
 * which is unpacked at once and had better be short.
 */
export function packed(name: string, path: string): Plugin {
  const id = `virtual:${name}`;
  return {
    name: `etcdsnap-${name}`,
    resolveId: (asked) => (asked === id ? `\0${id}` : undefined),
    load(asked) {
      if (asked !== `\0${id}`) return undefined;
      if (!existsSync(path)) return "export default null;";
      this.addWatchFile(path);
      return `export default document.querySelector("#packed-${name}").textContent;`;
    },
    transformIndexHtml() {
      if (!existsSync(path)) return [];
      const bytes = readFileSync(path);
      const text = (path.endsWith(".lzma") ? bytes : gzipSync(bytes, { level: 9 })).toString("base64");
      return [{ tag: "script", attrs: { type: "text/plain", id: `packed-${name}` }, children: text, injectTo: "body" }];
    },
  };
}
