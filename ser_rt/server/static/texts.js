/** How the page writes times and shares, and makes the elements that hold them. */

export const percent = (/** @type {number} */ share) => `${Math.round(100 * share)} %`;

/** @param {number} time_s @returns {string} such as 0:07 or 1:02:03 */
export function clock(time_s) {
  const whole = Math.floor(time_s + 1e-6);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** @param {string} className @param {string} text */
export function span(className, text) {
  const made = document.createElement("span");
  made.className = className;
  made.textContent = text;
  return made;
}
