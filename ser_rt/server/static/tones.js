/**
 * A tone is the colour of an emotion, by the name that theme.css gives it. Emotions that are not
 * here take spare tones in the order of the model's labels.
 */

const TONES = {
  neutral: "neutral",
  calm: "neutral",
  dry: "neutral",
  serious: "neutral",
  angry: "angry",
  anger: "angry",
  joy: "joy",
  happy: "joy",
  happiness: "joy",
  kind: "joy",
  tease: "joy",
  sad: "sad",
  sadness: "sad",
  shy: "sad",
  bored: "sad",
  boredom: "sad",
  tired: "sad",
  fear: "fear",
  fearful: "fear",
  anxious: "fear",
  anxiety: "fear",
  surprise: "surprise",
  surprised: "surprise",
  hurry: "surprise",
  disgust: "disgust",
  doubt: "spare-1",
  hesitate: "spare-1",
};
const SPARE = ["spare-2", "disgust", "spare-1"];

/** @param {{ en: string }[]} labels @returns {Map<string, string>} tone by English name */
export function tonesOf(labels) {
  let unknown = 0;
  return new Map(
    labels.map(({ en }) => [en, TONES[en.toLowerCase()] ?? SPARE[unknown++ % SPARE.length]]),
  );
}
