import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";

const SCRIPT = /<script type="module"[^>]*>([\s\S]*?)<\/script>/;

/**
 * Gzips the page's script, which takes less than half the room then. A script of a few lines unpacks it, in some milliseconds, and puts it in its place: the browser runs it because the
 * policy has its hash, too.
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
          const packed = gzipSync(script, { level: 9 }).toString("base64");
          // It runs when the page is there, as a module does.
          asset.source = html.replace(SCRIPT, "").replace("</body>", () => `<script type="module">${unpacking(packed)}</script></body>`);
        }
      },
    },
  };
}

function unpacking(packed: string): string {
  return [
    `const b=Uint8Array.from(atob("${packed}"),c=>c.charCodeAt(0));`,
    `const s=document.createElement("script");s.type="module";`,
    `s.textContent=await new Response(new Blob([b]).stream().pipeThrough(new DecompressionStream("gzip"))).text();`,
    `document.body.append(s)`,
  ].join("");
}
