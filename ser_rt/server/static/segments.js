/**
 * Segments of results: those of the same kind joined into stretches, as the server's episodes
 * are. A result speaks for the time since the one before it, or after a gap for its whole window.
 *
 * @typedef {"emotion" | "silence"} Kind
 * @typedef {{ kind: Kind, emotion: string | null, start_s: number, end_s: number,
 *   confidence: number }} Segment `confidence` is the highest.
 */

const JOINED_S = 0.01;

export class Segments {
  /** @type {Segment[]} oldest first */
  all = [];
  /** @type {Map<string, number>} seconds of each emotion since the beginning */
  totals = new Map();

  /** @type {Segment | undefined} the current segment */
  get last() {
    return this.all.at(-1);
  }

  /** @param {import("./ser-client.js").SerEvent} event of type `emotion` or `no_speech` */
  add({ type, start: start_s, end: end_s, emotion = null, confidence = 0 }) {
    const kind = type === "emotion" ? "emotion" : "silence";
    const last = this.last;
    const is_joined = last !== undefined && start_s <= last.end_s + JOINED_S;
    const from_s = is_joined ? last.end_s : Math.max(0, start_s);
    if (emotion) this.totals.set(emotion, (this.totals.get(emotion) ?? 0) + end_s - from_s);
    if (is_joined && last.kind === kind && last.emotion === emotion) {
      last.end_s = Math.max(last.end_s, end_s);
      last.confidence = Math.max(last.confidence, confidence);
      return;
    }
    this.all.push({ kind, emotion, start_s: from_s, end_s, confidence });
  }

  /** @returns {Record<string, number>} share of each emotion in all speech, by time */
  shares() {
    const total_s = [...this.totals.values()].reduce((sum, seconds) => sum + seconds, 0);
    return Object.fromEntries([...this.totals].map(([name, s]) => [name, s / total_s]));
  }

  /** @param {number} time_s */
  forget_before(time_s) {
    while (this.all.length && this.all[0].end_s < time_s) this.all.shift();
  }

  /** @param {number} time_s @returns {Segment | undefined} */
  at(time_s) {
    return this.all.findLast((segment) => segment.start_s <= time_s && time_s < segment.end_s);
  }
}
