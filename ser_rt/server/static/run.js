/**
 * One session, from the first sample to the last result: live audio or a recording, a client, and
 * their results. Dispatches `change` when the display must change, `level` for chunks of live audio.
 *
 * @typedef {"connecting" | "listening" | "analysing" | "reconnecting" | "finishing" | "finished"
 *   | "error"} Phase
 * @typedef {import("./recording.js").Recording} Recording
 * @typedef {import("./ser-client.js").SerEvent} SerEvent
 * @typedef {import("./ser-client.js").Failure} Failure
 */

import { Delays } from "./delays.js";
import { STEP_S } from "./levels.js";
import { loudness } from "./meter.js";
import { SerClient, streamUrl } from "./ser-client.js";
import { whyRefused } from "./server.js";
import { Track } from "./track.js";

/** How much of a recording may be with the server: enough to keep it busy, and no more. */
const AHEAD_S = 20;

export class Run extends EventTarget {
  /** @type {Phase} */
  phase = "connecting";
  /** @type {Failure | null} */
  problem = null;
  /** @type {SerEvent | null} the last result */
  result = null;
  /** @type {any} the server's `ready` message */
  ready = null;
  /** @type {Track[]} one for each channel that is classified by itself, or one for all */
  tracks;
  /** @type {SerEvent[]} all but the summary, oldest first */
  events = [];
  /** @type {SerEvent[]} turns that have ended, oldest first */
  turns = [];
  /** @type {any} the server's summary, if it is of the whole session */
  summary = null;
  /** Seconds of audio that have results. */
  heard_s = 0;
  delays = new Delays();
  server_delays = new Delays();
  began = new Date();

  #source;
  #client;
  #has_started = false;
  #is_whole = true;
  #is_summed = false;
  #began_ms = 0;
  #ended_ms = 0;
  #last_chunk_ms = 0;

  /**
   * @param {import("./audio.js").Microphone | Recording} source
   * @param {Recording | null} recording the source, if it is one
   * @param {string | null} token
   */
  constructor(source, recording, token) {
    super();
    this.#source = source;
    this.recording = recording;
    const voices = recording?.voices ?? [null];
    this.tracks = voices.map((voice) => new Track(voice, !recording, recording?.levels(voice)));
    const config = {
      sample_rate: source.rate,
      live: !recording,
      turns: true,
      episodes: true,
      ...(recording ? { timing: false } : {}),
      ...(voices.length > 1 ? { channels: voices.length, channel: "split" } : {}),
    };
    const explain = async () =>
      (await whyRefused(token)) ?? (this.ready ? null : { code: "no_websocket", message: "" });
    this.#client = new SerClient(streamUrl(location.href, token), { config, explain });
    this.#client.addEventListener("ready", ({ detail }) => this.#begin(detail));
    this.#client.addEventListener("result", ({ detail }) => this.#receive(detail));
    this.#client.addEventListener("failure", ({ detail }) => this.#fail(detail));
    source.onchunk = (chunk) => this.#take(chunk);
    source.onend = (code) => this.stop(code);
    this.#client.connect();
  }

  /** Seconds of audio that the server received. */
  get processed_s() {
    return this.#client.given_s - this.#client.lost_s;
  }

  /** Seconds of the session: of live audio so far, between chunks too, or of the recording. */
  get length_s() {
    if (this.recording) return this.recording.duration_s;
    const since_s = (performance.now() - this.#last_chunk_ms) / 1000;
    return this.#client.given_s + (this.is_flowing ? Math.min(since_s, 0.2) : 0);
  }

  /** Whether live audio comes in. */
  get is_flowing() {
    return ["listening", "reconnecting"].includes(this.phase) && this.#has_started && !this.recording;
  }

  get is_over() {
    return ["finished", "error"].includes(this.phase);
  }

  /** Share of a recording that has results. */
  get progress() {
    if (this.phase === "finished") return 1;
    return this.recording ? Math.min(1, this.heard_s / this.recording.duration_s) : 0;
  }

  /** How many times as fast as it would play a recording was analysed. */
  get speed() {
    const until_ms = this.#ended_ms || performance.now();
    return this.#began_ms ? (1000 * this.heard_s) / (until_ms - this.#began_ms) : 0;
  }

  /** Share of each emotion in all speech. @returns {Record<string, number>} */
  shares() {
    if (this.summary && Object.keys(this.summary.shares).length) return this.summary.shares;
    const seconds = new Map();
    for (const { segments } of this.tracks) {
      for (const [emotion, s] of segments.totals) seconds.set(emotion, (seconds.get(emotion) ?? 0) + s);
    }
    const total_s = [...seconds.values()].reduce((sum, s) => sum + s, 0);
    return Object.fromEntries([...seconds].map(([emotion, s]) => [emotion, s / total_s]));
  }

  /** The emotion of all of it: as the server says, or else the most frequent one. */
  get overall() {
    const shares = Object.entries(this.shares()).sort((a, b) => b[1] - a[1]);
    return this.summary?.overall?.emotion ?? shares[0]?.[0] ?? null;
  }

  /** Wait for the remaining results, and end. @param {string | null} [code] why, if it is a problem */
  async stop(code = null) {
    if (this.is_over || this.phase === "finishing") return;
    if (!code) this.problem = null;
    const is_all = !this.recording || this.processed_s >= this.recording.duration_s - STEP_S;
    this.#become("finishing");
    await this.#source.stop?.();
    await this.#client.finish();
    if (this.is_over) return;
    if (this.recording && !code && is_all && !this.#is_summed) return this.#resume();
    this.#ended_ms = performance.now();
    for (const { segments } of this.recording && is_all ? this.tracks : []) segments.rest(this.length_s);
    if (code) this.problem = { code, message: "" };
    this.#become(code ? "error" : "finished");
  }

  /** The connection broke at the end of a recording: its last part is given again. */
  #resume() {
    this.#rewind();
    this.#become("reconnecting");
    this.#client.connect();
  }

  /** What has no results is given again. */
  #rewind() {
    this.#client.rewind(this.heard_s);
    this.recording.rewind(this.heard_s);
  }

  /** End at once: another session begins. */
  async leave() {
    if (this.is_over) return;
    this.#become("finished");
    await this.#source.stop?.();
    this.#client.stop();
  }

  /** @param {any} ready */
  async #begin(ready) {
    if (this.ready) this.#is_whole = false;
    this.ready = ready;
    this.problem = null;
    if (this.phase === "finishing") return;
    try {
      if (!this.#has_started) await this.#source.start?.();
      this.#has_started = true;
      this.#began_ms ||= performance.now();
      this.#become(this.recording ? "analysing" : "listening");
      this.recording?.pump(this.heard_s + AHEAD_S);
    } catch (error) {
      this.#fail({ code: error.code, message: error.message });
      this.stop(error.code);
    }
  }

  /** @param {import("./ser-client.js").Result} result */
  #receive({ event, delay_ms }) {
    if (event.type === "summary") {
      this.#is_summed = true;
      if (this.#is_whole) this.summary = event;
      return this.#change();
    }
    if (!["emotion", "no_speech", "episode", "turn", "warning"].includes(event.type)) return;
    this.events.push(event);
    const track = this.tracks.find(({ channel }) => channel === (event.channel ?? null));
    track?.add(event);
    if (event.type === "warning") {
      if (event.code === "degraded") this.problem = { code: "degraded", message: "" };
      if (event.code === "recovered") this.problem = null;
    }
    if (event.type === "turn") this.turns.push(event);
    if (event.type === "emotion" || event.type === "no_speech") {
      this.result = event;
      this.heard_s = event.end;
      this.delays.add(delay_ms);
      if (event.latency_ms) this.server_delays.add(event.latency_ms.total);
      if (this.phase === "analysing") this.recording.pump(this.heard_s + AHEAD_S);
    }
    this.#change();
  }

  /** @param {Failure} failure */
  #fail(failure) {
    this.problem = failure;
    if (this.#client.state === "closed") {
      this.#become("error");
      this.#source.stop?.();
    } else if (this.#client.state === "reconnecting") {
      this.#become("reconnecting");
      if (this.recording) this.#rewind();
    } else {
      this.#change();
    }
  }

  /** @param {any} chunk */
  #take(chunk) {
    this.#last_chunk_ms = performance.now();
    this.#client.send(chunk.samples, this.#last_chunk_ms);
    if (this.recording) return;
    const step = Math.round(this.#client.given_s / STEP_S) - 1;
    this.tracks[0].levels.put(Math.max(0, step), loudness(chunk.rms));
    this.dispatchEvent(new CustomEvent("level", { detail: chunk }));
  }

  /** @param {Phase} phase */
  #become(phase) {
    this.phase = phase;
    this.#change();
  }

  #change() {
    this.dispatchEvent(new CustomEvent("change"));
  }
}
