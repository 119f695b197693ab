import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { deflateRawSync } from "node:zlib";
import type { Plugin } from "vite";

/**
 * Packs the page's script: deflated and in base64 it takes half the room. A few lines unpack it and run it as a script of the page; the policy names its digest
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

/** Without its comments and indentation. */
const inflate = readFileSync(new URL("inflate.js", import.meta.url), "utf8")
  .replaceAll(/\/\*[\s\S]*?\*\//g, "")
  .replaceAll(/\n\s*/g, "\n")
  .trim();

function unpacking(code: string): string {
  const digest = createHash("sha256").update(code).digest("base64");
  const bytes = Buffer.from(code);
  const packed = deflateRawSync(bytes, { level: 9 }).toString("base64");
  const lines = [
    inflate,
    `const packed=Uint8Array.from(atob("${packed}"),(letter)=>letter.charCodeAt(0));`,
    `const script=document.createElement("script");`,
    `script.type="module";`,
    `script.textContent=new TextDecoder().decode(inflate(packed,${bytes.length}));`,
    `document.head.append(script);`,
  ];
  return `<script type="module" data-runs="${digest}">${lines.join("\n")}</script>`;
}
