import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { env } from "node:process";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../../", import.meta.url));

/** The page as it ships. */
export const builtPage = join(root, "web/dist/index.html");

/** Screenshots are kept here. */
export const artifacts = join(root, "tests/artifacts/page");
mkdirSync(artifacts, { recursive: true });

/** Returns the path of a recorded snapshot. */
export function caseFile(name: string): string {
  return join(root, "tests/cases", name, "snapshot.db");
}

/** The names of all recorded snapshots. */
export const cases: string[] = readdirSync(join(root, "tests/cases"))
  .filter((name) => existsSync(caseFile(name)))
  .sort();
if (cases.length === 0) throw new Error("There is no case in tests/cases.");

/** The output of `etcdsnap status -w json`; tests compare other members as a whole. */
export interface CliStatus {
  hash: number;
  revision: number;
  totalKey: number;
  totalSize: number;
  version: string;
  totalEntries: number;
}

/** The output of `etcdsnap verify -w json`. */
export interface CliReport {
  file: string;
  verdict: string;
  findings: { code: string; because?: string }[];
  sha256: { present: boolean; expected: string | null; actual: string | null };
  status: CliStatus | null;
  lost: object | null;
}

export function status(file: string): CliStatus {
  return JSON.parse(cli(["status", file, "-w", "json"])) as CliStatus;
}

export function verify(file: string): CliReport {
  return JSON.parse(cli(["verify", file, "-w", "json"])) as CliReport;
}

/** Returns the same as text. */
export function verifyText(file: string): string {
  return cli(["verify", file]);
}

/** Runs etcdsnap; exit code 1 means a damaged file, not a failure. */
function cli(args: string[]): string {
  try {
    return execFileSync(program(), args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    const { status, stdout } = error as { status?: number; stdout?: string };
    if (status === 1 && stdout !== undefined) return stdout;
    throw error;
  }
}

/** Returns the newest etcdsnap that cargo built, or the one that $ETCDSNAP_BIN names. */
export function program(): string {
  if (env["ETCDSNAP_BIN"]) return env["ETCDSNAP_BIN"];
  const target = env["CARGO_TARGET_DIR"] ?? join(root, "target");
  const built = ["release", "debug"].map((profile) => join(target, profile, "etcdsnap")).filter((path) => existsSync(path));
  const [newest] = built.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  if (newest === undefined) throw new Error("No etcdsnap to compare with: run `cargo build`, or name one in ETCDSNAP_BIN.");
  return newest;
}
