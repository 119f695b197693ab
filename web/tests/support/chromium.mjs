import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { env, getuid } from "node:process";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

const QUIET = [
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-default-apps",
  "--disable-domain-reliability",
  "--disable-sync",
  "--metrics-recording-only",
  "--no-first-run",
  "--no-pings",
];

/**
 * How to start the Chromium of this machine: the one that $CHROMIUM names, else the first in the PATH.
 *
 * @returns {{ executablePath: string, args: string[] }}
 */
export function chromium() {
  const executablePath = env["CHROMIUM"] || found();
  if (executablePath === undefined) {
    throw new Error(
      "The page's tests need Chromium. Install it (Debian, Ubuntu: apt-get install chromium) or name one in the variable CHROMIUM.",
    );
  }
  // Chromium's sandbox refuses to start as root.
  return { executablePath, args: getuid?.() === 0 ? ["--no-sandbox", ...QUIET] : QUIET };
}

/** @returns {string | undefined} */
function found() {
  const folders = (env["PATH"] ?? "").split(delimiter);
  const candidates = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
