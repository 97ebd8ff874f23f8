"use strict";
const audio = document.querySelector("audio"), pick = document.getElementById("pick");
const words = [...document.querySelectorAll("p span")];
const starts = words.map((word, place) => [Number(word.dataset.s), place]).sort((a, b) => a[0] - b[0]);
const search = document.querySelector("input[type=search]"), count = document.querySelector("output");
const colours = document.getElementById("colours");
let playing = [], matches = [], current = -1;

function show() { document.body.classList.toggle("coloured", colours.checked); }
colours.addEventListener("change", show);
show();

// The words that are spoken at a time: one for each channel at most, so the last few that have begun are enough.
function follow() {
  const now = audio.currentTime;
  let low = 0, high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle][0] <= now + 0.01) low = middle + 1; else high = middle;
  }
  const spoken = starts.slice(Math.max(0, low - 8), low).map(([, place]) => words[place]).filter((w) => Number(w.dataset.e) > now);
  for (const word of playing) word.classList.remove("now");
  for (const word of spoken) word.classList.add("now");
  if (spoken.length && !audio.paused && spoken[0] !== playing[0]) spoken[0].scrollIntoView({ block: "center", behavior: "smooth" });
  playing = spoken;
}
audio.addEventListener("timeupdate", follow);
audio.addEventListener("seeked", follow);

function go(seconds) {
  audio.currentTime = seconds;
  const started = audio.play();
  if (started) started.catch(() => {});
}
document.querySelector("main").addEventListener("click", (event) => {
  const target = event.target.closest("[data-s]");
  if (target) go(Number(target.dataset.s));
});
document.addEventListener("keydown", (event) => {
  if (event.key === " " && !event.target.closest("input, button, audio")) {
    event.preventDefault();
    if (audio.paused) go(audio.currentTime); else audio.pause();
  }
});

audio.addEventListener("error", () => { pick.hidden = false; });
if (audio.error) pick.hidden = false;
pick.querySelector("input").addEventListener("change", (event) => {
  const file = event.target.files[0];
  if (file) { audio.src = URL.createObjectURL(file); pick.hidden = true; }
});

// Search for words in a row, without regard to case and marks.
const plain = (text) => text.toLowerCase().replace(/[^\p{L}\p{N}' ]/gu, "").trim();
const spoken = words.map((word) => plain(word.textContent));
function find() {
  for (const word of words) word.classList.remove("match", "current");
  matches = [];
  current = -1;
  const wanted = plain(search.value).split(/\s+/).filter(Boolean);
  if (wanted.length) {
    for (let at = 0; at + wanted.length <= words.length; at++) {
      const last = wanted.length - 1;
      if (wanted.every((part, place) => place < last ? spoken[at + place] === part : spoken[at + place].startsWith(part))) {
        matches.push(at);
        for (let place = 0; place <= last; place++) words[at + place].classList.add("match");
      }
    }
  }
  count.textContent = wanted.length ? `${matches.length} found` : "";
}
function next(step) {
  if (!matches.length) return;
  if (current >= 0) words[matches[current]].classList.remove("current");
  current = (current + step + matches.length) % matches.length;
  words[matches[current]].classList.add("current");
  words[matches[current]].scrollIntoView({ block: "center" });
  count.textContent = `${current + 1} of ${matches.length}`;
}
search.addEventListener("input", find);
search.addEventListener("keydown", (event) => {
  if (event.key === "Enter") { event.preventDefault(); next(event.shiftKey ? -1 : 1); }
});
