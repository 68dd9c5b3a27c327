/**
 * A tone is the colour of an emotion, by the name that theme.css gives it, and a mark beside it, so
 * that no one needs the colour. The fifteen emotions are six families of hue. Emotions that are
 * not here take spare tones in the order of the model's labels.
 */

const TONES = {
  neutral: "neutral",
  calm: "neutral",
  dry: "dry",
  serious: "serious",
  angry: "angry",
  anger: "angry",
  hurry: "hurry",
  joy: "joy",
  happy: "joy",
  happiness: "joy",
  kind: "kind",
  tease: "tease",
  sad: "sad",
  sadness: "sad",
  hesitate: "hesitate",
  fear: "fear",
  fearful: "fear",
  anxious: "anxious",
  anxiety: "anxious",
  shy: "shy",
  surprise: "surprise",
  surprised: "surprise",
  doubt: "doubt",
  disgust: "disgust",
};
const SPARE = ["spare-2", "disgust", "spare-1"];

/** As the terminal's display has them. */
const MARKS = {
  neutral: "○",
  dry: "=",
  serious: "◎",
  angry: "▲",
  hurry: "»",
  joy: "★",
  kind: "♥",
  tease: "≈",
  sad: "▼",
  hesitate: "…",
  fear: "◆",
  anxious: "◇",
  shy: "◈",
  surprise: "!",
  doubt: "?",
  unsure: "-",
  "spare-1": "+",
  "spare-2": "×",
  disgust: "#",
};

/** @param {{ en: string }[]} labels @returns {Map<string, string>} tone by English name */
export function tonesOf(labels) {
  let unknown = 0;
  return new Map(
    labels.map(({ en }) => [en, TONES[en.toLowerCase()] ?? SPARE[unknown++ % SPARE.length]]),
  );
}

/** @param {string} tone @returns {string} */
export const markOf = (tone) => MARKS[tone] ?? "";
