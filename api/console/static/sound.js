// A sound for new rescue cases. Browsers allow it only after a click, so its state is always shown.

const KEY = "equipwatch-sound";
const TONES_HZ = [880, 660, 880, 660];
const TONE_S = 0.28;

const button = document.getElementById("sound");
let context = null;

const wanted = () => localStorage.getItem(KEY) === "on";

/** Prepare the sound and its button. */
export function prepareSound() {
  button.addEventListener("click", toggle);
  document.addEventListener("pointerdown", resume);
  document.addEventListener("keydown", resume);
  if (wanted()) open();
  show();
}

/** Sound the call for a new rescue case. */
export function soundCall(id) {
  if (!wanted() || context?.state !== "running") return;
  const start = context.currentTime + 0.02;
  TONES_HZ.forEach((frequency, index) => tone(frequency, start + index * TONE_S));
  button.dataset.called = id;
}

function open() {
  context ??= new AudioContext();
  context.onstatechange = show;
}

async function toggle() {
  const on = !(wanted() && context?.state === "running");
  localStorage.setItem(KEY, on ? "on" : "off");
  if (on) {
    open();
    await context.resume();
    tone(TONES_HZ[1], context.currentTime + 0.02);
  }
  show();
}

async function resume(event) {
  if (!wanted() || button.contains(event.target) || context?.state === "running") return;
  open();
  await context.resume();
  show();
}

function tone(frequency, start) {
  const oscillator = context.createOscillator();
  const gain = context.createGain();
  oscillator.frequency.value = frequency;
  gain.gain.setValueAtTime(0.0001, start);
  gain.gain.exponentialRampToValueAtTime(0.25, start + 0.02);
  gain.gain.exponentialRampToValueAtTime(0.0001, start + TONE_S);
  oscillator.connect(gain).connect(context.destination);
  oscillator.start(start);
  oscillator.stop(start + TONE_S);
}

function show() {
  const running = context?.state === "running";
  const state = !wanted() ? "off" : running ? "on" : "blocked";
  button.dataset.state = state;
  button.setAttribute("aria-pressed", String(state === "on"));
  button.textContent = button.dataset[state];
}
