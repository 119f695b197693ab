import { problemOf, CallStopped } from "../../store.svelte.ts";

/** The answer to the newest request. Late answers to earlier requests are dropped, and so are answers after the component is gone. */
export class LatestRequest<T> {
  answer = $state.raw<T | null>(null);
  problem = $state<string | null>(null);
  /** Whether the newest request is not answered yet. */
  pending = $state(false);
  /** Whether the answer has arrived; it may be null. */
  answered = $state(false);
  /** Whether the request was cancelled. */
  stopped = $state(false);
  #round = 0;

  constructor() {
    $effect(() => () => {
      this.#round += 1;
    });
  }

  /** Sends a request and clears the previous answer. Returns whether `answer` is the answer to this request. */
  async ask(question: () => Promise<T>): Promise<boolean> {
    this.clear();
    this.pending = true;
    const round = this.#round;
    try {
      const answer = await question();
      if (round !== this.#round) return false;
      this.pending = false;
      this.answer = answer;
      this.answered = true;
      return true;
    } catch (error) {
      if (round !== this.#round) return false;
      this.pending = false;
      this.problem = problemOf(error);
      this.stopped = error instanceof CallStopped;
      return false;
    }
  }

  /** Drops the answer and ignores the pending request. */
  clear(): void {
    this.#round += 1;
    this.pending = false;
    this.answer = null;
    this.answered = false;
    this.problem = null;
    this.stopped = false;
  }
}
