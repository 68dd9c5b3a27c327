/** Plays a recording from the file itself. Dispatches `change`, also when the position jumps. */

export class Player extends EventTarget {
  /** Whether a person has played or sought: then what is shown is what is at the position. */
  is_used = false;
  /** Whether the browser plays this file. */
  is_able = false;

  #audio = new Audio();
  #url = "";

  constructor() {
    super();
    this.#audio.preload = "auto";
    for (const type of ["play", "pause", "seeked", "loadedmetadata"]) {
      this.#audio.addEventListener(type, () => this.#change());
    }
    this.#audio.addEventListener("ended", () => {
      this.is_used = false;
      this.#change();
    });
    this.#audio.addEventListener("error", () => {
      this.is_able = false;
      this.#change();
    });
  }

  /** @param {File} file */
  load(file) {
    this.clear();
    this.#url = URL.createObjectURL(file);
    this.#audio.src = this.#url;
    this.is_able = true;
  }

  clear() {
    this.#audio.pause();
    this.#audio.removeAttribute("src");
    URL.revokeObjectURL(this.#url);
    this.is_used = this.is_able = false;
  }

  get is_playing() {
    return !this.#audio.paused && !this.#audio.ended;
  }

  get now_s() {
    return this.#audio.currentTime;
  }

  toggle() {
    if (this.is_playing) this.#audio.pause();
    else this.play();
  }

  /** @param {number} time_s */
  seek(time_s) {
    this.is_used = true;
    this.#audio.currentTime = time_s;
    this.#change();
  }

  play() {
    this.is_used = true;
    // A file that turns out not to be playable says so with "error".
    this.#audio.play().catch(() => this.#change());
  }

  #change() {
    this.dispatchEvent(new CustomEvent("change"));
  }
}
