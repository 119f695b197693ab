/** Weight of the newest measurement in the smoothed speed. */
const SMOOTHING = 0.15;

/** The progress of a long task: bytes done, bytes in total, and speed. */
export class ProgressRate {
  done = $state(0);
  total = $state(0);
  /** Smoothed speed in bytes per second; 0 while unknown. */
  bytesPerSecond = $state(0);
  #updatedAt = 0;

  /** Starts again from zero. */
  start(total: number): void {
    this.done = 0;
    this.total = total;
    this.bytesPerSecond = 0;
    this.#updatedAt = performance.now();
  }

  /** Records the progress. Ignores values that are not finite numbers. */
  update(done: number, total: number): void {
    if (!Number.isFinite(done) || !Number.isFinite(total)) return;
    const now = performance.now();
    if (done > this.done) {
      const current = ((done - this.done) / Math.max(1, now - this.#updatedAt)) * 1000;
      this.bytesPerSecond = this.bytesPerSecond === 0 ? current : this.bytesPerSecond + SMOOTHING * (current - this.bytesPerSecond);
    }
    this.#updatedAt = now;
    this.done = done;
    this.total = total;
  }

  /** Whole percent done, 0 to 100. */
  get percent(): number {
    return this.total > 0 ? Math.min(100, Math.floor((this.done / this.total) * 100)) : 0;
  }

  /** Estimated seconds left; null while unknown. */
  get secondsLeft(): number | null {
    return this.bytesPerSecond > 0 ? Math.max(0, this.total - this.done) / this.bytesPerSecond : null;
  }
}
