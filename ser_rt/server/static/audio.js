/**
 * Live audio from a microphone.
 *
 * @typedef {{ samples: Int16Array, rms: number, peak: number }} Chunk levels are linear, in [0, 1]
 * @typedef {{ rate: number, start: () => Promise<void>, stop: () => Promise<void>,
 *   use: (device: string) => Promise<void>, onchunk: (chunk: Chunk) => void,
 *   onend: (code: string | null) => void }} Microphone
 *   `use` goes on with another device; `onend` is told why there is no more audio.
 */

const CHUNK_S = 0.05;
/** How long a browser may take to let a page hear. */
const RESUME_MS = 600;
/** No processing: it would remove level and tone, which carry emotion. */
const UNPROCESSED = {
  channelCount: 1,
  autoGainControl: false,
  echoCancellation: false,
  noiseSuppression: false,
};
const ERRORS = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "no_microphone",
  OverconstrainedError: "no_microphone",
  NotReadableError: "microphone_busy",
  AbortError: "microphone_busy",
};

/** Something that a person must be told; `code` names the words for it. */
export class AudioError extends Error {
  /** @param {string} code */
  constructor(code) {
    super(code);
    this.code = code;
  }
}

/** @param {string} device its id; empty is the browser's default @returns {Promise<Microphone>} */
export async function openMicrophone(device) {
  if (!window.isSecureContext) throw new AudioError("insecure");
  if (!navigator.mediaDevices?.getUserMedia) throw new AudioError("unsupported");
  let media = await request(device);
  const context = new AudioContext();
  await context.audioWorklet.addModule(new URL("capture-worklet.js", import.meta.url).href);
  const worklet = new AudioWorkletNode(context, "capture", {
    numberOfOutputs: 0,
    processorOptions: { chunk: Math.round(CHUNK_S * context.sampleRate) },
  });
  let flushed = () => {};
  worklet.port.onmessage = ({ data }) =>
    data.type === "flushed" ? flushed() : microphone.onchunk(data);
  const release = () => media.getTracks().forEach((track) => track.stop());
  /** @type {AudioNode | null} */
  let node = null;
  const listen = () => {
    node?.disconnect();
    node = context.createMediaStreamSource(media);
    node.connect(worklet);
    media.getAudioTracks()[0].onended = () => microphone.onend("microphone_lost");
  };
  /** @type {Microphone} */
  const microphone = {
    rate: context.sampleRate,
    onchunk: () => {},
    onend: () => {},
    start: async () => {
      await Promise.race([context.resume(), wait(RESUME_MS)]);
      if (context.state !== "running") throw new AudioError("microphone_busy");
      listen();
    },
    use: async (other) => {
      const next = await request(other);
      release();
      media = next;
      listen();
    },
    stop: async () => {
      if (context.state === "closed") return;
      const done = new Promise((resolve) => (flushed = () => resolve(true)));
      worklet.port.postMessage("flush");
      await Promise.race([done, wait(300)]);
      release();
      await context.close();
    },
  };
  return microphone;
}

/** @param {string} device */
async function request(device) {
  const audio = device ? { ...UNPROCESSED, deviceId: { exact: device } } : UNPROCESSED;
  return navigator.mediaDevices.getUserMedia({ audio }).catch((error) => {
    const is_gone = device && ["OverconstrainedError", "NotFoundError"].includes(error.name);
    throw new AudioError(is_gone ? "microphone_gone" : (ERRORS[error.name] ?? "microphone_busy"));
  });
}

/** @param {number} ms */
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
