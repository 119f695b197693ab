/** What `vite/packed.ts` put into the page, as it was: the page may fetch nothing, not even its own data: addresses, so it is decoded by hand. */
export async function unpacked(packed: string | null): Promise<Blob> {
  const bytes = Uint8Array.from(atob(packed ?? ""), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).blob();
}
