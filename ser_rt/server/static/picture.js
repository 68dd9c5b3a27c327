/** A session as one picture: what it was like all in all, each emotion's share, and its course. */

import { words } from "./preferences.js";
import { clock, percent } from "./texts.js";
import { drawTracks } from "./timeline.js";
import { ticksOf } from "./history.js";
import { colorOf } from "./tones.js";

const WIDTH = 1600;
const MARGIN = 88;
const LANE = 260;
const TOP = 500;
const FOOT = 190;
const ROWS = 6;

/**
 * @param {import("./run.js").Run} run @param {import("./names.js").Names} names
 * @returns {Promise<Blob>} PNG, in the colours and the language of the page
 */
export function pictureOf(run, names) {
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = TOP + LANE * run.tracks.length + FOOT;
  const context = canvas.getContext("2d");
  const look = names.look();
  const shares = run.shares();
  context.fillStyle = colorOf("--paper");
  context.fillRect(0, 0, WIDTH, canvas.height);
  drawHead(context, run, names, shares, look);
  drawShares(context, names, shares, look);
  drawCourse(context, run, look);
  drawFoot(context, run, canvas.height, look);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** @param {CanvasRenderingContext2D} context */
function text(context, said, x, y, size, { color, weight = 400, family = "--sans", most = WIDTH }) {
  const font = getComputedStyle(document.documentElement).getPropertyValue(family);
  for (let fitted = size; fitted > 8; fitted *= 0.92) {
    context.font = `${weight} ${fitted}px ${font}`;
    if (context.measureText(said).width <= most) break;
  }
  context.fillStyle = color;
  context.textBaseline = "alphabetic";
  context.fillText(said, x, y);
}

function drawHead(context, run, names, shares, look) {
  const texts = words();
  const overall = run.overall;
  const said = overall ? names.name(overall) : texts.nobody;
  const root = getComputedStyle(document.documentElement);
  const title = run.recording?.name ?? run.began.toLocaleString(document.documentElement.lang);
  text(context, title, MARGIN, 118, 26, { color: look.ink, most: 760 });
  const color = overall ? look.word(overall) : look.strong;
  const weight = Number(root.getPropertyValue("--display-weight"));
  const size = document.documentElement.lang === "ko" ? 120 : 150;
  text(context, said, MARGIN - 4, 290, size, { color, weight, family: "--display", most: 760 });
  const length_s = run.recording ? run.length_s : run.processed_s;
  const about = overall ? texts.mostly(Math.round(100 * shares[overall]), clock(length_s)) : clock(length_s);
  text(context, about, MARGIN, 362, 26, { color: look.ink, most: 760 });
}

function drawShares(context, names, shares, look) {
  const found = Object.entries(shares).sort((a, b) => b[1] - a[1]).slice(0, ROWS);
  const [left, right] = [930, WIDTH - MARGIN];
  found.forEach(([emotion, share], n) => {
    const y = 118 + 50 * n;
    text(context, look.mark(emotion), left, y, 24, { color: look.word(emotion) });
    text(context, names.name(emotion), left + 36, y, 24, { color: look.strong, most: 140 });
    context.fillStyle = colorOf("--line");
    context.beginPath();
    context.roundRect(left + 190, y - 15, right - 90 - (left + 190), 12, 4);
    context.fill();
    context.fillStyle = look.tone(emotion);
    context.beginPath();
    context.roundRect(left + 190, y - 15, share * (right - 90 - (left + 190)), 12, 4);
    context.fill();
    context.textAlign = "right";
    text(context, percent(share), right, y, 24, { color: look.ink });
    context.textAlign = "left";
  });
}

function drawCourse(context, run, look) {
  const length_s = Math.max(1, run.recording ? run.length_s : run.processed_s);
  const span = { from_s: 0, to_s: length_s };
  const width = WIDTH - 2 * MARGIN;
  const height = LANE * run.tracks.length;
  context.save();
  context.translate(MARGIN, TOP - 40);
  const font = look.font.replace("12px", "17px");
  drawTracks(context, width, height, run.tracks, span, { ...look, font });
  context.restore();
  for (const time_s of ticksOf(0, length_s)) {
    const x = MARGIN + (width * time_s) / length_s;
    if (x > WIDTH - MARGIN - 40) continue;
    text(context, clock(time_s), x, TOP + height, 19, { color: look.ink });
  }
}

function drawFoot(context, run, height, look) {
  const { model, precision } = run.ready;
  const most = WIDTH - 2 * MARGIN;
  text(context, words().caution, MARGIN, height - 84, 20, { color: look.ink, most });
  const made = `ser-rt · ${model.name} ${model.version}, ${precision}`;
  text(context, made, MARGIN, height - 52, 20, { color: look.ink, most });
}
