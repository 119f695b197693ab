/** Unpacks data that `vite/packed.ts` put into the page. The page must not fetch anything, not even its own `data:` URLs, so base64 is decoded here. */
export async function unpacked(packed: string | null): Promise<Blob> {
  const bytes = Uint8Array.from(atob(packed ?? ""), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).blob();
}
