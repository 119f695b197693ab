/** Parses a typed revision; digits may be grouped. Null for an empty text, undefined if it is not a number. */
export function revisionOf(text: string): bigint | null | undefined {
  const digits = text.replace(/[\s,_']/g, "");
  if (digits === "") return null;
  return /^\d{1,19}$/.test(digits) ? BigInt(digits) : undefined;
}

/** Formats a lease ID like etcdctl: hexadecimal, without a sign. */
export function leaseText(lease: bigint): string {
  return BigInt.asUintN(64, lease).toString(16);
}
