import { createHash } from "node:crypto";
import type { Plugin } from "vite";

const PLACEHOLDER = `http-equiv="Content-Security-Policy" content=""`;

/** Writes the page's policy: no network at all, and only the script and style that were built into it. */
export function contentSecurityPolicy(): Plugin {
  return {
    name: "etcdsnap-csp",
    enforce: "post",
    generateBundle: {
      // After everything is inlined, since the hashes are over the final text.
      order: "post",
      handler(_options, bundle) {
        for (const asset of Object.values(bundle)) {
          if (asset.type !== "asset" || !asset.fileName.endsWith(".html")) continue;
          const html = asset.source.toString();
          if (!html.includes(PLACEHOLDER)) this.error(`${asset.fileName} has no place for its policy`);
          const external = /<(?:script|link)\b[^>]*\b(?:src|href)="(?!data:)[^"]*"/.exec(html);
          if (external) this.error(`${asset.fileName} is not self-contained: ${external[0]}`);
          // The policy's text must not be read as a replacement pattern.
          asset.source = html.replace(PLACEHOLDER, () => `http-equiv="Content-Security-Policy" content="${policy(html)}"`);
        }
      },
    },
  };
}

function policy(html: string): string {
  return [
    "default-src 'none'",
    `script-src ${hashes(html, "script")} 'wasm-unsafe-eval'`,
    "worker-src blob:",
    `style-src ${hashes(html, "style")}`,
    "img-src data:",
    "connect-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}

function hashes(html: string, tag: "script" | "style"): string {
  const elements = html.matchAll(new RegExp(`<${tag}\\b(?![^>]*type="text/plain")[^>]*>([\\s\\S]*?)</${tag}>`, "g"));
  const found = Array.from(elements, ([, text]) => `'sha256-${createHash("sha256").update(text ?? "").digest("base64")}'`);
  // What a script unpacks and runs: see script.ts.
  if (tag === "script") found.push(...Array.from(html.matchAll(/<script\b[^>]* data-runs="([^"]+)"/g), ([, digest]) => `'sha256-${digest}'`));
  return found.length > 0 ? found.join(" ") : "'none'";
}
