/**
 * The choice of a microphone. Browsers name devices only to pages that may hear; until then, and
 * where there is but one, there is nothing to choose. The choice is remembered, also of a device that
 * is not connected: it is listed as that, and used again when it comes back.
 */

import { recall, remember, words } from "./preferences.js";

/** Chromium lists these besides the devices that they stand for. */
const ALIASES = new Set(["default", "communications"]);

export class Microphones {
  #row;
  #select;
  /** @type {{ id: string, label: string }} an empty id is the browser's default */
  #chosen;
  /** @type {{ id: string, label: string }[]} */
  #devices = [];

  /** @param {HTMLElement} row @param {HTMLSelectElement} select within it @param {() => void} choose */
  constructor(row, select, choose) {
    this.#row = row;
    this.#select = select;
    const { id = "", label = "" } = recall("microphone") ?? {};
    this.#chosen = { id: String(id), label: String(label) };
    select.addEventListener("change", () => {
      this.#chosen = this.#devices.find(({ id }) => id === select.value) ?? { id: "", label: "" };
      remember("microphone", this.#chosen);
      this.show();
      choose();
    });
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.refresh());
    this.refresh();
  }

  /** Id of the device to open; empty is the browser's default. */
  get chosen() {
    return this.#chosen.id;
  }

  /** Look which devices there are. */
  async refresh() {
    const found = (await navigator.mediaDevices?.enumerateDevices?.().catch(() => [])) ?? [];
    this.#devices = found
      .filter(({ kind, deviceId }) => kind === "audioinput" && deviceId && !ALIASES.has(deviceId))
      .map(({ deviceId, label }) => ({ id: deviceId, label }));
    this.show();
  }

  show() {
    const texts = words();
    const { id, label } = this.#chosen;
    const is_known = this.#devices.length > 0;
    const is_gone = is_known && id !== "" && !this.#devices.some((device) => device.id === id);
    const options = [
      new Option(texts.default_microphone, ""),
      ...this.#devices.map((device, n) => new Option(device.label || texts.microphone_number(n + 1), device.id)),
      ...(is_gone || (id && !is_known) ? [new Option(is_gone ? texts.not_connected(label) : label, id)] : []),
    ];
    this.#select.replaceChildren(...options);
    this.#select.value = id;
    this.#row.hidden = options.length < 3 && !id;
  }
}
