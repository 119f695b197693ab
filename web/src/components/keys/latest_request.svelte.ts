import { Closed, Stopped } from "../../store.svelte.ts";

/** The words of a refusal; null when the store was only closed meanwhile, or a person cancelled. */
export function problemOf(error: unknown): string | null {
  if (error instanceof Closed || error instanceof Stopped) return null;
  return error instanceof Error ? error.message : String(error);
}

/** The answer to the question asked last: answers to earlier ones that come late are dropped, and those that come when the view that made it is gone. */
export class LatestRequest<T> {
  answer = $state.raw<T | null>(null);
  problem = $state<string | null>(null);
  /** Whether the answer is there, null or not. */
  answered = $state(false);
  /** A person cancelled it. */
  stopped = $state(false);
  #round = 0;

  constructor() {
    $effect(() => () => {
      this.#round += 1;
    });
  }

  /** Asks; the answer before is gone at once. Whether this answer is the one that is there now. */
  async ask(question: () => Promise<T>): Promise<boolean> {
    this.clear();
    const round = this.#round;
    try {
      const answer = await question();
      if (round !== this.#round) return false;
      this.answer = answer;
      this.answered = true;
      return true;
    } catch (error) {
      if (round !== this.#round) return false;
      this.problem = problemOf(error);
      this.stopped = error instanceof Stopped;
      return false;
    }
  }

  clear(): void {
    this.#round += 1;
    this.answer = null;
    this.answered = false;
    this.problem = null;
    this.stopped = false;
  }
}
