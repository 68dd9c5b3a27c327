/** What a person sees and a screen reader says of a run. Reads a run; never changes it. */

import { Bars } from "./bars.js";
import { Meter } from "./meter.js";
import { language, words } from "./preferences.js";
import { SPAN_S, Timeline } from "./timeline.js";
import { markOf, tonesOf } from "./tones.js";

/**
 * @typedef {import("./run.js").Run} Run
 * @typedef {import("./ser-client.js").Label} Label
 * @typedef {{ phase: string, problem: import("./ser-client.js").Failure | null,
 *   run: Run | null }} State
 */

const SPOKEN_EVERY_MS = 3000;
const EPISODES = 6;
const NOTHING = "–";
/** Below this an answer is called a guess. */
const SURE = 0.5;

const byId = (/** @type {string} */ id) => document.getElementById(id);
const percent = (/** @type {number} */ share) => `${Math.round(100 * share)} %`;
const clock = (/** @type {number} */ s) =>
  `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;

export class Screen {
  /** @type {Label[]} */
  #labels = [];
  /** @type {Map<string, string>} */
  #tones = new Map();
  #bars = new Bars(byId("bars"));
  #meter = new Meter(byId("meter"), byId("level"));
  #timeline = new Timeline(/** @type {HTMLCanvasElement} */ (byId("timeline")), this.#look());
  #axis_of = "";
  #spoken = { emotion: "", at_ms: -SPOKEN_EVERY_MS };

  /** @param {{ labels: Label[], name: string, version: string, provider: string,
   *   precision: string, window_s: number, hop_s: number, notice?: string }} model */
  describe(model) {
    this.#labels = model.labels;
    this.#tones = tonesOf(model.labels);
    byId("model").textContent =
      `${model.name} ${model.version}, ${model.precision}, ${model.provider}`;
    byId("window").textContent = words().window_of(model.window_s, model.hop_s);
    byId("notice").textContent = model.notice ?? "";
    byId("notice").hidden = !model.notice;
    this.restyle();
  }

  /** Takes up the language and the colours anew. */
  restyle() {
    this.#bars.label(this.#labels, language(), words().others);
    this.#timeline.wear(this.#look());
    this.#axis_of = "";
  }

  /** A run begins. */
  clear() {
    this.#bars.clear();
    this.#timeline.clear();
    this.#spoken.emotion = "";
  }

  /** @param {State} state */
  show({ phase, problem, run }) {
    const texts = words();
    document.body.dataset.phase = phase;
    const is_waiting = phase === "reconnecting" && !run?.ready;
    byId("state").textContent = texts.states[is_waiting ? "waiting" : phase] ?? texts.states.idle;
    const is_idle = ["idle", "finished", "error"].includes(phase);
    byId("listen-word").textContent =
      phase === "paused" ? texts.play : is_idle ? texts.listen : texts.stop;
    byId("hint").textContent = texts.drop_hint;
    const text = problem && (texts.problems[problem.code] ?? texts.problems.other);
    byId("problem").hidden = !problem;
    byId("about").hidden = Boolean(problem);
    byId("problem").textContent =
      typeof text === "function" ? text(problem.message || problem.code) : (text ?? "");
    if (is_idle || phase === "paused") this.#meter.clear(NOTHING);
    this.#word(phase, run);
    this.#facts(run);
    this.#episodes(run);
    this.#turns(run);
  }

  /** @param {{ end_s: number, rms: number, peak: number }} level */
  showLevel(level) {
    this.#timeline.add(level.end_s, level.rms);
    const texts = words();
    this.#meter.show(level, (db) => (db <= -60 ? texts.silent_level : texts.dbfs(db)));
  }

  /** @param {Run | null} run @param {number} now_s */
  draw(run, now_s) {
    run?.segments.forget_before(now_s - SPAN_S - 5);
    this.#timeline.draw(run?.segments ?? { all: [], at: () => undefined }, now_s);
    this.#axis(run, now_s);
  }

  /** Live, how long ago; of what is over, or has times of its own, when. */
  #axis(run, now_s) {
    const texts = words();
    const is_timed = run !== null && (run.is_over || run.is_recording);
    const at = [60, 45, 30, 15, 0].map((s) => (is_timed ? Math.round(now_s) - s : s));
    const key = `${is_timed} ${at} ${language()}`;
    if (key === this.#axis_of) return;
    this.#axis_of = key;
    const marks = is_timed
      ? at.map((s) => (s < 0 ? "" : clock(s)))
      : [...at.slice(0, 4).map((s) => texts.seconds_ago(s)), texts.now];
    byId("axis").replaceChildren(...marks.map((text) => span("", text)));
    byId("minute-name").textContent = is_timed
      ? texts.span(clock(Math.max(0, at[0])), clock(at[4]))
      : texts.minute;
  }

  /** @param {string} phase @param {Run | null} run */
  #word(phase, run) {
    const texts = words();
    const event = run?.result?.event;
    const emotion = phase === "finished" ? mostFrequent(run) : event?.emotion;
    const is_waiting = !event && ["listening", "playing", "finishing"].includes(phase);
    const word = byId("word");
    const about = byId("about");
    word.classList.toggle("invitation", !event);
    byId("bars-name").textContent = phase === "finished" && emotion ? texts.bars_all : texts.bars_now;
    word.style.setProperty("--sure", emotion && phase !== "finished" ? sizeOf(event.confidence) : "1");
    word.dataset.tone = this.#tone(emotion);
    byId("word").closest(".hero").dataset.tone = this.#tone(emotion);
    if (!event) {
      word.textContent = is_waiting ? texts.waiting : texts.invite;
      about.replaceChildren(span("", is_waiting ? texts.waiting_long : ""));
      return;
    }
    if (!emotion) {
      word.textContent = texts.silence;
      about.replaceChildren(span("", texts.silence_long));
      this.#bars.show(event.probabilities ?? {}, null);
      return;
    }
    word.textContent = this.#name(emotion);
    if (phase === "finished") {
      const shares = run.segments.shares();
      const share = Math.round(100 * shares[emotion]);
      about.replaceChildren(span("", texts.mostly(share, clock(run.processed_s))));
      this.#bars.show(shares, emotion);
      return;
    }
    const last = run.segments.last;
    const other = span("", this.#otherName(emotion));
    other.lang = language() === "ko" ? "en" : "ko";
    about.replaceChildren(
      span("share", percent(event.confidence)),
      ...(event.confidence < SURE ? [span("", texts.guess)] : []),
      other,
      span("", texts.for_s(Math.max(1, Math.round(last.end_s - last.start_s)))),
    );
    this.#bars.show(event.probabilities, emotion);
    this.#speak(emotion, event.confidence);
  }

  /** Tells a screen reader of another emotion, not too often. */
  #speak(emotion, confidence) {
    const now_ms = performance.now();
    const { at_ms, emotion: last } = this.#spoken;
    if (emotion === last || now_ms - at_ms < SPOKEN_EVERY_MS) return;
    this.#spoken = { emotion, at_ms: now_ms };
    byId("spoken").textContent = words().spoken(this.#name(emotion), Math.round(100 * confidence));
  }

  /** @param {Run | null} run */
  #facts(run) {
    const texts = words();
    const of = (delays) =>
      delays?.count
        ? texts.delay_of(Math.round(delays.percentile(0.5)), Math.round(delays.percentile(0.95)))
        : NOTHING;
    byId("delay").textContent = of(run?.delays);
    byId("delay").title = texts.delay_help;
    byId("server-delay").textContent = of(run?.server_delays);
    byId("heard").textContent = run ? clock(run.processed_s) : NOTHING;
    if (!this.#labels.length) byId("model").textContent = byId("window").textContent = NOTHING;
  }

  /** @param {Run | null} run */
  #episodes(run) {
    const episodes = (run?.segments.all ?? []).filter(({ kind }) => kind === "emotion");
    const items = episodes.slice(-EPISODES).reverse().map((episode) => this.#item(episode));
    byId("episodes").replaceChildren(...items);
  }

  /** @param {Run | null} run */
  #turns(run) {
    const turns = run?.turns ?? [];
    const items = [...turns].reverse().map(({ start, end, emotion, confidence }) =>
      this.#item({ start_s: start, end_s: end, emotion, confidence }),
    );
    byId("turns").replaceChildren(...items);
    byId("turns-part").hidden = !turns.length;
  }

  /** @param {{ start_s: number, end_s: number, emotion: string, confidence: number }} stretch */
  #item({ start_s, end_s, emotion, confidence }) {
    const item = document.createElement("li");
    item.dataset.tone = this.#tone(emotion);
    item.append(
      span("when", words().when(clock(start_s), (end_s - start_s).toFixed(1))),
      marked(span("what", this.#name(emotion)), this.#tone(emotion)),
      span("share", percent(confidence)),
    );
    return item;
  }

  /** @returns {import("./timeline.js").Look} */
  #look() {
    const tones = new Map([...this.#tones].map(([en, tone]) => [en, colorOf(`--${tone}`)]));
    const unsure = colorOf("--unsure");
    return {
      ink: colorOf("--ink-2"),
      faint: colorOf("--line-2"),
      on_tone: colorOf("--paper"),
      font: `600 12px ${getComputedStyle(document.body).fontFamily}`,
      tone: (emotion) => tones.get(emotion) ?? unsure,
      name: (emotion) => this.#name(emotion),
      mark: (emotion) => markOf(this.#tone(emotion)),
      short: (emotion) => shortest(this.#name(emotion), this.#labels.map(({ en }) => this.#name(en))),
      silence: words().silence,
      unheard: words().unheard,
    };
  }

  /** @param {string | null | undefined} emotion */
  #tone(emotion) {
    return emotion ? (this.#tones.get(emotion) ?? "unsure") : "none";
  }

  /** @param {string} emotion */
  #name(emotion) {
    const label = this.#labels.find(({ en }) => en === emotion);
    return label?.[language()] ?? (emotion === "unsure" ? words().unsure : emotion);
  }

  /** @param {string} emotion */
  #otherName(emotion) {
    const label = this.#labels.find(({ en }) => en === emotion);
    const other = label?.[language() === "ko" ? "en" : "ko"] ?? "";
    return other === this.#name(emotion) ? "" : other;
  }
}

/** What a custom property stands for now. @param {string} property */
function colorOf(property) {
  const probe = byId("probe");
  probe.style.color = `var(${property})`;
  return getComputedStyle(probe).color;
}

/** @param {Run | null} run @returns {string | null} */
function mostFrequent(run) {
  const shares = Object.entries(run?.segments.shares() ?? {});
  return shares.sort((a, b) => b[1] - a[1])[0]?.[0] ?? null;
}

/** The first letters of a name that no other name begins with. @param {string[]} all */
function shortest(name, all) {
  for (let length = 1; length < name.length; length += 1) {
    const start = name.slice(0, length);
    if (all.filter((other) => other.startsWith(start)).length <= 1) return start;
  }
  return name;
}

/** How large a word is, from how sure it is. @param {number} confidence */
const sizeOf = (confidence) => String(0.45 + 0.55 * Math.min(1, Math.max(0, confidence - 0.1) / 0.6));

/** @param {HTMLElement} node @param {string} tone */
function marked(node, tone) {
  node.dataset.mark = markOf(tone);
  return node;
}

/** @param {string} className @param {string} text */
function span(className, text) {
  const made = document.createElement("span");
  made.className = className;
  made.textContent = text;
  return made;
}
