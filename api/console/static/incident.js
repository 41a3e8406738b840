// The incident page: what people do, and the evidence plot.

import { enable, once, post } from "/static/acts.js";
import { refresh, serverNow } from "/static/live.js";
import { description, draw } from "/static/plot.js";

const REDRAW_MS = 10_000;

const form = document.getElementById("acts");
const note = document.getElementById("note");

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const act = event.submitter?.value;
  if (act) once(form, () => run(act));
});

enable(form);

async function run(act) {
  const words = note?.value.trim() ?? "";
  if (act === "comment" && !words) return note.focus();
  const reason = document.getElementById("close-reason");
  if (act === "close" && !reason.value) return reason.focus();
  const path = act === "comment" ? "comments" : act;
  const body = { comment: { text: words }, close: { reason: reason?.value, note: words } }[act] ?? { note: words };
  const answer = await post(`/api/v1/incidents/${form.dataset.incident}/${path}`, body);
  if (answer) note.value = "";
  return refresh();
}

const wanted = description();
const plot = document.getElementById("plot");

async function redraw() {
  await draw(plot, wanted);
  if (serverNow() < Date.parse(wanted.end)) setTimeout(redraw, REDRAW_MS);
}

if (wanted) redraw();
