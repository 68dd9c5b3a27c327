/**
 * A bar for each emotion: mark, name, length and percent. Where there are many, only for the
 * likeliest; a button shows the others.
 */

/** @typedef {import("./ser-client.js").Label} Label */

const MANY = 8;
const TOP = 5;

export class Bars {
  #list;
  /** @type {Map<string, { row: HTMLElement, name: HTMLElement, fill: HTMLElement, percent: HTMLElement }>} */
  #rows = new Map();
  /** @type {Label[]} */
  #labels = [];
  #others = element("li", "others");
  #unfold = /** @type {HTMLButtonElement} */ (element("button", "plain"));
  #is_open = false;
  /** @type {Record<string, number>} */
  #shares = {};
  /** @type {(count: number, percent: number, is_open: boolean) => string} */
  #words = () => "";

  /** @param {HTMLElement} list an empty list */
  constructor(list) {
    this.#list = list;
    this.#unfold.type = "button";
    this.#unfold.addEventListener("click", () => {
      this.#is_open = !this.#is_open;
      this.#fold();
    });
    this.#others.append(this.#unfold);
  }

  /**
   * @param {Label[]} labels @param {(emotion: string) => string} tone @param {"en" | "ko"} language
   * @param {(count: number, percent: number, is_open: boolean) => string} words of the button
   */
  label(labels, tone, language, words) {
    this.#words = words;
    if (labels.map(({ en }) => en).join() !== this.#labels.map(({ en }) => en).join()) {
      this.#build(labels, tone);
    }
    for (const label of labels) this.#rows.get(label.en).name.textContent = label[language];
    this.#fold();
  }

  /** @param {Record<string, number>} probabilities @param {string | null} named */
  show(probabilities, named) {
    this.#shares = probabilities;
    this.#list.classList.toggle("faded", named === null);
    for (const [emotion, { row, fill, percent }] of this.#rows) {
      const share = probabilities[emotion] ?? 0;
      fill.style.transform = `scaleX(${share})`;
      percent.textContent = `${Math.round(100 * share)} %`;
      row.classList.toggle("named", emotion === named);
    }
    this.#fold();
  }

  clear() {
    this.#shares = {};
    for (const { row, fill, percent } of this.#rows.values()) {
      fill.style.transform = "scaleX(0)";
      percent.textContent = "–";
      row.classList.remove("named");
    }
    this.#fold();
  }

  /** Hide all but the likeliest, if there are many. */
  #fold() {
    const is_many = this.#labels.length > MANY;
    const names = this.#labels.map(({ en }) => en);
    const share = (/** @type {string} */ en) => this.#shares[en] ?? 0;
    const top = new Set(names.toSorted((a, b) => share(b) - share(a)).slice(0, TOP));
    const folded = names.filter((en) => is_many && !top.has(en));
    for (const [en, { row }] of this.#rows) {
      row.hidden = !this.#is_open && folded.includes(en);
    }
    this.#others.hidden = !is_many;
    const rest = Math.round(100 * folded.reduce((sum, en) => sum + share(en), 0));
    this.#unfold.textContent = this.#words(folded.length, rest, this.#is_open);
    this.#unfold.setAttribute("aria-expanded", String(this.#is_open));
  }

  /** @param {Label[]} labels @param {(emotion: string) => string} tone */
  #build(labels, tone) {
    this.#labels = labels;
    this.#rows.clear();
    this.#list.replaceChildren();
    for (const { en } of labels) {
      const row = element("li", "bar");
      const name = element("span", "bar-name");
      const track = element("span", "bar-track");
      const fill = element("span", "bar-fill");
      const percent = element("span", "bar-percent");
      row.dataset.tone = tone(en);
      row.dataset.emotion = en;
      track.append(fill);
      row.append(name, track, percent);
      this.#list.append(row);
      this.#rows.set(en, { row, name, fill, percent });
    }
    this.#list.append(this.#others);
    this.clear();
  }
}

/** @param {string} tag @param {string} className */
function element(tag, className) {
  const made = document.createElement(tag);
  made.className = className;
  return made;
}
