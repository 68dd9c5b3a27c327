/** A recording: the samples of a file, how loud they are, and what is given of them so far. */

import { AudioError } from "./audio.js";
import { Levels, STEP_S } from "./levels.js";
import { loudness } from "./meter.js";

const CHUNK_S = 1;
const MOST_BYTES = 200e6;
/** The most that the protocol takes. */
const MOST_CHANNELS = 8;

/**
 * @param {File} file @param {number} rate that the server wants, in Hz
 * @returns {Promise<Recording>}
 */
export async function openRecording(file, rate) {
  if (file.size > MOST_BYTES) throw new AudioError("file_too_big");
  try {
    const context = new OfflineAudioContext(1, 1, rate);
    return new Recording(file, await context.decodeAudioData(await file.arrayBuffer()));
  } catch {
    throw new AudioError("unsupported_file");
  }
}

export class Recording {
  /** Whether each channel is classified by itself. */
  is_split = false;
  /** @type {(chunk: { samples: Int16Array }) => void} */
  onchunk = () => {};
  /** @type {(code: string | null) => void} told when all of it is given */
  onend = () => {};

  #channels;
  #given = 0;

  /** @param {File} file @param {AudioBuffer} audio */
  constructor(file, audio) {
    const count = Math.min(audio.numberOfChannels, MOST_CHANNELS);
    this.file = file;
    this.name = file.name;
    this.rate = audio.sampleRate;
    this.duration_s = audio.duration;
    this.#channels = Array.from({ length: count }, (_, n) => audio.getChannelData(n));
  }

  /** How many channels the file has. */
  get channels() {
    return this.#channels.length;
  }

  /** Those that are classified, each by itself; null is all of them together. */
  get voices() {
    return this.is_split ? this.#channels.map((_, n) => n + 1) : [null];
  }

  /** Loudness of a channel, or of all. @param {number | null} voice */
  levels(voice) {
    const step = Math.round(STEP_S * this.rate);
    const levels = new Levels();
    const sources = voice === null ? this.#channels : [this.#channels[voice - 1]];
    for (let start = 0; start < sources[0].length; start += step) {
      const end = Math.min(start + step, sources[0].length);
      let energy = 0;
      for (let n = start; n < end; n += 1) energy += mean(sources, n) ** 2;
      levels.put(start / step, loudness(Math.sqrt(energy / (end - start))));
    }
    return levels;
  }

  /** Give what comes before a time. @param {number} until_s */
  pump(until_s) {
    const whole = this.#channels[0].length;
    const until = Math.min(whole, Math.round(until_s * this.rate));
    if (this.#given >= whole) return;
    while (this.#given < until) {
      const end = Math.min(until, this.#given + CHUNK_S * this.rate);
      this.onchunk({ samples: this.#samples(this.#given, end) });
      this.#given = end;
    }
    if (this.#given >= whole) this.onend(null);
  }

  /** Give again what comes after a time. @param {number} time_s */
  rewind(time_s) {
    this.#given = Math.round(time_s * this.rate);
  }

  /** What is sent: all channels interleaved, or their mean. */
  #samples(start, end) {
    const count = this.is_split ? this.channels : 1;
    const samples = new Int16Array(count * (end - start));
    for (let n = start; n < end; n += 1) {
      for (let channel = 0; channel < count; channel += 1) {
        const value = this.is_split ? this.#channels[channel][n] : mean(this.#channels, n);
        // As Chromium makes numbers of 16-bit files: what is sent is what was there.
        const pcm = Math.round(value * (value < 0 ? 32768 : 32767));
        samples[(n - start) * count + channel] = Math.max(-32768, Math.min(32767, pcm));
      }
    }
    return samples;
  }
}

/** @param {Float32Array[]} sources @param {number} n */
function mean(sources, n) {
  let sum = 0;
  for (const source of sources) sum += source[n];
  return sum / sources.length;
}
