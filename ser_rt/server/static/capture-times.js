/** When each chunk of audio was captured, to tell how long an event took to come. */

const KEPT_S = 60;

export class CaptureTimes {
  /** @type {{ end_s: number, captured_ms: number }[]} */
  #chunks = [];

  /** @param {number} end_s of a chunk @param {number} captured_ms when its end was captured */
  add(end_s, captured_ms) {
    this.#chunks.push({ end_s, captured_ms });
    while (this.#chunks[0].end_s < end_s - KEPT_S) this.#chunks.shift();
  }

  /** @param {number} time_s @param {number} now_ms @returns {number} since that was captured */
  delay_ms(time_s, now_ms) {
    const chunk = this.#chunks.find(({ end_s }) => end_s >= time_s - 1e-4) ?? this.#chunks.at(-1);
    if (!chunk) return 0;
    return Math.max(0, now_ms - chunk.captured_ms + 1000 * (chunk.end_s - time_s));
  }
}
