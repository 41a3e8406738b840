// The equipment page: opening a rescue case by hand, and the last half hour.

import { enable, once, post } from "/static/acts.js";
import { serverNow } from "/static/live.js";
import { description, draw } from "/static/plot.js";

const REDRAW_MS = 10_000;

const form = document.getElementById("open");

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  once(form, async () => {
    const body = { equipment_id: form.dataset.equipment, note: form.elements.note.value.trim() };
    const opened = await post("/api/v1/incidents", body);
    if (opened) location.assign(`/incidents/${opened.id}`);
  });
});

if (form) enable(form);
if (location.hash === "#open") form?.elements.note.focus();

const wanted = description();
const plot = document.getElementById("plot");
const spanMs = Date.parse(wanted.end) - Date.parse(wanted.start);

async function redraw() {
  const now = serverNow();
  await draw(plot, { ...wanted, start: new Date(now - spanMs).toISOString(), end: new Date(now).toISOString() });
  setTimeout(redraw, REDRAW_MS);
}

redraw();
