/** Returns what is wrong with a peer URL, as the rest of a sentence; null if it is valid. Same rules as `url` in core/src/restore/membership.rs. */
export function peerUrlProblem(url: string): string | null {
  const [, scheme = "", rest = ""] = /^([^:]*):\/\/(.*)$/.exec(url) ?? [];
  switch (scheme.toLowerCase()) {
    case "":
      return "does not begin with a scheme, such as http://";
    case "unix":
    case "unixs":
      return PLAIN.test(rest) ? null : "contains characters that a socket name cannot have";
    case "http":
    case "https":
      return hostProblem(rest);
    default:
      return "needs the scheme http, https, unix or unixs";
  }
}

const PLAIN = /^[\w.:/~-]+$/;
const LARGEST_PORT = 65_535;

function hostProblem(rest: string): string | null {
  if (rest.includes("/")) return "must not have a path";
  const [, host = "", port] = /^(.*):(.*)$/.exec(rest) ?? [];
  if (port === undefined) return "has no port";
  if (!/^\d+$/.test(port) || Number(port) > LARGEST_PORT) return "needs a port from 0 to 65535";
  const fits = host.startsWith("[") ? URL.canParse(`http://${host}`) : PLAIN.test(host) && !host.includes(":");
  return fits ? null : "has a host that is neither a name nor an address";
}

/** Normalizes a URL for comparison: its scheme in lower case. */
export function normalizedUrl(url: string): string {
  return url.replace(/^[^:]*/, (scheme) => scheme.toLowerCase());
}
