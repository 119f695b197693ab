/** How numbers and places are written for people. Exact values stay with the callers. */

const SI = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/** A size in SI units, rounded as etcdutl's simple output rounds it: `578 kB`, `1.5 GB`. */
export function size(bytes: bigint | number): string {
  const value = Number(bytes);
  if (value < 10) return `${value} B`;
  const power = Math.min(Math.floor(Math.log10(value) / 3), SI.length - 1);
  const scaled = Math.floor((value / 1000 ** power) * 10 + 0.5) / 10;
  return `${scaled < 10 ? scaled.toFixed(1) : scaled.toFixed(0)} ${SI[power]}`;
}

/** What stands behind an exact number of bytes: its unit, or the size that it rounds to. */
export function gloss(bytes: bigint | number): string {
  return bytes < 1000 ? "B" : size(bytes);
}

/** Digits in groups of three from the right: `["577", "536"]`. Anything but a long whole number is one group. */
export function groups(text: string): string[] {
  if (!/^\d{5,}$/.test(text)) return [text];
  const head = text.length % 3;
  const out = head > 0 ? [text.slice(0, head)] : [];
  for (let at = head; at < text.length; at += 3) out.push(text.slice(at, at + 3));
  return out;
}

/** A number in prose, its groups apart by thin spaces. */
export function count(value: bigint | number): string {
  return groups(value.toString()).join("\u2009");
}

/** `one` or `many`, by the number, with the number: `1 finding`, `12 findings`. */
export function plural(value: bigint | number, one: string, many = `${one}s`): string {
  return `${count(value)} ${BigInt(value) === 1n ? one : many}`;
}

/** A duration for a progress line: `0.4 s`, `12 s`, `3 min`. */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 99.5) return `${seconds.toFixed(0)} s`;
  return `${(seconds / 60).toFixed(0)} min`;
}

/** A speed in whole units: `412 MB/s`. */
export function speed(bytesPerSecond: number): string {
  return `${size(bytesPerSecond)}/s`;
}

/** The hash of a status as etcdutl's simple output prints it: `%x`, without leading zeros. */
export function hash(value: number): string {
  return value.toString(16);
}

const AGES: [number, string][] = [
  [31_557_600, "year"],
  [86_400, "day"],
  [3600, "hour"],
  [60, "minute"],
];

/** How long ago something was, in whole units: `3 days ago`. */
export function age(seconds: bigint | number, now = Date.now() / 1000): string {
  const gone = now - Number(seconds);
  // Clocks differ by minutes.
  if (gone < -300) return "later than the clock of this computer";
  for (const [unit, name] of AGES) {
    const whole = Math.floor(gone / unit);
    if (whole >= (name === "year" ? 2 : 1)) return `${plural(whole, name)} ago`;
  }
  return "just now";
}
