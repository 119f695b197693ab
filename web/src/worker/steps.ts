import { StoreOpening, type StoreView } from "../generated/etcdsnap_inspector.js";

/** Bytes fetched ahead at a time, in all: several reads on their way are twice as fast as one after the other (Chromium 156). */
const AHEAD = 48 * 1024 * 1024;
/** Reads on their way at a time. */
const MOST = 12;
/** A longer span is left to the reads of single pages: most of it is not asked for, or it would take too much room. */
const LONGEST = 32 * 1024 * 1024;

/** Reads a file for what a store has begun: fetches the bytes of the next steps while it takes one. */
export async function readAll(view: StoreView, file: Blob, tell: (done: number, total: number) => void): Promise<void> {
  const spans = view.spans();
  const steps = Array.from({ length: spans.length / 2 }, (_, number) => ({ from: spans[2 * number] ?? 0, to: spans[2 * number + 1] ?? 0 }));
  const total = steps.reduce((sum, { from, to }) => sum + to - from, 0);
  const fetched: Promise<Uint8Array>[] = [];
  let ahead = 0;
  let next = 0;
  let done = 0;
  for (const [number, { from, to }] of steps.entries()) {
    for (let step = steps[next]; step !== undefined && next < number + MOST; step = steps[next]) {
      const length = step.to - step.from;
      if (next > number && ahead + length > AHEAD) break;
      fetched.push(length > LONGEST ? Promise.resolve(new Uint8Array()) : bytesOf(file.slice(step.from, step.to)));
      ahead += length;
      next += 1;
    }
    const bytes = await fetched.shift();
    view.step(number, from, bytes ?? new Uint8Array());
    ahead -= to - from;
    done += to - from;
    // Spans overlap where leaves lie in no order: their sum can be more than the file. There may also be nothing to read.
    tell(total > 0 ? Math.round((done / total) * file.size) : file.size, file.size);
  }
}

/** Opens the store in a file: fetches the pages that lead to its keys, those of a level side by side. */
export async function open(file: Blob, check: () => void): Promise<StoreOpening> {
  const opening = new StoreOpening(file);
  try {
    for (let spans = opening.wanted(); spans.length > 0; spans = opening.wanted()) {
      const parts: Blob[] = [];
      for (let at = 0; at < spans.length; at += 2) parts.push(file.slice(spans[at], spans[at + 1]));
      const bytes = await bytesOf(new Blob(parts));
      check();
      opening.step(spans, bytes);
    }
    return opening;
  } catch (error) {
    opening.giveUp();
    throw error;
  }
}

async function bytesOf(blob: Blob): Promise<Uint8Array> {
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch {
    // The step reads for itself then, and says what is wrong with the file where it does.
    return new Uint8Array();
  }
}
