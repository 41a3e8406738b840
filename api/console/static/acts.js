// Forms that change something through the API.

/** Post to the API; show what went wrong beside the form, or return the answer. */
export async function post(address, body) {
  const problem = document.getElementById("act-error");
  problem.hidden = true;
  let response;
  try {
    response = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch (error) {
    return refuse(problem, error.message);
  }
  const answer = await response.json().catch(() => ({}));
  return response.ok ? answer : refuse(problem, answer.detail ?? String(response.status));
}

function refuse(problem, detail) {
  problem.textContent = `${problem.dataset.text} ${detail}`;
  problem.hidden = false;
  return null;
}

/** Let a form be used, now that it does what it says: before that its fieldset is disabled. */
export function enable(form) {
  form.querySelector("fieldset").disabled = false;
}

/** Run an act with the form disabled, so that a double click acts once. */
export async function once(form, act) {
  const fieldset = form.querySelector("fieldset");
  const focused = document.activeElement;
  fieldset.disabled = true;
  try {
    return await act();
  } finally {
    fieldset.disabled = false;
    if (focused?.isConnected) focused.focus();
  }
}
