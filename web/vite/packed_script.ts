import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { deflateRawSync } from "node:zlib";
import type { Plugin } from "vite";

const SCRIPT = /<script type="module"[^>]*>([\s\S]*?)<\/script>/;

/**
 * Deflates the page's script, which takes less than half the room then. A short script unpacks it, in some milliseconds, and puts it in its place: the browser runs it because the
 * policy has its hash, too. It does so before the page counts as loaded: a `DecompressionStream` answers later, and keys pressed meanwhile would be lost.
 */
export function packedScript(): Plugin & { hashes: string[] } {
  const hashes: string[] = [];
  return {
    name: "etcdsnap-packed-script",
    hashes,
    enforce: "post",
    generateBundle: {
      order: "post",
      handler(_options, bundle) {
        for (const asset of Object.values(bundle)) {
          if (asset.type !== "asset" || !asset.fileName.endsWith(".html")) continue;
          const html = asset.source.toString();
          const script = SCRIPT.exec(html)?.[1];
          if (script === undefined) this.error(`${asset.fileName} has no script to pack`);
          hashes.push(`'sha256-${createHash("sha256").update(script).digest("base64")}'`);
          // It runs when the page is there, as a module does.
          asset.source = html.replace(SCRIPT, "").replace("</body>", () => `<script type="module">${unpacking(script)}</script></body>`);
        }
      },
    },
  };
}

/** Unpacks at once; without its comments and indentation. */
const inflate = readFileSync(new URL("inflate.js", import.meta.url), "utf8")
  .replaceAll(/\/\*[\s\S]*?\*\//g, "")
  .replaceAll(/\n\s*/g, "\n")
  .trim();

function unpacking(script: string): string {
  const bytes = Buffer.from(script);
  return [
    inflate,
    `const b=Uint8Array.from(atob("${deflateRawSync(bytes, { level: 9 }).toString("base64")}"),c=>c.charCodeAt(0));`,
    `const s=document.createElement("script");s.type="module";`,
    `s.textContent=new TextDecoder().decode(inflate(b,${bytes.length}));`,
    `document.body.append(s)`,
  ].join("\n");
}
