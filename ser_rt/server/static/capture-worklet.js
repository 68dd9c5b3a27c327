/**
 * Turns what flows through it into chunks of 16-bit mono PCM with their level, ready to be sent.
 * Runs on the audio thread; the page receives each chunk through the port. The message "flush"
 * asks for the rest.
 */

class Capture extends AudioWorkletProcessor {
  /** @param {{ processorOptions: { chunk: number } }} options `chunk` in samples */
  constructor({ processorOptions }) {
    super();
    this.size = processorOptions.chunk;
    this.#renew();
    this.port.onmessage = () => {
      this.#post();
      this.port.postMessage({ type: "flushed" });
    };
  }

  /** @param {Float32Array[][]} inputs */
  process([channels]) {
    const frames = channels[0]?.length ?? 0;
    for (let frame = 0; frame < frames; frame += 1) {
      let sum = 0;
      for (const channel of channels) sum += channel[frame];
      this.#put(sum / channels.length);
    }
    return true;
  }

  /** @param {number} value in [-1, 1] */
  #put(value) {
    const level = Math.abs(value);
    if (level > this.peak) this.peak = level;
    this.energy += value * value;
    this.pcm[this.filled] = Math.max(-32768, Math.min(32767, Math.round(value * 32768)));
    this.filled += 1;
    if (this.filled === this.size) this.#post();
  }

  #post() {
    if (this.filled === 0) return;
    const samples = this.filled === this.size ? this.pcm : this.pcm.slice(0, this.filled);
    const rms = Math.sqrt(this.energy / this.filled);
    this.port.postMessage({ type: "chunk", samples, rms, peak: this.peak }, [samples.buffer]);
    this.#renew();
  }

  #renew() {
    this.pcm = new Int16Array(this.size);
    this.filled = 0;
    this.peak = 0;
    this.energy = 0;
  }
}

registerProcessor("capture", Capture);
