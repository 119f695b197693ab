const UNITS: Record<string, number> = { "": 1, b: 1, k: 1e3, kb: 1e3, m: 1e6, mb: 1e6, kib: 1024, mib: 1024 ** 2 };

/** A number of bytes as people type it: `512`, `1.5 MB`, `64KiB`. Null for nothing, undefined for what is no size. */
export function sizeOf(text: string): number | null | undefined {
  if (text.trim() === "") return null;
  const [, number, unit] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text) ?? [];
  const factor = UNITS[(unit ?? "?").toLowerCase()];
  return number === undefined || factor === undefined ? undefined : Math.round(Number(number) * factor);
}

/** A revision as people type it; gaps between groups are let through. Null for nothing, undefined for what is no number. */
export function revisionOf(text: string): bigint | null | undefined {
  const digits = text.replace(/[\s,_']/g, "");
  if (digits === "") return null;
  return /^\d{1,19}$/.test(digits) ? BigInt(digits) : undefined;
}

/** A lease as etcdctl writes it: hexadecimal, without a sign. */
export function leaseText(lease: bigint): string {
  return BigInt.asUintN(64, lease).toString(16);
}
