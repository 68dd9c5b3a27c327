/** A bar for each emotion: name, length and percent. */

import { tonesOf } from "./tones.js";

/** @typedef {import("./ser-client.js").Label} Label */

export class Bars {
  #list;
  /** @type {Map<string, { row: HTMLElement, name: HTMLElement, fill: HTMLElement, percent: HTMLElement }>} */
  #rows = new Map();
  /** @type {Label[]} */
  #labels = [];

  /** @param {HTMLElement} list an empty list */
  constructor(list) {
    this.#list = list;
  }

  /** @param {Label[]} labels @param {"en" | "ko"} language */
  label(labels, language) {
    if (labels.map(({ en }) => en).join() !== this.#labels.map(({ en }) => en).join()) {
      this.#build(labels);
    }
    for (const label of labels) this.#rows.get(label.en).name.textContent = label[language];
  }

  /** @param {Record<string, number>} probabilities @param {string | null} named */
  show(probabilities, named) {
    this.#list.classList.toggle("faded", named === null);
    for (const [emotion, { row, fill, percent }] of this.#rows) {
      const share = probabilities[emotion] ?? 0;
      fill.style.transform = `scaleX(${share})`;
      percent.textContent = `${Math.round(100 * share)} %`;
      row.classList.toggle("named", emotion === named);
    }
  }

  clear() {
    for (const { row, fill, percent } of this.#rows.values()) {
      fill.style.transform = "scaleX(0)";
      percent.textContent = "–";
      row.classList.remove("named");
    }
  }

  /** @param {Label[]} labels */
  #build(labels) {
    const tones = tonesOf(labels);
    this.#labels = labels;
    this.#rows.clear();
    this.#list.replaceChildren();
    for (const { en } of labels) {
      const row = element("li", "bar");
      const name = element("span", "bar-name");
      const track = element("span", "bar-track");
      const fill = element("span", "bar-fill");
      const percent = element("span", "bar-percent");
      row.dataset.tone = tones.get(en);
      row.dataset.emotion = en;
      track.append(fill);
      row.append(name, track, percent);
      this.#list.append(row);
      this.#rows.set(en, { row, name, fill, percent });
    }
    this.clear();
  }
}

/** @param {string} tag @param {string} className */
function element(tag, className) {
  const made = document.createElement(tag);
  made.className = className;
  return made;
}
