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
