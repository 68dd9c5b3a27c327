/**
 * The last minute on a canvas: how loud it was, coloured by the results, and beneath it the
 * stretches of one emotion with their names.
 *
 * @typedef {import("./segments.js").Segments} Segments
 * @typedef {{ ink: string, faint: string, on_tone: string, font: string,
 *   tone: (emotion: string) => string, name: (emotion: string) => string, short: (emotion: string) => string,
 *   mark: (emotion: string) => string, silence: string, unheard: string }} Look
 */

import { loudness } from "./meter.js";

export const SPAN_S = 60;
const RIBBON_PX = 28;
const GAP_PX = 14;
const COLUMN_PX = 5;
const STEP_S = 0.05;

export class Timeline {
  #canvas;
  #context;
  /** @type {{ end_s: number, share: number }[]} */
  #levels = [];
  /** @type {Look} */
  #look;

  /** @param {HTMLCanvasElement} canvas @param {Look} look */
  constructor(canvas, look) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    this.#look = look;
  }

  /** @param {Look} look */
  wear(look) {
    this.#look = look;
  }

  clear() {
    this.#levels = [];
  }

  /** @param {number} end_s @param {number} rms linear */
  add(end_s, rms) {
    this.#levels.push({ end_s, share: loudness(rms) });
    while (this.#levels[0].end_s < end_s - SPAN_S - 2) this.#levels.shift();
  }

  /** @param {Segments} segments @param {number} now_s what the right edge stands for */
  draw(segments, now_s) {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const scale = window.devicePixelRatio;
    if (this.#canvas.width !== Math.round(width * scale)) {
      this.#canvas.width = Math.round(width * scale);
      this.#canvas.height = Math.round(height * scale);
    }
    this.#context.setTransform(scale, 0, 0, scale, 0, 0);
    this.#context.clearRect(0, 0, width, height);
    const x = (/** @type {number} */ time_s) => width * (1 - (now_s - time_s) / SPAN_S);
    this.#wave(segments, now_s, x, width, height - RIBBON_PX - GAP_PX);
    this.#ribbon(segments, x, width, height - RIBBON_PX);
  }

  /** @param {Segments} segments @param {number} now_s @param {(time_s: number) => number} x */
  #wave(segments, now_s, x, width, height) {
    const context = this.#context;
    const column_s = STEP_S * Math.max(1, Math.round((COLUMN_PX / width) * (SPAN_S / STEP_S)));
    const shares = new Map();
    for (const { end_s, share } of this.#levels) {
      const column = Math.floor((end_s - STEP_S / 2) / column_s);
      shares.set(column, Math.max(shares.get(column) ?? 0, share));
    }
    const thick = Math.max(2, Math.min(4, (0.6 * width * column_s) / SPAN_S));
    const first = Math.floor((now_s - SPAN_S) / column_s);
    const last = Math.floor(now_s / column_s);
    context.lineCap = "round";
    context.lineWidth = thick;
    for (let column = first; column <= last; column += 1) {
      const segment = segments.at((column + 0.5) * column_s);
      const share = shares.get(column) ?? 0;
      const reach = Math.max(0, (share ** 1.6 * (height - thick)) / 2);
      const is_emotion = segment?.kind === "emotion";
      context.strokeStyle = is_emotion ? this.#look.tone(segment.emotion) : this.#look.faint;
      const at = x((column + 0.5) * column_s);
      context.beginPath();
      context.moveTo(at, height / 2 - reach);
      context.lineTo(at, height / 2 + reach + 0.01);
      context.stroke();
    }
  }

  /** @param {Segments} segments @param {(time_s: number) => number} x */
  #ribbon(segments, x, width, top) {
    const context = this.#context;
    context.font = this.#look.font;
    context.textBaseline = "middle";
    const middle = top + RIBBON_PX / 2 + 1;
    let covered_s = Infinity;
    for (const { kind, emotion, start_s, end_s } of segments.all) {
      const from = x(start_s) + 1;
      context.fillStyle = this.#look.ink;
      if (start_s > covered_s) this.#write([this.#look.unheard], Math.max(0, x(covered_s)), from, middle);
      covered_s = end_s;
      const to = Math.min(width, x(end_s) - 1);
      if (to <= 0 || to <= from) continue;
      const is_emotion = kind === "emotion";
      context.fillStyle = is_emotion ? this.#look.tone(emotion) : this.#look.faint;
      context.beginPath();
      if (is_emotion) context.roundRect(from, top, to - from, RIBBON_PX, 4);
      else context.rect(from, top + RIBBON_PX - 1, to - from, 1);
      context.fill();
      const { name, short, mark, silence } = this.#look;
      const names = is_emotion ? [name(emotion), short(emotion), mark(emotion)] : [silence];
      context.fillStyle = is_emotion ? this.#look.on_tone : this.#look.ink;
      this.#write(names, Math.max(0, from), to, middle);
    }
  }

  /** Writes the first of some names that fits between two places. */
  #write(names, from, to, middle) {
    const context = this.#context;
    for (const name of names) {
      const wide = context.measureText(name).width;
      const inset = Math.min(8, (to - from - wide) / 2);
      if (inset < 3) continue;
      context.fillText(name, from + inset, middle);
      return;
    }
  }
}
