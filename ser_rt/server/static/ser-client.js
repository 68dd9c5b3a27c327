/**
 * Streams audio to a ser-rt server and dispatches its results. No dependencies; any browser.
 *
 *     const client = new SerClient(streamUrl(location.href), { config: { sample_rate: 48000 } });
 *     client.addEventListener("result", ({ detail }) => console.log(detail.event.emotion));
 *     client.connect();
 *     client.send(samples); // Int16Array of any length; again and again
 *     await client.finish(); // the remaining results, then the end
 *
 * Nothing has to be awaited before `finish`: audio given before the server is ready waits for it.
 * In Node before version 22, `node --experimental-websocket`, or the option `WebSocket`.
 *
 * Events: `state` (State), `ready` (the server's message), `result` (Result), `failure` (Failure).
 *
 * A lost server is tried again, with growing pauses, until `finish` or `stop`. Audio given
 * meanwhile is lost, because it would come late; times go on counting: they are always seconds of
 * all audio given, and turns are counted on; the one that was open is two, or has no answer. With
 * `live: true` in the config, audio that the network does not carry is lost, too.
 *
 * @typedef {"idle" | "connecting" | "open" | "reconnecting" | "closed"} State
 * @typedef {{ en: string, ko: string }} Label
 * @typedef {{ type: string, seq: number, start: number, end: number, emotion?: string,
 *   confidence?: number, probabilities?: Record<string, number>, speech?: number,
 *   partial?: boolean, latency_ms?: Record<string, number>, code?: string,
 *   message?: string, id?: number, onset?: number, peak?: number, cut?: boolean,
 *   final?: boolean, channel?: number, channel_name?: string }} SerEvent
 *   Of a turn, which the config `turns: true` asks for, `speech` is in seconds.
 * @typedef {{ event: SerEvent, delay_ms: number }} Result
 *   An event, and how long ago the last sample that it is about was captured.
 * @typedef {{ code: string, message: string }} Failure
 *   The server's error, what `explain` found, `unreachable`, or `slow`: audio comes faster than it
 *   can be sent. The state says whether the client goes on trying.
 */

const RETRY_MS = { first: 400, most: 8000 };
const SILENT_SERVER_MS = 8000;
const UNSENT_BYTES = 1 << 20;
/** A server that is not `ready` by then is tried again; `finish` waits so long for a first one. */
const OPEN_MS = 20_000;
/** `finish` waits so long for each message. */
const FINISH_MS = 5000;
/** Audio that waits for a first connection; beyond that the oldest is lost. */
const EARLY_S = 300;
const KEPT_S = 60;
/** Failures that pass by themselves. */
const PASSING = new Set([
  "unreachable",
  "no_websocket",
  "server_full",
  "not_ready",
  "shutting_down",
  "session_too_long",
  "idle_timeout",
]);

/** The address of a server's stream, from that of its page. @param {string} page @param {string | null} [token] */
export function streamUrl(page, token = null) {
  const url = new URL("v1/stream", page);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  if (token) url.searchParams.set("token", token);
  return url.href;
}

export class SerClient extends EventTarget {
  /** @type {State} */
  state = "idle";

  #url;
  #config;
  #explain;
  /** Samples a second, of all channels. */
  #rate;
  #given = 0;
  #lost = 0;
  /** Samples lost on this connection that the server does not know of yet. */
  #gap = 0;
  #captured = new CaptureTimes();
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {Int16Array[]} audio that waits for `ready` */
  #early = [];
  #early_samples = 0;
  /** Whether a server has ever been ready: audio waits for the first one alone. */
  #was_ready = false;
  /** Silence of a server that takes no longer for a result. */
  #patience_ms = SILENT_SERVER_MS;
  #is_ending = false;
  #WebSocket;
  #attempts = 0;
  #retry = 0;
  #last_message_ms = 0;
  /** @type {Map<number, { before: number, last: number }>} turns by channel: of earlier connections, and in all */
  #turns = new Map();
  #is_slow = false;
  /** @type {Failure | null} */
  #failure = null;
  /** @type {(() => void) | null} */
  #finished = null;

  /**
   * @param {string} url
   * @param {{ config: { sample_rate: number, channels?: number } & Record<string, unknown>,
   *   explain?: () => Promise<Failure | null>, WebSocket?: typeof globalThis.WebSocket }} options
   *   `config` is the first message; `explain` returns why a server refuses, which browsers hide
   *   from a WebSocket; `WebSocket` is a class to use instead of the global one.
   */
  constructor(url, { config, explain = async () => null, WebSocket = globalThis.WebSocket }) {
    super();
    this.#WebSocket = WebSocket;
    this.#url = url;
    this.#config = { type: "config", encoding: "pcm_s16le", channels: 1, ...config };
    this.#explain = explain;
    this.#rate = config.sample_rate * this.#config.channels;
  }

  /** Seconds of audio given to `send`. */
  get given_s() {
    return this.#given / this.#rate;
  }

  /** Seconds of it that no connection carried. */
  get lost_s() {
    return this.#lost / this.#rate;
  }

  connect() {
    this.#become(this.#attempts ? "reconnecting" : "connecting");
    const socket = new this.#WebSocket(this.#url);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.onopen = () => {
      this.#gap = 0;
      const start_s = (this.#given - this.#early_samples) / this.#rate;
      socket.send(JSON.stringify({ ...this.#config, start_s }));
    };
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    socket.onclose = () => socket === this.#socket && this.#closed();
    clearTimeout(this.#retry);
    this.#retry = setTimeout(socket.onclose, OPEN_MS);
  }

  /**
   * Give audio.
   * @param {Int16Array} samples at the rate of the config, interleaved where it has channels
   * @param {number} [captured_ms] when the last of them was captured, as `performance.now()`
   */
  send(samples, captured_ms = performance.now()) {
    const socket = this.#socket;
    const is_connected = socket?.readyState === 1; // OPEN
    const is_live = this.#config.live === true;
    const is_slow = is_live && is_connected && socket.bufferedAmount > UNSENT_BYTES;
    if (is_slow && !this.#is_slow) this.#dispatch("failure", { code: "slow", message: "" });
    this.#is_slow = is_slow;
    this.#given += samples.length;
    this.#captured.add(this.given_s, captured_ms);
    if (is_slow || this.state === "closed" || (this.#was_ready && !is_connected)) {
      this.#lose(samples);
    } else if (this.state === "open") {
      this.#flow(samples);
    } else {
      this.#wait(samples, is_connected);
    }
    const quiet_ms = performance.now() - this.#last_message_ms;
    if (this.state === "open" && quiet_ms > this.#patience_ms) this.#closed();
  }

  /**
   * Wait for the remaining results, and end. Resolves when the server is done, or does not answer.
   * Before the first connection it waits for that, too.
   */
  async finish() {
    const is_trying = ["connecting", "reconnecting"].includes(this.state);
    const is_waiting = is_trying && !this.#was_ready && this.#given > 0;
    if (!is_waiting && (this.state !== "open" || !this.#socket)) return this.stop();
    const done = new Promise((resolve) => (this.#finished = () => resolve(true)));
    const since_ms = performance.now();
    if (is_waiting) this.#is_ending = true;
    else this.#end();
    for (;;) {
      if (await Promise.race([done, pause(100)])) break;
      const quiet_ms = performance.now() - Math.max(since_ms, this.#last_message_ms);
      if (quiet_ms > (this.#was_ready ? FINISH_MS : OPEN_MS)) break;
    }
    this.stop();
    this.#finished = null;
    this.#is_ending = false;
  }

  /** Of a recording, before it connects again: what comes after a time is given once more. */
  rewind(time_s) {
    this.#given = Math.round(time_s * this.#config.sample_rate) * this.#config.channels;
    this.#captured = new CaptureTimes();
  }

  /** End at once. */
  stop() {
    clearTimeout(this.#retry);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
    for (const samples of this.#early.splice(0)) this.#lost += samples.length;
    this.#early_samples = 0;
    if (this.state !== "closed") this.#become("closed");
    this.#finished?.();
  }

  /** @param {Int16Array} samples */
  #lose(samples) {
    this.#lost += samples.length;
    this.#gap += samples.length;
  }

  /** Keep audio for the server. @param {Int16Array} samples @param {boolean} has_config */
  #wait(samples, has_config) {
    this.#early.push(samples);
    this.#early_samples += samples.length;
    // The server has been told where it begins, once there is a connection.
    while (!has_config && this.#early_samples > EARLY_S * this.#rate) {
      const oldest = this.#early.shift();
      this.#early_samples -= oldest.length;
      this.#lost += oldest.length;
    }
  }

  #end() {
    this.#socket.send(JSON.stringify({ type: "close" }));
  }

  /** @param {Int16Array} samples */
  #flow(samples) {
    if (this.#gap) {
      this.#socket.send(JSON.stringify({ type: "gap", seconds: this.#gap / this.#rate }));
      this.#gap = 0;
    }
    this.#socket.send(samples);
  }

  /** @param {any} message */
  #take(message) {
    this.#last_message_ms = performance.now();
    if (message.type === "ready") {
      const result_s = Math.max(message.hop_s, message.min_window_s);
      this.#patience_ms = Math.max(SILENT_SERVER_MS, 2000 + 2000 * result_s);
      clearTimeout(this.#retry);
      this.#attempts = 0;
      this.#was_ready = true;
      this.#become("open");
      this.#dispatch("ready", message);
      for (const counted of this.#turns.values()) counted.before = counted.last;
      this.#early_samples = 0;
      for (const samples of this.#early.splice(0)) this.#flow(samples);
      if (this.#is_ending) this.#end();
    } else if (message.type === "error") {
      this.#failure = message;
    } else {
      if (message.type === "turn") this.#count(message);
      const delay_ms = this.#captured.delay_ms(message.end ?? 0, this.#last_message_ms);
      this.#dispatch("result", { event: message, delay_ms });
    }
  }

  /** Count a turn on from those of earlier connections. @param {any} turn */
  #count(turn) {
    const channel = turn.channel ?? 0;
    const counted = this.#turns.get(channel) ?? { before: 0, last: 0 };
    turn.id += counted.before;
    if (turn.final) counted.last = turn.id;
    this.#turns.set(channel, counted);
  }

  /** The connection is gone, or carries nothing, which a browser may take minutes to notice. */
  async #closed() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    if (this.#finished && this.#was_ready) return this.#finished();
    if (this.#was_ready) {
      for (const samples of this.#early.splice(0)) this.#lost += samples.length;
      this.#early_samples = 0;
    }
    this.#become("reconnecting");
    const cause = this.#failure ?? (await this.#explain());
    if (this.state !== "reconnecting") return;
    this.#failure = null;
    const failure = cause ?? { code: "unreachable", message: "" };
    if (!PASSING.has(failure.code)) this.stop();
    this.#dispatch("failure", failure);
    if (this.state === "closed") return;
    const pause_ms = Math.min(RETRY_MS.most, RETRY_MS.first * 2 ** this.#attempts++);
    this.#retry = setTimeout(() => this.connect(), pause_ms * (0.75 + Math.random() / 2));
  }

  /** @param {State} state */
  #become(state) {
    this.state = state;
    this.#dispatch("state", state);
  }

  /** @param {string} type @param {unknown} detail */
  #dispatch(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** @param {number} ms @returns {Promise<void>} */
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** When each chunk of audio was captured, for the delay of an event. */
class CaptureTimes {
  /** @type {{ end_s: number, captured_ms: number }[]} */
  #chunks = [];

  /** @param {number} end_s of a chunk @param {number} captured_ms when its end was captured */
  add(end_s, captured_ms) {
    this.#chunks.push({ end_s, captured_ms });
    while (this.#chunks[0].end_s < end_s - KEPT_S) this.#chunks.shift();
  }

  /** @param {number} time_s @param {number} now_ms @returns {number} since that was captured */
  delay_ms(time_s, now_ms) {
    const chunk = this.#chunks.find(({ end_s }) => end_s >= time_s - 1e-4) ?? this.#chunks.at(-1);
    if (!chunk) return 0;
    return Math.max(0, now_ms - chunk.captured_ms + 1000 * (chunk.end_s - time_s));
  }
}
