/** Weight of the newest measurement in the smoothed speed. */
const SMOOTHING = 0.15;

/** The progress of a long task: bytes done, bytes in total, and speed. */
export class Pace {
  done = $state(0);
  total = $state(0);
  /** Smoothed speed in bytes per second; 0 while unknown. */
  rate = $state(0);
  #told = 0;

  /** Starts again from zero. */
  begin(total: number): void {
    this.done = 0;
    this.total = total;
    this.rate = 0;
    this.#told = performance.now();
  }

  /** Records the progress. Ignores values that are not finite numbers. */
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

  /** Whole percent done, 0 to 100. */
  get percent(): number {
    return this.total > 0 ? Math.min(100, Math.floor((this.done / this.total) * 100)) : 0;
  }

  /** Estimated seconds left; null while unknown. */
  get left(): number | null {
    return this.rate > 0 ? Math.max(0, this.total - this.done) / this.rate : null;
  }
}
