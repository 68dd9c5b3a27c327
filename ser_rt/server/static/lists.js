/**
 * The stretches of one emotion and the turns of the part that is shown, in words: what is live with
 * the newest first, a recording in its order, where each one is a button that plays it.
 */

import { words } from "./preferences.js";
import { clock, percent, span } from "./texts.js";

/**
 * @typedef {import("./run.js").Run} Run
 * @typedef {{ start_s: number, end_s: number, emotion?: string, confidence?: number,
 *   channel?: number | null }} Stretch
 */

const MOST = { live: 6, recording: 18 };

const byId = (/** @type {string} */ id) => document.getElementById(id);

export class Lists {
  #names;
  #play;
  /** @type {Map<string, string>} what a list holds */
  #held = new Map();

  /** @param {import("./names.js").Names} names @param {(time_s: number) => void} play */
  constructor(names, play) {
    this.#names = names;
    this.#play = play;
  }

  /** @param {Run | null} run @param {{ from_s: number, to_s: number }} span what is shown */
  show(run, { from_s, to_s }) {
    const tracks = run?.tracks ?? [];
    const episodes = tracks.flatMap(({ segments, channel }) =>
      segments.between(from_s, to_s).map((one) => ({ ...one, channel })),
    );
    const turns = (run?.turns ?? [])
      .filter(({ start, end }) => start < to_s && end > from_s)
      .map(({ start, end, ...turn }) => ({ ...turn, start_s: start, end_s: end }));
    this.#fill("episodes", run, episodes.filter(({ kind }) => kind === "emotion"));
    this.#fill("turns", run, turns);
    byId("turns-part").hidden = !turns.length;
  }

  /** @param {string} id @param {Run | null} run @param {Stretch[]} found */
  #fill(id, run, found) {
    const is_live = !run?.recording;
    const sorted = found.toSorted((a, b) => a.start_s - b.start_s);
    const most = is_live ? (id === "turns" ? 2 * MOST.live : MOST.live) : MOST.recording;
    const shown = is_live ? sorted.slice(-most).reverse() : sorted.slice(0, most);
    const more = found.length - shown.length;
    const key = JSON.stringify([document.documentElement.lang, is_live, more, shown]);
    if (key === this.#held.get(id)) return;
    this.#held.set(id, key);
    const items = shown.map((one) => this.#item(one, is_live));
    const rest = document.createElement("li");
    rest.className = "more";
    rest.textContent = words().more(more);
    byId(id).replaceChildren(...items, ...(more && !is_live ? [rest] : []));
  }

  /** @param {Stretch} stretch @param {boolean} is_live */
  #item({ start_s, end_s, emotion, confidence, channel }, is_live) {
    const item = document.createElement("li");
    item.dataset.tone = this.#names.tone(emotion);
    const parts = [
      span("when", words().when(clock(start_s), (end_s - start_s).toFixed(1))),
      span("what", this.#names.name(emotion)),
      span("share", percent(confidence)),
      ...(channel ? [span("who", words().channel(channel))] : []),
    ];
    if (is_live) {
      item.append(...parts);
      return item;
    }
    const button = document.createElement("button");
    button.type = "button";
    button.title = words().play_from(clock(start_s));
    button.append(...parts);
    button.addEventListener("click", () => this.#play(start_s));
    item.append(button);
    return item;
  }
}
