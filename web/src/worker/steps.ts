import { StoreOpening, type StoreView } from "../generated/etcdsnap_inspector.js";
import { readable } from "./read.ts";

/** Reads, in file order, the bytes that the store's current query still needs. */
export async function readAll(view: StoreView, file: Blob, reportProgress: (done: number, total: number) => void): Promise<void> {
  const bounds = view.runs();
  const runs = Array.from({ length: bounds.length / 2 }, (_, number) => ({ from: bounds[2 * number] ?? 0, to: bounds[2 * number + 1] ?? 0 }));
  const total = runs.reduce((sum, { from, to }) => sum + to - from, 0);
  let done = 0;
  for (const { from, to } of runs) {
    let at = from;
    for await (const piece of readable(file.slice(from, to))) {
      view.push(at, piece);
      at += piece.byteLength;
      done += piece.byteLength;
      reportProgress(Math.round((done / total) * file.size), file.size);
    }
  }
  const left = view.left();
  for (const [number, step] of left.entries()) {
    view.step(step);
    reportProgress(Math.round((number / left.length) * file.size), file.size);
    await receiveMessages();
  }
  reportProgress(file.size, file.size);
}

/** Lets the worker receive waiting messages, such as one to stop. */
function receiveMessages(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** Opens the store in a file. Fetches the branch pages level by level, many at a time. */
export async function open(file: Blob, older: boolean, check: () => void): Promise<StoreOpening> {
  const opening = new StoreOpening(file, older);
  try {
    for (let spans = opening.wanted(); spans.length > 0; spans = opening.wanted()) {
      const bytes = await bytesIn(file, spans);
      check();
      opening.step(spans, bytes);
    }
    return opening;
  } catch (error) {
    opening.giveUp();
    throw error;
  }
}

/** Returns the bytes in some ranges of a file, one after the other, with a single read. */
export async function bytesIn(file: Blob, spans: Float64Array): Promise<Uint8Array> {
  const parts: Blob[] = [];
  for (let at = 0; at < spans.length; at += 2) parts.push(file.slice(spans[at], spans[at + 1]));
  try {
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  } catch {
    // The wasm then reads by itself and reports what is wrong with the file.
    return new Uint8Array();
  }
}
