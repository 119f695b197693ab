import { tick } from "svelte";

/** Lists show the rows in sight alone; on paper they have more of them. Each says here how to get them. */
const lists = new Set<{ fill: () => Promise<void>; empty: () => void }>();

/** Takes part in what is printed, until the function that it returns is called. */
export function onPaper(fill: () => Promise<void>, empty: () => void): () => void {
  const list = { fill, empty };
  lists.add(list);
  return () => lists.delete(list);
}

/** Prints the view, with its lists. */
export async function print(): Promise<void> {
  // A list that cannot be filled prints what is on the screen.
  await Promise.allSettled([...lists].map(({ fill }) => fill()));
  await tick();
  window.print();
  for (const { empty } of lists) empty();
}
