/**
 * One session, from the first sample to the last result: a source of audio, a client, and their
 * results. Dispatches `change` when the display must change, `level` for every chunk.
 *
 * @typedef {"connecting" | "listening" | "playing" | "reconnecting" | "finishing" | "finished"
 *   | "paused" | "error"} Phase
 * @typedef {import("./audio.js").Source} Source
 * @typedef {import("./ser-client.js").Result} Result
 * @typedef {import("./ser-client.js").Failure} Failure
 */

import { Delays } from "./delays.js";
import { Segments } from "./segments.js";
import { SerClient, streamUrl } from "./ser-client.js";
import { whyRefused } from "./server.js";

/** Turns that are kept. */
const TURNS = 12;

export class Run extends EventTarget {
  /** @type {Phase} */
  phase = "connecting";
  /** @type {Failure | null} */
  problem = null;
  /** @type {Result | null} the last result */
  result = null;
  /** @type {any} the server's `ready` message */
  ready = null;
  segments = new Segments();
  /** @type {import("./ser-client.js").SerEvent[]} the last turns that have ended, oldest first */
  turns = [];
  delays = new Delays();
  server_delays = new Delays();

  #source;
  #client;
  #has_started = false;
  #last_chunk_ms = 0;

  /** @param {Source} source @param {string | null} token */
  constructor(source, token) {
    super();
    this.#source = source;
    const config = { sample_rate: source.rate, live: source.duration_s === null, turns: true };
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

  /** Seconds of audio so far, between chunks too. */
  get now_s() {
    const since_s = (performance.now() - this.#last_chunk_ms) / 1000;
    return this.#client.given_s + (this.is_flowing ? Math.min(since_s, 0.2) : 0);
  }

  get is_flowing() {
    return ["listening", "playing", "reconnecting"].includes(this.phase) && this.#has_started;
  }

  get is_recording() {
    return this.#source.duration_s !== null;
  }

  get is_over() {
    return ["finished", "error"].includes(this.phase);
  }

  /** Start the source; a browser may require a click for that. */
  async play() {
    try {
      await this.#source.start();
      this.#has_started = true;
      this.problem = null;
      this.#become(this.#source.duration_s === null ? "listening" : "playing");
    } catch {
      this.problem = { code: "needs_click", message: "" };
      this.#become("paused");
    }
  }

  /** Wait for the remaining results, and end. @param {string | null} [code] why, if it is a problem */
  async stop(code = null) {
    if (this.is_over || this.phase === "finishing") return;
    if (!code) this.problem = null;
    this.#become("finishing");
    await this.#source.stop();
    await this.#client.finish();
    if (code) this.problem = { code, message: "" };
    this.#become(code ? "error" : "finished");
  }

  /** @param {any} ready */
  #begin(ready) {
    this.ready = ready;
    this.problem = null;
    if (this.#has_started) this.#become(this.#source.duration_s === null ? "listening" : "playing");
    else if (this.phase !== "paused") this.play();
  }

  /** @param {Result} result */
  #receive(result) {
    const { event, delay_ms } = result;
    if (event.type === "warning") {
      if (event.code === "degraded") this.problem = { code: "degraded", message: "" };
      if (event.code === "recovered") this.problem = null;
    }
    if (event.type === "emotion" || event.type === "no_speech") {
      this.result = result;
      this.segments.add(event);
      this.delays.add(delay_ms);
      if (event.latency_ms) this.server_delays.add(event.latency_ms.total);
    }
    if (event.type === "turn") this.turns = [...this.turns, event].slice(-TURNS);
    this.dispatchEvent(new CustomEvent("result", { detail: result }));
    this.#change();
  }

  /** @param {Failure} failure */
  #fail(failure) {
    this.problem = failure;
    if (this.#client.state === "closed") {
      this.#become("error");
      this.#source.stop();
    } else if (this.#client.state === "reconnecting") {
      this.#become("reconnecting");
    } else {
      this.#change();
    }
  }

  /** @param {import("./audio.js").Chunk} chunk */
  #take(chunk) {
    this.#last_chunk_ms = performance.now();
    this.#client.send(chunk.samples, this.#last_chunk_ms);
    const { rms, peak } = chunk;
    const detail = { end_s: this.#client.given_s, rms, peak };
    this.dispatchEvent(new CustomEvent("level", { detail }));
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
