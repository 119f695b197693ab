import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";

/**
 * Packs the page's script: gzipped and in base64 it takes half the room. A few lines unpack it and run it as a script of the page; the policy names its digest
 * (`data-runs`), so that nothing else runs that way.
 */
export function packedScript(): Plugin {
  return {
    name: "etcdsnap-script",
    enforce: "post",
    generateBundle: {
      order: "post",
      handler(_options, bundle) {
        for (const asset of Object.values(bundle)) {
          if (asset.type !== "asset" || !asset.fileName.endsWith(".html")) continue;
          const html = asset.source.toString();
          const [tag, code] = /<script type="module"[^>]*>([\s\S]*?)<\/script>/.exec(html) ?? [];
          if (tag === undefined || code === undefined) this.error(`${asset.fileName} has no script to pack`);
          // The texts must not be read as replacement patterns.
          asset.source = html.replace(tag, () => unpacking(code));
        }
      },
    },
  };
}

function unpacking(code: string): string {
  const digest = createHash("sha256").update(code).digest("base64");
  const packed = gzipSync(code, { level: 9 }).toString("base64");
  const lines = [
    `const packed=Uint8Array.from(atob("${packed}"),(letter)=>letter.charCodeAt(0));`,
    `const script=document.createElement("script");`,
    `script.type="module";`,
    `script.textContent=await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();`,
    `document.head.append(script);`,
  ];
  return `<script type="module" data-runs="${digest}">${lines.join("")}</script>`;
}
