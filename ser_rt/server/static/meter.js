/** How loud it is: quick to rise, slow to fall, in decibels below full scale. */

const FLOOR_DBFS = -60;
const FALL_DB = 1.5;

/** @param {number} linear in [0, 1] */
export const dbfs = (linear) => Math.max(FLOOR_DBFS, 20 * Math.log10(linear + 1e-9));

/** @param {number} linear in [0, 1] @returns {number} share of the way from the floor to full */
export const loudness = (linear) => 1 - dbfs(linear) / FLOOR_DBFS;

export class Meter {
  #meter;
  #fill;
  #text;
  #shown = FLOOR_DBFS;

  /** @param {HTMLElement} meter @param {HTMLElement} text */
  constructor(meter, text) {
    this.#meter = meter;
    this.#fill = /** @type {HTMLElement} */ (meter.firstElementChild);
    this.#text = text;
  }

  /** @param {{ rms: number, peak: number }} level @param {(level: number) => string} words */
  show({ rms, peak }, words) {
    this.#shown = Math.max(dbfs(rms), this.#shown - FALL_DB);
    this.#fill.style.transform = `scaleX(${1 - this.#shown / FLOOR_DBFS})`;
    this.#meter.setAttribute("aria-valuenow", this.#shown.toFixed(0));
    this.#meter.classList.toggle("clipping", peak >= 0.999);
    this.#text.textContent = words(Math.round(this.#shown));
  }

  /** @param {string} words */
  clear(words) {
    this.#shown = FLOOR_DBFS;
    this.#fill.style.transform = "scaleX(0)";
    this.#meter.setAttribute("aria-valuenow", String(FLOOR_DBFS));
    this.#meter.classList.remove("clipping");
    this.#text.textContent = words;
  }
}
