/** Client of a ser-rt server; the protocol is in docs/protocol.md. */

export type State = "idle" | "connecting" | "open" | "reconnecting" | "closed";

interface Timed {
  /** Number of the event in its stream, from 0. */
  seq: number;
  /** Seconds of audio. */
  start: number;
  end: number;
  source?: string;
  channel?: number;
  channel_name?: string;
  /** Of a live stream, when the last sample arrived: ISO 8601. */
  at?: string;
}

/** Milliseconds: `total`, and its parts. */
export type Latency = { total: number } & Record<string, number>;

export interface EmotionEvent extends Timed {
  type: "emotion";
  /** English name of the likeliest emotion, or "unsure". */
  emotion: string;
  confidence: number;
  probabilities: Record<string, number>;
  speech: number;
  partial: boolean;
  /** Arousal, valence and dominance, of models that rate them. */
  dimensions?: Record<string, number>;
  embedding?: number[];
  latency_ms?: Latency;
}

/** What somebody said until they stopped; of a config with `turns: true`. */
export interface TurnEvent extends Timed {
  type: "turn";
  /** From 1, in its channel. */
  id: number;
  emotion: string;
  confidence: number;
  probabilities: Record<string, number>;
  /** Seconds of speech. */
  speech: number;
  /** In dB below a full-scale square wave. */
  loudness: number;
  onset: number;
  peak: number;
  peak_confidence: number;
  /** Whether it goes on in another turn. */
  cut: boolean;
  speaker_change?: boolean;
  /** Whether it has ended. */
  final: boolean;
  dimensions?: Record<string, number>;
  embedding?: number[];
  latency_ms?: Latency;
}

export interface NoSpeechEvent extends Timed {
  type: "no_speech";
  speech: number;
  partial: boolean;
  latency_ms?: Latency;
}

export interface EpisodeEvent extends Timed {
  type: "episode";
  emotion: string;
  confidence: number;
  peak: number;
}

export interface WarningEvent extends Timed {
  type: "warning";
  code: string;
  message: string;
}

/** The last message of a stream. */
export interface Summary {
  type: "summary";
  windows: number;
  no_speech: number;
  warnings: number;
  audio_s: number;
  skipped_windows: number;
  interrupted: boolean;
  [key: string]: unknown;
}

export type SerEvent =
  | EmotionEvent
  | NoSpeechEvent
  | EpisodeEvent
  | TurnEvent
  | WarningEvent
  | Summary;

/** An event, and how long ago the last sample that it is about was captured. */
export interface Result {
  event: SerEvent;
  delay_ms: number;
}

/** The server's error, `unreachable`, or `slow`: audio comes faster than it can be sent. */
export interface Failure {
  code: string;
  message: string;
}

export interface Ready {
  type: "ready";
  session: string;
  model: { name: string; version: string };
  labels: { id: number; en: string; ko: string; name: string }[];
  window_s: number;
  hop_s: number;
  notice?: string;
  [key: string]: unknown;
}

export interface Options {
  /** The first message: `sample_rate` in Hz, and settings of the protocol's `config`. */
  config: { sample_rate: number; live?: boolean } & Record<string, unknown>;
  /** Why a server refuses, which browsers hide from a WebSocket. */
  explain?: () => Promise<Failure | null>;
  /** A class to use instead of the global one. */
  WebSocket?: typeof globalThis.WebSocket;
}

interface Details {
  state: State;
  ready: Ready;
  result: Result;
  failure: Failure;
}

/** The address of a server's stream, from that of its page. */
export function streamUrl(page: string, token?: string | null): string;

export class SerClient extends EventTarget {
  constructor(url: string, options: Options);
  readonly state: State;
  /** Seconds of audio given to `send`, and of it those that no connection carried. */
  readonly given_s: number;
  readonly lost_s: number;
  connect(): void;
  /** Give audio, channels interleaved; what comes before the server is ready waits for it. */
  send(samples: Int16Array, captured_ms?: number): void;
  /** Of a recording, before it connects again: what comes after a time is given once more. */
  rewind(time_s: number): void;
  /** Wait for the remaining results, and end. */
  finish(): Promise<void>;
  stop(): void;
  addEventListener<K extends keyof Details>(
    type: K,
    listener: (event: CustomEvent<Details[K]>) => void,
  ): void;
}
