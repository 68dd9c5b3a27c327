/** The page: its buttons and what they start. */

import { openMicrophone } from "./audio.js";
import { csvOf, jsonOf, nameOf, save, srtOf } from "./export.js";
import { Microphones } from "./microphones.js";
import { pictureOf } from "./picture.js";
import { Player } from "./player.js";
import { language, setLanguage, switchTheme, translate } from "./preferences.js";
import { openRecording } from "./recording.js";
import { Run } from "./run.js";
import { Screen } from "./screen.js";
import { describeModel, takeToken, whyRefused } from "./server.js";

const RATE = 16_000;

const byId = (/** @type {string} */ id) => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const token = takeToken();
const player = new Player();
const screen = new Screen(player, request);

/** @type {import("./screen.js").State} */
const state = { phase: "idle", problem: null, run: null };
/** @type {import("./audio.js").Microphone | null} */
let microphone = null;
let drawn_s = 0;
/** Counts what was begun: only the last may go on. */
let turn = 0;
/** Whether a picture is due, and whether more than what moves has changed since the last one. */
let is_due = false;
let is_stale = false;

const microphones = new Microphones(
  byId("microphone-row"),
  /** @type {HTMLSelectElement} */ (byId("microphone")),
  changeMicrophone,
);

/** Brings the display up to date, with the next picture of the screen: results may come by the hundred. */
function show() {
  is_stale = true;
  request();
}

function request() {
  if (!is_due) requestAnimationFrame(render);
  is_due = true;
}

function render() {
  is_due = false;
  if (is_stale && state.run) {
    state.phase = state.run.phase;
    state.problem = state.run.problem;
  }
  if (is_stale) screen.show(state);
  is_stale = false;
  draw();
  if (is_moving()) request();
}

/** Whether the picture moves by itself: with little motion wanted, at results alone. */
const is_moving = () => player.is_playing || (!calm.matches && Boolean(state.run?.is_flowing));

function draw() {
  const now_s = state.run?.length_s ?? 0;
  // Chunks come in jolts; the picture glides after them.
  const is_near = !calm.matches && state.run?.is_flowing && Math.abs(now_s - drawn_s) < 0.5;
  drawn_s = is_near ? Math.max(drawn_s, drawn_s + 0.2 * (now_s - drawn_s)) : now_s;
  screen.draw(state.run, drawn_s);
}

/** @param {string} phase @param {() => Promise<Run>} open */
async function begin(phase, open) {
  turn += 1;
  const mine = turn;
  await state.run?.leave();
  if (mine !== turn) return;
  player.clear();
  Object.assign(state, { phase, problem: null, run: null });
  screen.clear();
  show();
  try {
    const run = await open();
    if (mine === turn) follow(run);
    else run.leave();
  } catch (error) {
    if (mine !== turn) return;
    Object.assign(state, { phase: "error", problem: { code: error.code, message: error.message } });
    show();
  }
}

function cancel() {
  turn += 1;
  Object.assign(state, { phase: "idle", problem: null });
  show();
}

/** @param {Run} run */
function follow(run) {
  state.run = run;
  screen.begin(run);
  run.addEventListener("level", ({ detail }) => screen.showLevel(detail));
  run.addEventListener("change", () => {
    if (run.ready) describe({ ...run.ready, ...run.ready.model });
    show();
  });
  show();
}

async function listen() {
  microphone = await openMicrophone(microphones.chosen);
  microphones.refresh();
  return new Run(microphone, null, token);
}

async function changeMicrophone() {
  if (!microphone || !state.run?.is_flowing) return;
  const { run } = state;
  await microphone.use(microphones.chosen).catch((error) => run.stop(error.code));
}

/** @param {File | undefined} file */
function analyse(file) {
  if (!file) return;
  begin("opening", async () => {
    const recording = await openRecording(file, model?.sample_rate ?? RATE);
    player.load(file);
    return new Run(recording, recording, token);
  });
}

/** @param {boolean} is_split whether each channel of a recording is classified by itself */
function analyseAgain(is_split) {
  const recording = state.run?.recording;
  if (!recording || recording.is_split === is_split) return;
  begin("connecting", async () => {
    recording.is_split = is_split;
    recording.rewind(0);
    player.load(recording.file);
    return new Run(recording, recording, token);
  });
}

/** @param {string} kind */
async function saveAs(kind) {
  const { run } = state;
  const { names } = screen;
  const name = `${nameOf(run)}.${kind}`;
  if (kind === "json") save(jsonOf(run), "application/json", name);
  if (kind === "csv") save(csvOf(run), "text/csv", name);
  if (kind === "srt") save(srtOf(run, (emotion) => names.name(emotion)), "text/plain", name);
  if (kind === "png") save(await pictureOf(run, names), "image/png", name);
}

let described = "";
/** @param {any} model */
function describe(model) {
  const key = JSON.stringify([model.name, model.version, model.labels, language()]);
  if (key === described) return;
  described = key;
  screen.describe(model);
}

function redress() {
  translate();
  microphones.show();
  described = "";
  if (model) describe(model);
  if (state.run?.ready) describe({ ...state.run.ready, ...state.run.ready.model });
  screen.restyle();
  show();
}

byId("listen").addEventListener("click", () => {
  const { run, phase } = state;
  if (["asking", "opening", "connecting"].includes(phase) && !run) cancel();
  else if (run && !run.is_over) run.stop();
  else begin("asking", listen);
});
byId("open").addEventListener("click", () => byId("file").click());
byId("file").addEventListener("change", ({ target }) => {
  const input = /** @type {HTMLInputElement} */ (target);
  analyse(input.files[0]);
  input.value = "";
});
byId("theme").addEventListener("click", () => {
  switchTheme();
  redress();
});
for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => {
    setLanguage(/** @type {any} */ (button).dataset.language);
    redress();
  });
}
for (const button of document.querySelectorAll("[data-split]")) {
  button.addEventListener("click", () => analyseAgain(/** @type {any} */ (button).dataset.split === "yes"));
}
for (const button of document.querySelectorAll("[data-save]")) {
  button.addEventListener("click", () => saveAs(/** @type {any} */ (button).dataset.save));
}
player.addEventListener("change", show);

const drop = byId("drop");
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) drop.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  analyse(event.dataTransfer?.files[0]);
});
new ResizeObserver(request).observe(byId("timeline"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redress);

/** @type {any} */
let model = null;
redress();
model = await describeModel(token);
if (!model) state.problem = await whyRefused(token);
redress();
