/** A session as files: JSON as `/v1/classify` answers, a table of the results, subtitles. */

/** @typedef {import("./run.js").Run} Run */

/** @param {Run} run */
export function jsonOf(run) {
  const { model, provider, precision } = run.ready;
  const duration_s = Number((run.recording ? run.length_s : run.processed_s).toFixed(3));
  const overall = run.summary?.overall ?? null;
  const events = run.events.map(({ latency_ms: _, fatal: __, ...event }) => event);
  return JSON.stringify({ model, provider, precision, duration_s, overall, events }, null, 1);
}

/** @param {Run} run a column has the name that it has in the tables of ser-batch */
export function csvOf(run) {
  const emotions = run.ready.labels.map(({ en }) => en);
  const head = ["start_s", "end_s", "channel", "emotion", "confidence"];
  const rows = run.events
    .filter(({ type }) => type === "emotion" || type === "no_speech")
    .map((event) => [
      ...[event.start, event.end, event.channel, event.emotion, event.confidence],
      ...emotions.map((en) => event.probabilities?.[en]),
      ...[event.speech, event.partial],
    ]);
  const names = [...head, ...emotions.map((en) => `p_${en}`), "speech", "is_partial"];
  return [names, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

/** @param {unknown} value */
function cell(value) {
  const text = String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** @param {Run} run @param {(emotion: string) => string} name of an emotion */
export function srtOf(run, name) {
  const episodes = run.events.filter(({ type }) => type === "episode");
  return episodes
    .map(({ start, end, emotion, confidence, channel }, n) => {
      const who = channel ? `[${channel}] ` : "";
      const share = Math.round(100 * confidence);
      return `${n + 1}\n${time(start)} --> ${time(end)}\n${who}${name(emotion)} ${share}%\n\n`;
    })
    .join("");
}

/** @param {number} time_s @returns {string} as subtitles have it, such as 00:00:01,500 */
function time(time_s) {
  const ms = Math.round(1000 * time_s);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(ms / 3.6e6), Math.floor(ms / 6e4) % 60, Math.floor(ms / 1000) % 60];
  return `${two(h)}:${two(m)}:${two(s)},${String(ms % 1000).padStart(3, "0")}`;
}

/** Name of a file without suffix. @param {Run} run */
export function nameOf({ recording, began }) {
  if (recording) return recording.name.replace(/\.[^.]+$/, "") || "recording";
  const local = new Date(began.getTime() - 60_000 * began.getTimezoneOffset()).toISOString();
  return `ser-rt ${local.slice(0, 16).replace("T", " ").replace(":", ".")}`;
}

/** Gives a file to the person. @param {BlobPart} content @param {string} type @param {string} name */
export function save(content, type, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
