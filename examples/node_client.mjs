// A recording from Node to ser-serve: node examples/node_client.mjs URL speech.wav
// Before Node 22: node --experimental-websocket ...
// With the package: import { SerClient } from "ser-client";
import { readFileSync } from "node:fs";
import { SerClient } from "../ser_rt/server/static/ser-client.js";

const [url, path] = process.argv.slice(2);

/** The samples of a WAV file of 16 bits, the first channel alone. */
function readWave(bytes) {
  let at = 12;
  let rate = 0;
  let channels = 1;
  while (at + 8 <= bytes.length) {
    const kind = bytes.toString("latin1", at, at + 4);
    const size = bytes.readUInt32LE(at + 4);
    if (kind === "fmt ") {
      channels = bytes.readUInt16LE(at + 10);
      rate = bytes.readUInt32LE(at + 12);
      if (bytes.readUInt16LE(at + 22) !== 16) throw new Error("give a WAV file of 16 bits");
    } else if (kind === "data") {
      const data = bytes.subarray(at + 8, at + 8 + size);
      const all = new Int16Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.length));
      return { rate, samples: all.filter((_, i) => i % channels === 0) };
    }
    at += 8 + size + (size % 2);
  }
  throw new Error("this is no WAV file");
}

const { rate, samples } = readWave(readFileSync(path));
const client = new SerClient(url, { config: { sample_rate: rate } });
client.addEventListener("result", ({ detail: { event } }) => {
  if (event.type === "emotion") {
    console.log(`${event.end.toFixed(1)} s  ${event.emotion} ${Math.round(100 * event.confidence)} %`);
  } else if (event.type === "summary" && event.overall) {
    console.log(`all in all: ${event.overall.emotion}`);
  }
});
client.addEventListener("failure", ({ detail }) => console.error(detail.code, detail.message));
client.connect();
for (let at = 0; at < samples.length; at += rate) client.send(samples.subarray(at, at + rate));
await client.finish();
