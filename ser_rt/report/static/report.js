/* A page of a recording: listens to it, follows it, shows one emotion alone, sorts its tables. */

const audio = document.querySelector("audio");
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

/* Listening */

let until_s = Infinity;
let playing = null;
let voices = null;

const clock = (seconds) => {
  const [h, m, s] = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map(Math.floor);
  const two = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
};

function mark(element) {
  all(".playing").forEach((one) => one.classList.remove("playing"));
  playing = element;
  if (!element) return;
  element.classList.add("playing");
  const moment = element.closest("[id^=moment-]")?.id.replace("moment-", "");
  if (moment) all(`.pin[data-moment="${moment}"]`).forEach((pin) => pin.classList.add("playing"));
}

/* One voice of several, on both ears, or all (null). Of a file beside the page browsers give no
   channels, and within it there are two at most. */
function listenTo(voice) {
  const count = Number(audio.dataset.voices);
  const kinds = count === 2 ? ["data:", "blob:"] : ["blob:"];
  if (count < 2 || !kinds.some((kind) => audio.src.startsWith(kind))) return;
  if (!voices) {
    const context = new AudioContext();
    const splitter = context.createChannelSplitter(count);
    context.createMediaElementSource(audio).connect(splitter);
    voices = Array.from({ length: count }, (_, number) => {
      const gain = context.createGain();
      splitter.connect(gain, number);
      gain.connect(context.destination);
      return gain;
    });
  }
  voices[0].context.resume();
  voices.forEach((one, number) => (one.gain.value = voice === null || voice === number ? 1 : 0));
}

function play(from_s, to_s = Infinity, element = null) {
  if (!audio || document.body.classList.contains("silent")) return;
  listenTo(element ? Number(element.dataset.voice) : null);
  audio.currentTime = from_s;
  until_s = to_s;
  mark(element);
  audio.play();
}

function follow() {
  const now_s = audio.currentTime;
  if (now_s >= until_s && !audio.paused) audio.pause();
  document.querySelector("#clock").textContent = clock(now_s);
  for (const strip of all(".strip")) {
    const head = strip.querySelector(".playhead");
    const [from_s, to_s] = [Number(strip.dataset.from), Number(strip.dataset.to)];
    head.hidden = now_s < from_s || now_s >= to_s || (now_s === 0 && audio.paused);
    head.style.left = `${(100 * (now_s - from_s)) / (to_s - from_s)}%`;
  }
  if (!audio.paused) requestAnimationFrame(follow);
}

if (audio) {
  const button = document.querySelector("#play");
  const picker = document.querySelector(".pick");
  const silent = (is_silent) => {
    document.body.classList.toggle("silent", is_silent);
    picker.hidden = !is_silent;
    document.querySelector("#no-sound").hidden = !is_silent;
  };
  audio.addEventListener("error", () => silent(true));
  audio.addEventListener("loadedmetadata", () => silent(false));
  if (!audio.getAttribute("src")) silent(true);
  for (const type of ["play", "pause", "seeked"]) {
    audio.addEventListener(type, () => {
      const { playWord, pauseWord } = button.dataset;
      button.firstChild.textContent = audio.paused ? playWord : pauseWord;
      if (audio.paused && type === "pause") mark(null);
      follow();
    });
  }
  button.addEventListener("click", () => {
    until_s = Infinity;
    listenTo(null);
    if (audio.paused) audio.play();
    else audio.pause();
  });
  picker.querySelector("input").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) audio.src = URL.createObjectURL(file);
  });
}

document.addEventListener("click", (event) => {
  const target = event.target;
  const pin = target.closest("a[data-moment]");
  const told = pin
    ? document.querySelector(`#moment-${pin.dataset.moment} [data-play]`)
    : target.closest("[data-play]");
  if (told) {
    if (pin) event.preventDefault();
    if (pin && document.body.classList.contains("silent")) {
      told.scrollIntoView({ block: "center" });
      told.focus();
    }
    if (told === playing) audio.pause();
    else play(...told.dataset.play.split(" ").map(Number), told);
    return;
  }
  const strip = target.closest(".strip");
  if (strip) {
    const box = strip.getBoundingClientRect();
    const [from_s, to_s] = [Number(strip.dataset.from), Number(strip.dataset.to)];
    play(from_s + ((event.clientX - box.left) / box.width) * (to_s - from_s));
  }
});

/* One emotion alone */

for (const bar of all(".bar[data-only]")) {
  bar.addEventListener("click", () => {
    const is_on = bar.getAttribute("aria-pressed") !== "true";
    const kind = bar.dataset.only;
    for (const other of all(".bar[data-only]")) {
      other.setAttribute("aria-pressed", String(is_on && other.dataset.only === kind));
    }
    all(".only").forEach((one) => one.classList.remove("only"));
    if (is_on) {
      document.querySelector("main").dataset.only = kind;
      all(`.picture .e${kind}, .flow .e${kind}`).forEach((one) => one.classList.add("only"));
    } else {
      delete document.querySelector("main").dataset.only;
    }
  });
}

/* Tables */

const value = (row, column) => {
  const cell = row.cells[column];
  return cell.dataset.by === undefined ? cell.textContent.trim() : Number(cell.dataset.by);
};

for (const table of all("table.sortable")) {
  all("thead th", table).forEach((head, column) => {
    head.querySelector("button")?.addEventListener("click", () => {
      const body = table.tBodies[0];
      const rows = [...body.rows].filter((row) => row.cells.length > column);
      const is_number = rows.length > 0 && typeof value(rows[0], column) === "number";
      const was = head.getAttribute("aria-sort");
      const first = is_number && column > 0 ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const order = was === first ? other : first;
      all("th", table).forEach((one) => one.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const keyed = rows.map((row) => [value(row, column), row]);
      const compare = ([a], [b]) => (is_number ? a - b : a.localeCompare(b));
      keyed.sort((a, b) => sign * compare(a, b));
      const rest = [...body.rows].filter((row) => row.cells.length <= column);
      body.append(...keyed.map(([, row]) => row), ...rest);
    });
  });
}
