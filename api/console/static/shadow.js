// Candidates: starting one, and what an engineer does with it.

import { enable, once, post } from "/static/acts.js";

const start = document.getElementById("start");

start?.addEventListener("submit", (event) => {
  event.preventDefault();
  once(start, async () => {
    const { name, parameters, reason } = start.elements;
    const body = {
      name: name.value.trim(),
      parameters: tables(parameters.value),
      reason: reason.value.trim(),
    };
    const started = await post("/api/v1/shadow", body);
    if (started) location.assign(`/shadow/${started.name}`);
  });
});

/** Lines such as `entrapment.off_level_hold_s = 20`, or a detector's name alone, as tables. */
function tables(text) {
  const result = {};
  for (const line of text.split(/[\n;]/).map((one) => one.trim()).filter(Boolean)) {
    const [word, value] = line.split("=").map((one) => one.trim());
    const [table, parameter] = word.replace(/^detectors\./, "").split(".");
    result[table] ??= {};
    // What is no number goes to the API as it is, which says so.
    if (parameter) result[table][parameter] = value === "" || Number.isNaN(Number(value)) ? value : Number(value);
  }
  return result;
}

const act = document.getElementById("act");

act?.addEventListener("submit", (event) => {
  event.preventDefault();
  const chosen = event.submitter?.value;
  if (!chosen) return;
  once(act, async () => {
    const body = { reason: act.elements.reason.value.trim() };
    if (await post(`/api/v1/shadow/${act.dataset.candidate}/${chosen}`, body)) location.reload();
  });
});

for (const form of [start, act]) if (form) enable(form);
