/** Names and looks of a model's emotions, in the language and the colours of the page. */

import { language, words } from "./preferences.js";
import { colorOf, lookOf, tonesOf } from "./tones.js";

/** @typedef {import("./ser-client.js").Label} Label */

export class Names {
  /** @type {Label[]} */
  labels = [];
  /** @type {Map<string, string>} */
  #tones = new Map();

  /** @param {Label[]} labels */
  take(labels) {
    this.labels = labels;
    this.#tones = tonesOf(labels);
  }

  /** @param {string | null | undefined} emotion */
  tone(emotion) {
    return emotion ? (this.#tones.get(emotion) ?? "unsure") : "none";
  }

  /** @param {string} emotion */
  name(emotion) {
    const label = this.labels.find(({ en }) => en === emotion);
    return label?.[language()] ?? (emotion === "unsure" ? words().unsure : emotion);
  }

  /** The name in the other language, if it differs. @param {string} emotion */
  otherName(emotion) {
    const label = this.labels.find(({ en }) => en === emotion);
    const other = label?.[language() === "ko" ? "en" : "ko"] ?? "";
    return other === this.name(emotion) ? "" : other;
  }

  /** What drawings need. @returns {import("./timeline.js").Look} */
  look() {
    const emotions = [...this.labels.map(({ en }) => en), "unsure"];
    const looks = new Map(emotions.map((en) => [en, lookOf(this.tone(en))]));
    const all = this.labels.map(({ en }) => this.name(en));
    const of = (/** @type {string} */ emotion) => looks.get(emotion) ?? looks.get("unsure");
    return {
      ink: colorOf("--ink-2"),
      strong: colorOf("--ink"),
      faint: colorOf("--line-2"),
      font: `600 12px ${getComputedStyle(document.body).fontFamily}`,
      tone: (emotion) => of(emotion).tone,
      on: (emotion) => of(emotion).on,
      word: (emotion) => of(emotion).word,
      mark: (emotion) => of(emotion).mark,
      name: (emotion) => this.name(emotion),
      short: (emotion) => shortest(this.name(emotion), all),
      channel: (channel) => words().channel(channel),
      silence: words().silence,
      unheard: words().unheard,
    };
  }
}

/** The first letters of a name that no other name begins with. @param {string[]} all */
function shortest(name, all) {
  for (let length = 1; length < name.length; length += 1) {
    const start = name.slice(0, length);
    if (all.filter((other) => other.startsWith(start)).length <= 1) return start;
  }
  return name;
}
