/** The page: its buttons and what they start. */

import { openFile, openMicrophone } from "./audio.js";
import { language, setLanguage, switchTheme, translate } from "./preferences.js";
import { Run } from "./run.js";
import { Screen } from "./screen.js";
import { describeModel, takeToken, whyRefused } from "./server.js";

const byId = (/** @type {string} */ id) => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const token = takeToken();
const screen = new Screen();

/** @type {import("./screen.js").State} */
const state = { phase: "idle", problem: null, run: null };
let drawn_s = 0;
/** Counts what was begun: only the last may go on. */
let turn = 0;

function show() {
  if (state.run) {
    state.phase = state.run.phase;
    state.problem = state.run.problem;
  }
  screen.show(state);
  if (calm.matches || !state.run?.is_flowing) draw();
}

function draw() {
  const now_s = state.run?.now_s ?? 0;
  // Chunks come in jolts; the picture glides after them.
  const is_near = !calm.matches && state.run?.is_flowing && Math.abs(now_s - drawn_s) < 0.5;
  drawn_s = is_near ? Math.max(drawn_s, drawn_s + 0.2 * (now_s - drawn_s)) : now_s;
  screen.draw(state.run, drawn_s);
}

function glide() {
  if (calm.matches || !state.run?.is_flowing) return;
  draw();
  requestAnimationFrame(glide);
}

/** @param {string} phase @param {() => Promise<import("./audio.js").Source>} open */
async function begin(phase, open) {
  turn += 1;
  const mine = turn;
  await state.run?.stop();
  Object.assign(state, { phase, problem: null, run: null });
  screen.clear();
  show();
  try {
    const source = await open();
    if (mine === turn) follow(new Run(source, token));
    else source.stop();
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
  let was_flowing = false;
  run.addEventListener("level", ({ detail }) => screen.showLevel(detail));
  run.addEventListener("change", () => {
    if (run.ready) describe({ ...run.ready, ...run.ready.model });
    show();
    if (run.is_flowing && !was_flowing) requestAnimationFrame(glide);
    was_flowing = run.is_flowing;
  });
  show();
}

let described = "";
/** @param {any} model */
function describe(model) {
  const key = JSON.stringify([model.name, model.version, model.labels, language()]);
  if (key === described) return;
  described = key;
  screen.describe(model);
}

/** @param {File | undefined} file */
function playFile(file) {
  if (file) begin("connecting", () => openFile(file));
}

function redress() {
  translate();
  described = "";
  if (model) describe(model);
  if (state.run?.ready) describe({ ...state.run.ready, ...state.run.ready.model });
  screen.restyle();
  show();
  draw();
}

byId("listen").addEventListener("click", () => {
  const { run, phase } = state;
  if (["asking", "connecting"].includes(phase) && !run) cancel();
  else if (phase === "paused") run.play();
  else if (run && !run.is_over) run.stop();
  else begin("asking", openMicrophone);
});
byId("open").addEventListener("click", () => byId("file").click());
byId("file").addEventListener("change", ({ target }) => {
  const input = /** @type {HTMLInputElement} */ (target);
  playFile(input.files[0]);
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
  playFile(event.dataTransfer?.files[0]);
});
new ResizeObserver(draw).observe(byId("timeline"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redress);

/** @type {any} */
let model = null;
redress();
model = await describeModel(token);
if (!model) state.problem = await whyRefused(token);
redress();
