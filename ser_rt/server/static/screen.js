/** What a person sees and a screen reader says of a run. Reads a run; never changes it. */

import { Bars } from "./bars.js";
import { History } from "./history.js";
import { Lists } from "./lists.js";
import { Meter } from "./meter.js";
import { Names } from "./names.js";
import { language, words } from "./preferences.js";
import { clock, percent, span } from "./texts.js";

/**
 * @typedef {import("./run.js").Run} Run
 * @typedef {import("./player.js").Player} Player
 * @typedef {import("./ser-client.js").SerEvent} SerEvent
 * @typedef {{ phase: string, problem: import("./ser-client.js").Failure | null,
 *   run: Run | null }} State
 */

const SPOKEN_EVERY_MS = 3000;
const NOTHING = "–";
/** Below this an answer is called a guess. */
const SURE = 0.5;

const byId = (/** @type {string} */ id) => document.getElementById(id);

export class Screen {
  names = new Names();

  #player;
  #bars = new Bars(byId("bars"));
  #meter = new Meter(byId("meter"), byId("level"));
  #history;
  #lists;
  #spoken = { emotion: "", at_ms: -SPOKEN_EVERY_MS };

  /** @param {Player} player @param {() => void} redraw */
  constructor(player, redraw) {
    this.#player = player;
    this.#history = new History(player, this.names.look(), redraw);
    this.#lists = new Lists(this.names, (time_s) => {
      player.seek(time_s);
      player.play();
    });
  }

  /** @param {{ labels: import("./ser-client.js").Label[], name: string, version: string,
   *   provider: string, precision: string, window_s: number, hop_s: number,
   *   notice?: string }} model */
  describe(model) {
    this.names.take(model.labels);
    byId("model").textContent =
      `${model.name} ${model.version}, ${model.precision}, ${model.provider}`;
    byId("window").textContent = words().window_of(model.window_s, model.hop_s);
    byId("notice").textContent = model.notice ?? "";
    byId("notice").hidden = !model.notice;
    this.restyle();
  }

  /** Takes up the language and the colours anew. */
  restyle() {
    this.#bars.label(this.names.labels, (en) => this.names.tone(en), language(), words().others);
    this.#history.wear(this.names.look());
  }

  /** A run begins. @param {Run} run */
  begin(run) {
    this.#history.follow(run);
  }

  clear() {
    this.#bars.clear();
    this.#spoken.emotion = "";
  }

  /** @param {State} state */
  show({ phase, problem, run }) {
    const texts = words();
    document.body.dataset.phase = phase;
    document.body.dataset.source = run?.recording ? "recording" : "microphone";
    const is_waiting = phase === "reconnecting" && !run?.ready;
    byId("state").textContent = texts.states[is_waiting ? "waiting" : phase] ?? texts.states.idle;
    const is_idle = ["idle", "finished", "error"].includes(phase);
    byId("listen-word").textContent = is_idle ? texts.listen : texts.stop;
    byId("hint").textContent = texts.drop_hint;
    const text = problem && (texts.problems[problem.code] ?? texts.problems.other);
    byId("problem").hidden = !problem;
    byId("about").hidden = Boolean(problem);
    byId("problem").textContent =
      typeof text === "function" ? text(problem.message || problem.code) : (text ?? "");
    if (is_idle) this.#meter.clear(NOTHING);
    this.#answer(phase, run);
    this.#progress(run);
    this.#facts(run);
    byId("save").hidden = !run?.events.length;
    byId("voices").hidden = (run?.recording?.channels ?? 1) < 2;
    for (const button of document.querySelectorAll("[data-split]")) {
      const is_split = /** @type {HTMLElement} */ (button).dataset.split === "yes";
      button.setAttribute("aria-pressed", String(is_split === (run?.recording?.is_split ?? false)));
    }
  }

  /** @param {{ rms: number, peak: number }} level */
  showLevel(level) {
    const texts = words();
    this.#meter.show(level, (db) => (db <= -60 ? texts.silent_level : texts.dbfs(db)));
  }

  /** @param {Run | null} run @param {number} now_s the last sound of live audio */
  draw(run, now_s) {
    this.#history.draw(now_s);
    this.#lists.show(run, this.#history.view);
    if (run?.recording && this.#player.is_used) this.#answer(run.phase, run);
  }

  /** @param {string} phase @param {Run | null} run */
  #answer(phase, run) {
    const texts = words();
    const recording = run?.recording;
    const event = recording ? this.#played(run) : run?.result;
    const is_whole = phase === "finished" && !(recording && this.#player.is_used);
    const emotion = is_whole ? run.overall : event?.emotion;
    const word = byId("word");
    word.dataset.tone = this.names.tone(emotion);
    word.style.setProperty("--sure", emotion && !is_whole ? sizeOf(event.confidence) : "1");
    const now = event && recording ? texts.bars_at(clock(this.#player.now_s)) : texts.bars_now;
    byId("bars-name").textContent = is_whole && emotion ? texts.bars_all : now;
    word.classList.toggle("invitation", !event && !is_whole);
    if (is_whole) return this.#whole(run, emotion);
    if (!event) return this.#wait(phase, run);
    const at = recording ? [span("", texts.at(clock(this.#player.now_s)))] : [];
    const who = event.channel ? [span("", texts.channel(event.channel))] : [];
    if (!emotion) {
      word.textContent = texts.silence;
      byId("about").replaceChildren(span("", texts.silence_long), ...at);
      this.#bars.show(event.probabilities ?? {}, null);
      return;
    }
    const last = run.tracks[0].segments.last;
    const other = span("", this.names.otherName(emotion));
    other.lang = language() === "ko" ? "en" : "ko";
    word.textContent = this.names.name(emotion);
    byId("about").replaceChildren(
      span("share", percent(event.confidence)),
      ...(event.confidence < SURE ? [span("", texts.guess)] : []),
      other,
      ...who,
      ...(recording ? at : [span("", texts.for_s(Math.max(1, Math.round(last.end_s - last.start_s))))]),
    );
    this.#bars.show(event.probabilities, emotion);
    this.#speak(emotion, event.confidence);
  }

  /** What is at the position of a recording: of several channels the one that speaks most clearly. */
  #played(run) {
    if (!this.#player.is_used) return null;
    const found = run.tracks.map((track) => track.at(this.#player.now_s)).filter(Boolean);
    const clear = (/** @type {SerEvent} */ { emotion, speech }) => (emotion ? 1 + speech : 0);
    return found.toSorted((a, b) => clear(b) - clear(a))[0];
  }

  #wait(phase, run) {
    const texts = words();
    const is_run = Boolean(run?.recording) && !["idle", "error"].includes(phase);
    const is_analysed = is_run || phase === "opening";
    const is_heard = ["listening", "finishing"].includes(phase);
    byId("word").textContent = is_analysed ? texts.analysing : is_heard ? texts.waiting : texts.invite;
    const about = is_run ? run.recording.name : is_heard ? texts.waiting_long : "";
    byId("about").replaceChildren(span("", about));
    if (is_analysed) this.#bars.clear();
  }

  #whole(run, emotion) {
    const texts = words();
    const shares = run.shares();
    byId("word").textContent = emotion ? this.names.name(emotion) : texts.nobody;
    const time = clock(run.recording ? run.length_s : run.processed_s);
    const share = Math.round(100 * (shares[emotion] ?? 0));
    byId("about").replaceChildren(span("", emotion ? texts.mostly(share, time) : ""));
    this.#bars.show(shares, emotion);
    const said = [byId("word"), byId("about")].map(({ textContent }) => textContent).join(", ");
    if (run.recording && byId("spoken").textContent !== said) byId("spoken").textContent = said;
  }

  /** Tells a screen reader of another emotion, not too often. */
  #speak(emotion, confidence) {
    const now_ms = performance.now();
    const { at_ms, emotion: last } = this.#spoken;
    if (emotion === last || now_ms - at_ms < SPOKEN_EVERY_MS) return;
    this.#spoken = { emotion, at_ms: now_ms };
    byId("spoken").textContent = words().spoken(this.names.name(emotion), Math.round(100 * confidence));
  }

  /** @param {Run | null} run */
  #progress(run) {
    const share = run?.progress ?? 0;
    byId("progress-row").hidden = !run?.recording;
    byId("level-row").hidden = Boolean(run?.recording);
    /** @type {HTMLProgressElement} */ (byId("progress")).value = share;
    byId("progress-share").textContent = `${Math.floor(100 * share)} %`;
  }

  /** @param {Run | null} run */
  #facts(run) {
    const texts = words();
    const of = (delays) =>
      delays?.count
        ? texts.delay_of(Math.round(delays.percentile(0.5)), Math.round(delays.percentile(0.95)))
        : NOTHING;
    for (const id of ["delay", "server-delay"]) byId(id).parentElement.hidden = Boolean(run?.recording);
    byId("speed").parentElement.hidden = !run?.recording;
    byId("speed").textContent = run?.speed ? texts.speed_of(run.speed.toFixed(run.speed < 10 ? 1 : 0)) : NOTHING;
    byId("delay").textContent = of(run?.delays);
    byId("delay").title = texts.delay_help;
    byId("server-delay").textContent = of(run?.server_delays);
    byId("heard").textContent = run ? clock(run.recording ? run.heard_s : run.processed_s) : NOTHING;
    if (!this.names.labels.length) byId("model").textContent = byId("window").textContent = NOTHING;
  }
}

/** How large a word is, from how sure it is. @param {number} confidence */
const sizeOf = (confidence) => String(0.45 + 0.55 * Math.min(1, Math.max(0, confidence - 0.1) / 0.6));
