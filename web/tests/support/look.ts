import { spawnSync } from "node:child_process";
import { program } from "./repo.ts";

export { program };

/** A JSON line that etcdsnap prints. */
export type Line = Record<string, unknown>;

/** Runs etcdsnap with `-w json` and returns its lines. Exit code 1 means damage or differences, not a failure. */
export function lines(...args: string[]): Line[] {
  return output(...args, "-w", "json")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
}

/** Returns a key, or another name, of such a line, as page and terminal display it. */
export function nameIn(line: Line, name = "key"): string {
  const [plain, base64] = [line[name], line[`${name}Base64`]];
  return keyText(typeof base64 === "string" ? Buffer.from(base64, "base64") : Buffer.from(String(plain)));
}

/** Displays a key: plain, or in quotes with escapes if it could be misread. Mirrors `key_text` in core/src/key_syntax.rs. */
function keyText(key: Buffer): string {
  const text = key.toString("utf8");
  const odd = /[\s"'\\\p{Cc}\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;
  if (text !== "" && Buffer.from(text).equals(key) && !odd.test(text)) return text;
  const named: Record<number, string> = { 9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 39: "\\'", 92: "\\\\" };
  const sign = (byte: number): string => named[byte] ?? (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`);
  return `"${[...key].map(sign).join("")}"`;
}

/** Returns everything that etcdsnap prints. */
export function output(...args: string[]): string {
  return run(args).stdout;
}

/** Returns the notes and warnings that etcdsnap writes beside its output. */
export function notes(...args: string[]): string {
  return run(args).stderr;
}

function run(args: string[]): { stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(program(), args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 28 });
  if (status !== 0 && status !== 1) throw new Error(`etcdsnap ${args.join(" ")}: ${stderr}`);
  return { stdout, stderr };
}
