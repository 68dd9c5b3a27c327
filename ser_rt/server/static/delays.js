/** The last delays, and what half and 95 in 100 of them stay under. */

const KEPT = 240;

export class Delays {
  /** @type {number[]} */
  #values = [];

  /** @param {number} ms */
  add(ms) {
    this.#values.push(ms);
    if (this.#values.length > KEPT) this.#values.shift();
  }

  get count() {
    return this.#values.length;
  }

  /** @param {number} share in [0, 1] */
  percentile(share) {
    const sorted = this.#values.toSorted((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  }
}
