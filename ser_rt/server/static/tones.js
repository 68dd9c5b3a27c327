/**
 * A tone is how an emotion looks, by the name that palette.css gives it in lower case: what is
 * filled, what is read, and a mark beside it, so that no one needs the colour. Emotions that are not
 * there take spare tones in the order of the model's labels.
 */

const SPARE = 5;

/**
 * What palette.css has for a tone.
 * @param {string} tone @returns {{ mark: string, tone: string, on: string, word: string }}
 */
export function lookOf(tone) {
  const probe = document.getElementById("probe");
  probe.dataset.tone = tone;
  const mark = getComputedStyle(probe).getPropertyValue("--mark").replaceAll('"', "").trim();
  const [color, on, word] = ["--tone", "--on-tone", "--word"].map(colorOf);
  delete probe.dataset.tone;
  return { mark, tone: color, on, word };
}

/** What a custom property stands for now. @param {string} property */
export function colorOf(property) {
  const probe = document.getElementById("probe");
  probe.style.color = `var(${property})`;
  return getComputedStyle(probe).color;
}

/** @param {{ en: string }[]} labels @returns {Map<string, string>} tone by English name */
export function tonesOf(labels) {
  let unknown = 0;
  const toneOf = (/** @type {string} */ name) =>
    lookOf(name).mark ? name : `spare-${unknown++ % SPARE}`;
  return new Map(labels.map(({ en }) => [en, toneOf(en.toLowerCase())]));
}
