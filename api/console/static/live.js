// Keeps parts of a page as the server would render them now: elements with data-live.

const SINCE_UNITS = { en: [" s", " min", " h", " d"], zh: [" 秒", " 分钟", " 小时", " 天"] };
const SHORTEST_GAP_MS = 300;

const clockOffsetMs = Date.parse(document.body.dataset.now) - Date.now();
let running = false;
let wanted = false;

/** Now by the server's clock, in milliseconds. */
export const serverNow = () => Date.now() + clockOffsetMs;

/** Duration in its largest sensible unit, as the server writes it. */
function duration(seconds) {
  const [second, minute, hour, day] = SINCE_UNITS[document.documentElement.lang] ?? SINCE_UNITS.en;
  if (seconds < 120) return `${Math.round(seconds)}${second}`;
  if (seconds < 7200) return `${Math.round(seconds / 60)}${minute}`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)}${hour}`;
  return `${Math.round(seconds / 86400)}${day}`;
}

/** Let every running duration count on. */
export function tick() {
  for (const element of document.querySelectorAll("[data-since]")) {
    const seconds = Math.max(0, (serverNow() - Date.parse(element.dataset.since)) / 1000);
    const text = duration(seconds);
    if (element.textContent !== text) element.textContent = text;
  }
}

/** Fetch the page again and take over its live parts; calls in quick succession are merged. */
export async function refresh() {
  wanted = true;
  if (running) return;
  running = true;
  try {
    while (wanted) {
      wanted = false;
      await takeOver();
      await new Promise((done) => setTimeout(done, SHORTEST_GAP_MS));
    }
  } finally {
    running = false;
  }
}

async function takeOver() {
  let response;
  try {
    response = await fetch(location.href, { headers: { Accept: "text/html" } });
  } catch {
    return; // the banner tells; the stream's return refreshes again
  }
  if (new URL(response.url).pathname === "/login") location.assign(response.url);
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(old.id);
    if (fresh) replace(old, fresh);
  }
  tick();
  document.dispatchEvent(new CustomEvent("refreshed"));
}

function replace(old, fresh) {
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  if (sameWords(old, fresh)) return;
  const chosen = [...old.querySelectorAll("select")].map((select) => [select.id, select.value]);
  const focus = old.contains(document.activeElement) ? addressOf(document.activeElement) : null;
  old.replaceChildren(...document.adoptNode(fresh).childNodes);
  for (const [id, value] of chosen) {
    const select = document.getElementById(id);
    if (select && [...select.options].some((option) => option.value === value)) select.value = value;
  }
  if (focus) old.querySelector(focus)?.focus();
}

function sameWords(old, fresh) {
  const bare = (element) => {
    const copy = element.cloneNode(true);
    for (const since of copy.querySelectorAll("[data-since]")) since.textContent = "";
    return copy.innerHTML;
  };
  return bare(old) === bare(fresh);
}

function addressOf(element) {
  if (element.id) return `#${CSS.escape(element.id)}`;
  if (element.getAttribute("href")) return `[href="${CSS.escape(element.getAttribute("href"))}"]`;
  if (element.value) return `[value="${CSS.escape(element.value)}"]`;
  return null;
}
