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
    if (emotion) this.#count(emotion, end_s - from_s);
    if (is_joined && last.kind === kind && last.emotion === emotion) {
      last.end_s = Math.max(last.end_s, end_s);
      last.confidence = Math.max(last.confidence, confidence);
      return;
    }
    this.all.push({ kind, emotion, start_s: from_s, end_s, confidence });
  }

  /**
   * Adds an episode of a recording, whose times are those of the sound; before it, nobody speaks.
   * @param {import("./ser-client.js").SerEvent} event
   */
  addEpisode({ start: start_s, end: end_s, emotion, confidence }) {
    const before_s = this.last?.end_s ?? 0;
    if (start_s > before_s + JOINED_S) this.rest(start_s);
    this.#count(emotion, end_s - start_s);
    this.all.push({ kind: "emotion", emotion, start_s, end_s, confidence });
  }

  /** Nobody speaks until a time. @param {number} end_s */
  rest(end_s) {
    const start_s = this.last?.end_s ?? 0;
    if (end_s <= start_s + JOINED_S) return;
    this.all.push({ kind: "silence", emotion: null, start_s, end_s, confidence: 0 });
  }

  /** @returns {Record<string, number>} share of each emotion in all speech, by time */
  shares() {
    const total_s = [...this.totals.values()].reduce((sum, seconds) => sum + seconds, 0);
    return Object.fromEntries([...this.totals].map(([name, s]) => [name, s / total_s]));
  }

  /** @param {number} time_s @returns {Segment | undefined} */
  at(time_s) {
    const segment = this.all[this.#first(time_s)];
    return segment && segment.start_s <= time_s ? segment : undefined;
  }

  /** @returns {Segment[]} those that lie between two times, at least in part */
  between(from_s, to_s) {
    const found = [];
    for (let n = this.#first(from_s); n < this.all.length && this.all[n].start_s < to_s; n += 1) {
      found.push(this.all[n]);
    }
    return found;
  }

  /** Index of the first segment that ends after a time. @param {number} time_s */
  #first(time_s) {
    return firstIndex(this.all, ({ end_s }) => end_s > time_s);
  }

  #count(emotion, seconds) {
    this.totals.set(emotion, (this.totals.get(emotion) ?? 0) + seconds);
  }
}

/**
 * The index of the first of some sorted things from which on something holds.
 * @template T @param {T[]} sorted @param {(one: T) => boolean} holds
 */
export function firstIndex(sorted, holds) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(sorted[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
}
