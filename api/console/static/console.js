// On every page: the event stream, the banner when it is lost, live parts, the sound.

import { refresh, tick } from "/static/live.js";
import { prepareSound, soundCall } from "/static/sound.js";

const LOST_AFTER_MS = 10_000;
const RECONNECT_MS = 1_500;

const banner = document.getElementById("lost");
const line = document.getElementById("line");
const announce = document.getElementById("announce");
const title = document.title;
let heardAt = performance.now();
let lastNumber = null;
let source = null;

function connect() {
  const address = new URL(document.body.dataset.stream, location.href);
  if (lastNumber !== null) address.searchParams.set("after", lastNumber);
  source = new EventSource(address);
  source.addEventListener("open", () => {
    line.textContent = line.dataset.waitText;
    refresh();
  });
  source.addEventListener("heartbeat", heard);
  source.addEventListener("incident", (event) => {
    heard(event);
    take(JSON.parse(event.data));
  });
  source.addEventListener("error", onError);
}

async function onError() {
  line.classList.remove("on");
  line.textContent = line.dataset.waitText;
  if (source.readyState !== EventSource.CLOSED) return;
  // A refusal ends an EventSource for good, so it is asked why and made anew.
  await fetch("/api/v1/session").then((answer) => {
    if (answer.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
  }, () => undefined);
  setTimeout(connect, RECONNECT_MS);
}

function heard(event) {
  lastNumber = event.lastEventId || lastNumber;
  heardAt = performance.now();
  line.classList.add("on");
  line.textContent = line.dataset.liveText;
  if (!banner.hidden) {
    banner.hidden = true;
    banner.textContent = "";
    refresh();
  }
}

function take(event) {
  const incident = event.incident;
  if (event.action === "opened") {
    const kind = document.documentElement.lang === "zh" ? incident.kind_zh : incident.kind_en;
    const isRescue = incident.case === "rescue";
    const what = isRescue ? announce.dataset.rescue : announce.dataset.other;
    announce.textContent = `${what}: ${kind}, ${incident.equipment_id}`;
    if (isRescue) soundCall(incident.id);
  }
  refresh();
}

function watchLine() {
  tick();
  if (performance.now() - heardAt > LOST_AFTER_MS && banner.hidden) {
    banner.textContent = banner.dataset.text;
    banner.hidden = false;
    line.classList.remove("on");
  }
}

function showWaiting() {
  const waiting = Number(document.getElementById("board")?.dataset.waiting ?? 0);
  document.title = waiting ? `(${waiting}) ${title}` : title;
}

function keepFresh(element) {
  setInterval(refresh, Number(element.dataset.everyMs));
}

prepareSound();
connect();
setInterval(watchLine, 500);
document.querySelectorAll("[data-every-ms]").forEach(keepFresh);
document.addEventListener("refreshed", showWaiting);
showWaiting();
