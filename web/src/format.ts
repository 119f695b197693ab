/** Formats numbers for display. Callers keep the exact values. */

const SI = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/** Formats a size in SI units, rounded as in etcdutl's simple output: `578 kB`, `1.5 GB`. */
export function size(bytes: bigint | number): string {
  const value = Number(bytes);
  if (value < 10) return `${value} B`;
  const power = Math.min(Math.floor(Math.log10(value) / 3), SI.length - 1);
  const scaled = Math.floor((value / 1000 ** power) * 10 + 0.5) / 10;
  return `${scaled < 10 ? scaled.toFixed(1) : scaled.toFixed(0)} ${SI[power]}`;
}

/** Returns the text after an exact number of bytes: its unit, or its rounded size. */
export function gloss(bytes: bigint | number): string {
  return bytes < 1000 ? "B" : size(bytes);
}

/** Splits digits into groups of three from the right: `["577", "536"]`. Any other text, and a number of less than five digits, is one group. */
export function groups(text: string): string[] {
  if (!/^\d{5,}$/.test(text)) return [text];
  const head = text.length % 3;
  const out = head > 0 ? [text.slice(0, head)] : [];
  for (let at = head; at < text.length; at += 3) out.push(text.slice(at, at + 3));
  return out;
}

/** Formats a number for a sentence, with thin spaces between groups of digits. */
export function count(value: bigint | number): string {
  return groups(value.toString()).join("\u2009");
}

/** Formats a number with its noun in singular or plural: `1 finding`, `12 findings`. */
export function plural(value: bigint | number, one: string, many = `${one}s`): string {
  return `${count(value)} ${BigInt(value) === 1n ? one : many}`;
}

/** Formats a duration: `0.4 s`, `12 s`, `3 min`. */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 99.5) return `${seconds.toFixed(0)} s`;
  return `${(seconds / 60).toFixed(0)} min`;
}

/** Formats a speed: `412 MB/s`. */
export function speed(bytesPerSecond: number): string {
  return `${size(bytesPerSecond)}/s`;
}

/** Formats the hash of a status as in etcdutl's simple output: `%x`, without leading zeros. */
export function hash(value: number): string {
  return value.toString(16);
}

const AGES: [number, string][] = [
  [31_557_600, "year"],
  [86_400, "day"],
  [3600, "hour"],
  [60, "minute"],
];

/** Describes how long ago a time was, in whole units: `3 days ago`. */
export function age(seconds: bigint | number, now = Date.now() / 1000): string {
  const gone = now - Number(seconds);
  // Clocks differ by minutes.
  if (gone < -300) return "in the future, by this computer's clock";
  for (const [unit, name] of AGES) {
    const whole = Math.floor(gone / unit);
    if (whole >= (name === "year" ? 2 : 1)) return `${plural(whole, name)} ago`;
  }
  return "just now";
}
