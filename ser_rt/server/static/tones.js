/**
 * A tone is the colour of an emotion, by the name that theme.css gives it. Emotions that are not
 * here take spare tones in the order of the model's labels.
 */

const TONES = {
  neutral: "neutral",
  calm: "neutral",
  angry: "angry",
  anger: "angry",
  joy: "joy",
  happy: "joy",
  happiness: "joy",
  sad: "sad",
  sadness: "sad",
  fear: "fear",
  fearful: "fear",
  anxiety: "fear",
  surprise: "surprise",
  surprised: "surprise",
  disgust: "disgust",
};
const SPARE = ["spare-1", "spare-2", "disgust"];

/** @param {{ en: string }[]} labels @returns {Map<string, string>} tone by English name */
export function tonesOf(labels) {
  let unknown = 0;
  return new Map(
    labels.map(({ en }) => [en, TONES[en.toLowerCase()] ?? SPARE[unknown++ % SPARE.length]]),
  );
}
