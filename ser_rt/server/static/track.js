/** What is known of one channel of a session, or of all of them together. */

import { Levels } from "./levels.js";
import { firstIndex, Segments } from "./segments.js";

/** @typedef {import("./ser-client.js").SerEvent} SerEvent */

/** How long after the middle of a window smoothing may name its emotion. */
const LATE_S = 2;

export class Track {
  segments = new Segments();
  /** @type {SerEvent[]} results, oldest first */
  results = [];

  /**
   * @param {number | null} channel from 1; null is all channels together
   * @param {boolean} is_live of what is not live, the server's episodes are the segments
   * @param {Levels} [levels] where they are known from the beginning
   */
  constructor(channel, is_live, levels = new Levels()) {
    this.channel = channel;
    this.levels = levels;
    this.is_live = is_live;
  }

  /** @param {SerEvent} event */
  add(event) {
    if (event.type === "episode" && !this.is_live) this.segments.addEpisode(event);
    if (event.type !== "emotion" && event.type !== "no_speech") return;
    this.results.push(event);
    if (this.is_live) this.segments.add(event);
  }

  /**
   * What the voice is like at a time of a recording: a result whose window lies around it.
   * @param {number} time_s @returns {SerEvent | undefined}
   */
  at(time_s) {
    const segment = this.segments.at(time_s);
    const first = firstIndex(this.results, ({ start, end }) => (start + end) / 2 >= time_s);
    const result = this.results[Math.min(first, this.results.length - 1)];
    if (!segment || !result) return result;
    if (segment.kind === "silence") return { ...result, type: "no_speech", emotion: undefined };
    for (const next of this.results.slice(first, first + 20)) {
      if (next.emotion === segment.emotion && next.end < result.end + LATE_S) return next;
    }
    return result;
  }
}
