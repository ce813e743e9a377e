// What came of sending dead letters again: each may be refused by itself.
"use strict";

document.addEventListener("sl:done", (event) => {
  const { sent } = event.target.dataset;
  if (sent === undefined) return;
  const problems = event.detail.items.map((item) => item.problem).filter(Boolean);
  if (problems.length < event.detail.items.length) sightline.notice(sent, "good");
  for (const words of new Set(problems)) sightline.notice(words);
});
