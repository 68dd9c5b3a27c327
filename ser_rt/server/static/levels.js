/** How loud each moment of a session was, in steps; the loudest of many steps is found quickly. */

export const STEP_S = 0.05;
const BLOCK = 64;

export class Levels {
  #steps = new Float32Array(4096);
  #blocks = new Float32Array(4096 / BLOCK);

  /** @param {number} step @param {number} level in [0, 1] */
  put(step, level) {
    while (step >= this.#steps.length) {
      this.#steps = grown(this.#steps);
      this.#blocks = grown(this.#blocks);
    }
    const block = Math.floor(step / BLOCK);
    this.#steps[step] = Math.max(this.#steps[step], level);
    this.#blocks[block] = Math.max(this.#blocks[block], level);
  }

  /** @returns {number} the highest level between two times */
  between(from_s, to_s) {
    const end = Math.min(this.#steps.length, Math.max(0, Math.round(to_s / STEP_S)));
    let found = 0;
    for (let step = Math.max(0, Math.round(from_s / STEP_S)); step < end; ) {
      const is_block = step % BLOCK === 0 && step + BLOCK <= end;
      found = Math.max(found, is_block ? this.#blocks[step / BLOCK] : this.#steps[step]);
      step += is_block ? BLOCK : 1;
    }
    return found;
  }
}

/** @param {Float32Array} array */
function grown(array) {
  const longer = new Float32Array(2 * array.length);
  longer.set(array);
  return longer;
}
