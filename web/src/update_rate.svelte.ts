/** How much of a speed's past counts, each time it is told. */
const SMOOTHING = 0.15;

/** How far something is that takes long, and how fast it goes. */
export class Pace {
  done = $state(0);
  total = $state(0);
  /** Bytes a second, smoothed; 0 while unknown. */
  rate = $state(0);
  #told = 0;

  /** Begins anew. */
  begin(total: number): void {
    this.done = 0;
    this.total = total;
    this.rate = 0;
    this.#told = performance.now();
  }

  /** Tells how far it is. What is no number is not shown. */
  tell(done: number, total: number): void {
    if (!Number.isFinite(done) || !Number.isFinite(total)) return;
    const now = performance.now();
    if (done > this.done) {
      const current = ((done - this.done) / Math.max(1, now - this.#told)) * 1000;
      this.rate = this.rate === 0 ? current : this.rate + SMOOTHING * (current - this.rate);
    }
    this.#told = now;
    this.done = done;
    this.total = total;
  }

  /** Part done, 0 to 100, whole numbers. */
  get percent(): number {
    return this.total > 0 ? Math.min(100, Math.floor((this.done / this.total) * 100)) : 0;
  }

  /** Seconds left; null while that cannot be told. */
  get left(): number | null {
    return this.rate > 0 ? Math.max(0, this.total - this.done) / this.rate : null;
  }
}
