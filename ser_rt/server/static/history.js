/** The session as a whole: its drawing, which part of it is shown, and where a recording plays. */

import { words } from "./preferences.js";
import { clock, span } from "./texts.js";
import { drawPosition, drawTracks, drawWhole, prepared } from "./timeline.js";
import { MINUTE_S, View } from "./view.js";

/**
 * @typedef {import("./run.js").Run} Run
 * @typedef {import("./player.js").Player} Player
 */

const TICKS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
const MOST_TICKS = 8;
/** Seconds that an arrow key moves. */
const STEP_S = 0.5;
/** Share of what is shown that an arrow key scrolls. */
const PAGE = 0.1;

const byId = (/** @type {string} */ id) => document.getElementById(id);
const canvas = (/** @type {string} */ id) => /** @type {HTMLCanvasElement} */ (byId(id));
const range = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (byId(id));

export class History {
  view = new View();

  #player;
  /** @type {Run | null} */
  #run = null;
  /** @type {import("./timeline.js").Look} */
  #look;
  #axis_of = "";

  /** @param {Player} player @param {import("./timeline.js").Look} look @param {() => void} changed */
  constructor(player, look, changed) {
    this.#player = player;
    this.#look = look;
    const { view } = this;
    range("seek").addEventListener("input", ({ target }) => {
      player.seek(Number(/** @type {HTMLInputElement} */ (target).value));
    });
    range("seek").addEventListener("pointerup", () => player.play());
    range("seek").addEventListener("keydown", (event) => {
      if (event.key !== " ") return;
      event.preventDefault();
      player.toggle();
    });
    range("scroll").addEventListener("input", ({ target }) => {
      view.show(Number(/** @type {HTMLInputElement} */ (target).value));
      changed();
    });
    range("scroll").addEventListener("keydown", (event) => {
      const way = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      if (!way) return;
      event.preventDefault();
      view.show(view.from_s + way * PAGE * view.shown_s);
      changed();
    });
    canvas("timeline").parentElement.addEventListener("wheel", (event) => {
      const moved = event.deltaX || (event.shiftKey ? event.deltaY : 0);
      if (!moved || !view.is_part) return;
      event.preventDefault();
      view.show(view.from_s + (moved / canvas("timeline").clientWidth) * view.shown_s);
      changed();
    }, { passive: false });
    for (const button of this.#spans()) {
      button.addEventListener("click", () => {
        view.zoom(Number(button.dataset.span));
        changed();
      });
    }
    byId("to-now").addEventListener("click", () => {
      view.follow();
      changed();
    });
    byId("play").addEventListener("click", () => player.toggle());
    player.addEventListener("change", () => player.is_playing && view.follow());
  }

  /** @param {import("./timeline.js").Look} look colours and names */
  wear(look) {
    this.#look = look;
    this.#axis_of = "";
  }

  /** @param {Run} run that begins */
  follow(run) {
    this.#run = run;
    this.view.reset(!run.recording);
  }

  /** @param {number} now_s the last sound of live audio */
  draw(now_s) {
    const run = this.#run;
    const { view } = this;
    const recording = run?.recording ?? null;
    const player_s = this.#player.now_s;
    view.advance(recording ? recording.duration_s : now_s, player_s);
    const shown = { from_s: view.from_s, to_s: view.to_s };
    const tracks = run?.tracks ?? [NOTHING];
    canvas("timeline").style.setProperty("--lanes", String(tracks.length));
    const { context, width, height } = prepared(canvas("timeline"));
    drawTracks(context, width, height, tracks, shown, this.#look);
    if (recording && this.#player.is_used) drawPosition(context, width, height, player_s, shown, this.#look);
    this.#seek(recording, shown);
    this.#scroll(tracks);
    this.#controls(run, now_s);
    this.#axis(run, shown);
  }

  /** @param {import("./recording.js").Recording | null} recording */
  #seek(recording, { from_s, to_s }) {
    const seek = range("seek");
    const position_s = this.#player.now_s;
    seek.hidden = !recording || !this.#player.is_able;
    byId("player").hidden = !recording;
    byId("play").hidden = !this.#player.is_able;
    if (!recording) return;
    Object.assign(seek, { min: from_s, max: to_s, step: STEP_S, value: position_s });
    const texts = words();
    const told = texts.position(clock(position_s), clock(recording.duration_s));
    seek.setAttribute("aria-valuetext", told);
    byId("position").textContent = `${clock(position_s)} / ${clock(recording.duration_s)}`;
    byId("play").setAttribute("aria-label", this.#player.is_playing ? texts.pause : texts.play);
    byId("play").classList.toggle("playing", this.#player.is_playing);
  }

  #scroll(tracks) {
    const { view } = this;
    byId("whole").hidden = !view.is_part;
    if (!view.is_part) return;
    const scroll = range("scroll");
    const last_s = view.length_s - view.shown_s;
    Object.assign(scroll, { min: 0, max: last_s, step: 0.1, value: view.from_s });
    scroll.style.setProperty("--thumb", `${Math.max(2, (100 * view.shown_s) / view.length_s)}%`);
    scroll.setAttribute("aria-valuetext", words().span(clock(view.from_s), clock(view.to_s)));
    const { context, width, height } = prepared(canvas("overview"));
    drawWhole(context, width, height, tracks, { from_s: 0, to_s: view.length_s }, this.#look);
  }

  #controls(run, now_s) {
    const { view } = this;
    const length_s = run?.recording?.duration_s ?? now_s;
    byId("to-now").hidden = !run?.is_flowing || view.is_following;
    const fitting = this.#spans().filter(({ dataset }) => Number(dataset.span) < length_s);
    byId("spans").hidden = !fitting.length;
    for (const button of this.#spans()) {
      button.hidden = button.dataset.span !== "Infinity" && !fitting.includes(button);
      button.setAttribute("aria-pressed", String(Number(button.dataset.span) === view.span_s));
    }
  }

  /** Of the last minute of live audio how long ago, of anything else when. */
  #axis(run, { from_s, to_s }) {
    const texts = words();
    const { view } = this;
    const is_live = !run || (!run.recording && !run.is_over);
    const is_minute = is_live && view.is_following && view.span_s === MINUTE_S;
    const times = texts.span(clock(Math.max(0, from_s)), clock(to_s));
    byId("minute-name").textContent = run?.recording?.name ?? (is_minute ? texts.minute : times);
    const key = [is_minute ? "minute" : `${from_s.toFixed(2)} ${to_s.toFixed(2)}`, texts.now].join();
    if (key === this.#axis_of) return;
    this.#axis_of = key;
    const ago = [60, 45, 30, 15, 0].map((s) => [1 - s / 60, s ? texts.seconds_ago(s) : texts.now]);
    const ticks = ticksOf(from_s, to_s).map((s) => [(s - from_s) / (to_s - from_s), clock(s)]);
    const marks = (is_minute ? ago : ticks).map(([at, text], n) => {
      const mark = span("", String(text));
      mark.style.left = `${100 * Number(at)}%`;
      mark.classList.toggle("minor", n % 2 === 1);
      mark.classList.toggle("last", Number(at) > 0.97);
      mark.classList.toggle("first", Number(at) < 0.03);
      return mark;
    });
    byId("axis").replaceChildren(...marks);
  }

  /** @returns {HTMLButtonElement[]} */
  #spans() {
    return [...document.querySelectorAll("[data-span]")].map((b) => /** @type {HTMLButtonElement} */ (b));
  }
}

/** What is drawn before anything is heard. @type {any} */
const NOTHING = {
  channel: null,
  levels: { between: () => 0 },
  segments: { at: () => undefined, between: () => [] },
};

/** Times to write between two times, in seconds. */
export function ticksOf(from_s, to_s) {
  const step_s = TICKS_S.find((s) => (to_s - from_s) / s <= MOST_TICKS) ?? TICKS_S.at(-1);
  const first = Math.ceil(Math.max(0, from_s) / step_s);
  const count = Math.floor(to_s / step_s) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, n) => (first + n) * step_s);
}
