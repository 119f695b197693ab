import { tick } from "svelte";

/** Lists that render only visible rows on the screen. Each registers how to add the others for printing. */
const lists = new Set<{ fill: () => Promise<void>; empty: () => void }>();

/** Registers a list for printing. The returned function removes it. */
export function registerForPrint(fill: () => Promise<void>, empty: () => void): () => void {
  const list = { fill, empty };
  lists.add(list);
  return () => lists.delete(list);
}

/** Prints the current view with all rows of its lists. */
export async function print(): Promise<void> {
  // A list that cannot load its rows prints those on the screen.
  await Promise.allSettled([...lists].map(({ fill }) => fill()));
  await tick();
  window.print();
  for (const { empty } of lists) empty();
}
