/**
 * A view is the part of a session that is shown: how much of it, and whether it follows what is
 * now, which is the last sound of live audio and the position of a recording that plays.
 */

export const MINUTE_S = 60;
/** Where in the view a recording that plays on appears when it has left it. */
const LEAD = 0.1;

export class View {
  /** Seconds that are shown; infinite for the whole session. */
  span_s = MINUTE_S;
  is_following = true;

  #from_s = 0;
  #length_s = 0;
  #is_live = true;

  /** A session begins. @param {boolean} is_live */
  reset(is_live) {
    this.span_s = is_live ? MINUTE_S : Infinity;
    this.is_following = true;
    this.#is_live = is_live;
    this.#from_s = 0;
  }

  /** @param {number} length_s of the session @param {number} now_s */
  advance(length_s, now_s) {
    this.#length_s = length_s;
    if (!this.is_following) return;
    if (this.#is_live) this.#from_s = length_s - this.shown_s;
    else if (now_s < this.from_s || now_s > this.to_s) this.#from_s = now_s - LEAD * this.shown_s;
  }

  /** Show a part. @param {number} from_s where it begins */
  show(from_s) {
    this.#from_s = from_s;
    this.is_following = this.#is_live && from_s >= this.#length_s - this.shown_s - 0.5;
  }

  /** Show more or less, around the middle of what is shown. @param {number} span_s */
  zoom(span_s) {
    const middle_s = (this.from_s + this.to_s) / 2;
    this.span_s = span_s;
    if (!this.is_following || !this.#is_live) this.#from_s = middle_s - this.shown_s / 2;
  }

  follow() {
    this.is_following = true;
  }

  /** Whether there is more than is shown. */
  get is_part() {
    return this.#length_s > this.shown_s + 0.5;
  }

  /** Seconds from one edge to the other; live audio has a minute before it began, too. */
  get shown_s() {
    const least_s = this.#is_live ? MINUTE_S : Math.min(this.span_s, this.#length_s);
    return Math.max(0.1, least_s, Math.min(this.span_s, this.#length_s));
  }

  get from_s() {
    const last_s = this.#length_s - this.shown_s;
    const first_s = this.#is_live && last_s < 0 ? last_s : 0;
    return Math.max(first_s, Math.min(last_s, this.#from_s));
  }

  get to_s() {
    return this.from_s + this.shown_s;
  }

  get length_s() {
    return this.#length_s;
  }
}
