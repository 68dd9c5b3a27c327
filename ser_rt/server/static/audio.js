/**
 * Where audio comes from: a microphone, or a file that is played while it is sent, so that ear and
 * eye agree.
 *
 * @typedef {{ samples: Int16Array, rms: number, peak: number }} Chunk levels are linear, in [0, 1]
 * @typedef {{ rate: number, duration_s: number | null, start: () => Promise<void>,
 *   stop: () => Promise<void>, onchunk: (chunk: Chunk) => void,
 *   onend: (code: string | null) => void }} Source
 *   `onend` is told of the end of a file (null), or why there is no more audio.
 */

const CHUNK_S = 0.05;
const MOST_BYTES = 200e6;
/** How long a browser may take to let a page make sound before it must be asked by a click. */
const RESUME_MS = 600;
/** No processing: it would remove level and tone, which carry emotion. */
const UNPROCESSED = {
  channelCount: 1,
  autoGainControl: false,
  echoCancellation: false,
  noiseSuppression: false,
};
const MICROPHONE_ERRORS = {
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

/** @returns {Promise<Source>} */
export async function openMicrophone() {
  if (!window.isSecureContext) throw new AudioError("insecure");
  if (!navigator.mediaDevices?.getUserMedia) throw new AudioError("unsupported");
  const media = await navigator.mediaDevices.getUserMedia({ audio: UNPROCESSED }).catch((error) => {
    throw new AudioError(MICROPHONE_ERRORS[error.name] ?? "microphone_busy");
  });
  const [track] = media.getAudioTracks();
  const context = new AudioContext();
  const source = await capture(context, context.createMediaStreamSource(media), () => track.stop());
  track.onended = () => source.onend("microphone_lost");
  return source;
}

/** @param {File} file @returns {Promise<Source>} */
export async function openFile(file) {
  if (!window.isSecureContext) throw new AudioError("insecure");
  if (file.size > MOST_BYTES) throw new AudioError("file_too_big");
  const context = new AudioContext();
  try {
    const node = context.createBufferSource();
    node.buffer = await context.decodeAudioData(await file.arrayBuffer());
    const source = await capture(context, node);
    source.duration_s = node.buffer.duration;
    node.connect(context.destination);
    node.onended = () => source.onend(null);
    const { start } = source;
    source.start = async () => {
      await start();
      node.start();
    };
    return source;
  } catch {
    await context.close();
    throw new AudioError("unsupported_file");
  }
}

/**
 * @param {AudioContext} context
 * @param {AudioNode} node the audio to capture
 * @param {() => void} [release] what to do at the end
 * @returns {Promise<Source>}
 */
async function capture(context, node, release = () => {}) {
  await context.audioWorklet.addModule(new URL("capture-worklet.js", import.meta.url).href);
  const worklet = new AudioWorkletNode(context, "capture", {
    numberOfOutputs: 0,
    processorOptions: { chunk: Math.round(CHUNK_S * context.sampleRate) },
  });
  /** @type {Source} */
  const source = {
    rate: context.sampleRate,
    duration_s: null,
    onchunk: () => {},
    onend: () => {},
    start: async () => {
      await Promise.race([context.resume(), wait(RESUME_MS)]);
      if (context.state !== "running") throw new AudioError("needs_click");
      node.connect(worklet);
    },
    stop: async () => {
      if (context.state === "closed") return;
      const flushed = new Promise((resolve) => (source.onflushed = resolve));
      worklet.port.postMessage("flush");
      await Promise.race([flushed, wait(300)]);
      release();
      await context.close();
    },
  };
  worklet.port.onmessage = ({ data }) =>
    data.type === "flushed" ? source.onflushed?.() : source.onchunk(data);
  return source;
}

/** @param {number} ms */
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
