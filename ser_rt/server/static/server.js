/** What the page asks its server over HTTP, and the key that it was opened with. */

const KEY = "ser-rt.token";

/** Takes the key out of the address bar; it lasts as long as the tab. @returns {string | null} */
export function takeToken() {
  const url = new URL(location.href);
  const given = url.searchParams.get("token");
  try {
    if (given) sessionStorage.setItem(KEY, given);
  } catch {
    // Storage may be blocked; the key then lasts until the page is loaded again.
  }
  if (given !== null) {
    url.searchParams.delete("token");
    history.replaceState(null, "", url);
    return given;
  }
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** @param {string} path @param {string | null} token */
const ask = (path, token) =>
  fetch(path, { headers: token ? { Authorization: `Bearer ${token}` } : {} });

/**
 * Why the server refuses a stream; null if it seems to have no reason.
 * @param {string | null} token
 * @returns {Promise<import("./ser-client.js").Failure | null>}
 */
export async function whyRefused(token) {
  try {
    for (const path of ["readyz", "v1/models"]) {
      const answer = await ask(path, token);
      if (answer.ok) continue;
      const { code = "unreachable", message = "" } = await answer.json().catch(() => ({}));
      return { code: code === "unauthorized" && token ? "wrong_token" : code, message };
    }
    return null;
  } catch {
    return { code: "unreachable", message: "" };
  }
}

/**
 * The model of new streams; null where the server does not report it.
 * @param {string | null} token
 */
export async function describeModel(token) {
  try {
    const answer = await ask("v1/models", token);
    return answer.ok ? (await answer.json()).models[0] : null;
  } catch {
    return null;
  }
}
