/**
 * Drawings of a session: how loud it was, coloured by the results, and beneath it the stretches of
 * one emotion with their names; for each channel that is classified by itself.
 *
 * @typedef {import("./track.js").Track} Track
 * @typedef {{ from_s: number, to_s: number }} Span
 * @typedef {{ ink: string, faint: string, strong: string, font: string,
 *   tone: (emotion: string) => string, on: (emotion: string) => string, word: (emotion: string) => string,
 *   name: (emotion: string) => string, short: (emotion: string) => string,
 *   mark: (emotion: string) => string, channel: (channel: number) => string,
 *   silence: string, unheard: string }} Look
 * @typedef {CanvasRenderingContext2D} Context
 */

import { STEP_S } from "./levels.js";

const RIBBON_PX = 28;
const GAP_PX = 14;
const LANE_GAP_PX = 18;
const COLUMN_PX = 5;
/** Room above a lane for the name of its channel. */
const TITLE_PX = 20;

/**
 * Makes a canvas as sharp as the screen, and empties it.
 * @param {HTMLCanvasElement} canvas
 */
export function prepared(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const context = canvas.getContext("2d");
  const scale = window.devicePixelRatio;
  const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
  }
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/**
 * @param {Context} context @param {number} width @param {number} height
 * @param {Track[]} tracks @param {Span} span @param {Look} look
 */
export function drawTracks(context, width, height, tracks, span, look) {
  const share = (height + LANE_GAP_PX) / tracks.length;
  const x = scaleOf(span, width);
  tracks.forEach((track, n) => {
    const title = track.channel === null ? 0 : TITLE_PX;
    const [top, bottom] = [n * share + title, (n + 1) * share - LANE_GAP_PX];
    if (title) write(context, look, [look.channel(track.channel)], -8, width, top - title / 2 - 4);
    const middle = (top + bottom - RIBBON_PX - GAP_PX) / 2;
    drawWave(context, width, middle, bottom - RIBBON_PX - GAP_PX - top, track, span, look);
    drawRibbon(context, width, bottom - RIBBON_PX, track, span, x, look);
  });
}

/** All of a session as bare colours. */
export function drawWhole(context, width, height, tracks, span, look) {
  const x = scaleOf(span, width);
  const share = height / tracks.length;
  tracks.forEach(({ segments }, n) => {
    context.fillStyle = look.faint;
    context.fillRect(0, (n + 0.5) * share, width, 1);
    for (const { kind, emotion, start_s, end_s } of segments.between(span.from_s, span.to_s)) {
      if (kind !== "emotion") continue;
      context.fillStyle = look.tone(emotion);
      context.fillRect(x(start_s), n * share + 2, Math.max(1, x(end_s) - x(start_s)), share - 4);
    }
  });
}

/** A line where a recording plays. */
export function drawPosition(context, width, height, time_s, span, look) {
  const at = scaleOf(span, width)(time_s);
  if (at < -1 || at > width + 1) return;
  context.fillStyle = look.strong;
  context.beginPath();
  context.roundRect(Math.min(width - 2, Math.max(0, at - 1)), 0, 2, height, 1);
  context.fill();
}

/** @param {Span} span @param {number} width */
const scaleOf = ({ from_s, to_s }, width) => (/** @type {number} */ time_s) =>
  (width * (time_s - from_s)) / (to_s - from_s);

function drawWave(context, width, middle, height, { levels, segments }, { from_s, to_s }, look) {
  const steps = Math.round((COLUMN_PX / width) * ((to_s - from_s) / STEP_S));
  const column_s = STEP_S * Math.max(1, steps);
  const pitch = (width * column_s) / (to_s - from_s);
  const thick = Math.max(2, Math.min(4, 0.6 * pitch));
  context.lineCap = "round";
  context.lineWidth = thick;
  for (let column = Math.floor(from_s / column_s); column * column_s <= to_s; column += 1) {
    const [start_s, end_s] = [column * column_s, (column + 1) * column_s];
    const segment = segments.at((start_s + end_s) / 2);
    const level = levels.between(start_s, end_s);
    const reach = Math.max(0, (level ** 1.6 * (height - thick)) / 2);
    context.strokeStyle = segment?.kind === "emotion" ? look.tone(segment.emotion) : look.faint;
    const at = ((start_s + end_s) / 2 - from_s) * (pitch / column_s);
    if (at > width) break;
    context.beginPath();
    context.moveTo(at, middle - reach);
    context.lineTo(at, middle + reach + 0.01);
    context.stroke();
  }
}

function drawRibbon(context, width, top, { segments }, { from_s, to_s }, x, look) {
  const middle = top + RIBBON_PX / 2 + 1;
  let covered_s = Infinity;
  for (const { kind, emotion, start_s, end_s } of segments.between(from_s, to_s)) {
    const from = x(start_s) + 1;
    if (start_s > covered_s + 0.01) {
      context.fillStyle = look.ink;
      write(context, look, [look.unheard], Math.max(0, x(covered_s)), from, middle);
    }
    covered_s = end_s;
    const to = Math.min(width, Math.max(from + 0.5, x(end_s) - 1));
    if (to <= 0) continue;
    const is_emotion = kind === "emotion";
    context.fillStyle = is_emotion ? look.tone(emotion) : look.faint;
    context.beginPath();
    if (is_emotion) context.roundRect(from, top, to - from, RIBBON_PX, 4);
    else context.rect(from, top + RIBBON_PX - 1, to - from, 1);
    context.fill();
    const names = is_emotion
      ? [look.name(emotion), look.short(emotion), look.mark(emotion)]
      : [look.silence];
    context.fillStyle = is_emotion ? look.on(emotion) : look.ink;
    write(context, look, names, Math.max(0, from), to, middle, context.fillStyle);
  }
}

/** Writes the first of some names that fits between two places. */
function write(context, look, names, from, to, middle, colour = look.ink) {
  context.font = look.font;
  context.textBaseline = "middle";
  context.fillStyle = colour;
  for (const name of names) {
    const wide = context.measureText(name).width;
    const inset = Math.min(8, (to - from - wide) / 2);
    if (inset < 3) continue;
    context.fillText(name, from + inset, middle);
    return;
  }
}
