/** Theme and language: what early.js set, how to change it, and the words of the page. */

import { WORDS } from "./words.js";

const root = document.documentElement;

/** @returns {"en" | "ko"} */
export const language = () => (root.lang === "ko" ? "ko" : "en");

/** @returns {typeof WORDS.en} */
export const words = () => WORDS[language()];

/** @param {string} name @param {string} value */
function keep(name, value) {
  try {
    localStorage.setItem(`ser-rt.${name}`, value);
  } catch {
    // Storage may be blocked; the choice then lasts as long as the page.
  }
}

/** @param {string} name @returns {any} what was remembered, null if nothing was */
export function recall(name) {
  try {
    return JSON.parse(localStorage.getItem(`ser-rt.${name}`));
  } catch {
    return null;
  }
}

/** @param {string} name @param {unknown} value */
export const remember = (name, value) => keep(name, JSON.stringify(value));

/** @param {"en" | "ko"} chosen */
export function setLanguage(chosen) {
  root.lang = chosen;
  keep("language", chosen);
}

export function switchTheme() {
  const is_dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = is_dark ? "light" : "dark";
  keep("theme", root.dataset.theme);
}

/** Puts words into every element that names one: `data-word` its text, `data-label` its name. */
export function translate() {
  const said = words();
  for (const element of document.querySelectorAll("[data-word]")) {
    element.textContent = said[/** @type {HTMLElement} */ (element).dataset.word];
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", said[/** @type {HTMLElement} */ (element).dataset.label]);
  }
  for (const button of document.querySelectorAll("[data-language]")) {
    const is_chosen = /** @type {HTMLElement} */ (button).dataset.language === language();
    button.setAttribute("aria-pressed", String(is_chosen));
  }
}
