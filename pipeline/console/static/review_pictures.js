// Within an incident: its pictures, the claims that they bear out, its clip. And a row's clip, under the pointer.
"use strict";

(() => {
  const REST_MS = 350; // of the pointer on a row, before its clip is loaded
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const isStill = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

  // --- pictures, and the claims that they bear out
  let chosen = {}; // incident and picture: what is new about the incident takes nobody's picture away

  function show(number) {
    const shots = all(".shot");
    if (!shots.some((shot) => shot.dataset.number === number)) return;
    chosen = { incident: one("#incident").dataset.id, number };
    for (const shot of shots) shot.hidden = shot.dataset.number !== number;
    for (const link of all(".strip [data-picture]")) {
      if (link.dataset.picture === number) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    bringIntoStrip();
  }

  function bringIntoStrip() {
    const link = one(".strip [aria-current]");
    if (link) link.parentElement.scrollLeft = link.offsetLeft - link.parentElement.offsetLeft - link.offsetWidth;
  }

  function point(claim) {
    const isLit = (part) => claim && part.dataset.claims.split(" ").includes(claim.dataset.claim);
    let any = false;
    for (const part of all(".mark")) any = part.classList.toggle("lit", Boolean(isLit(part))) || any;
    one(".stage")?.classList.toggle("pointing", any);
    if (claim?.dataset.picture) show(claim.dataset.picture);
  }

  for (const kind of ["pointerover", "focusin"]) {
    document.addEventListener(kind, (event) => {
      const claim = event.target.closest?.("[data-claim]");
      if (claim) point(claim);
    });
  }
  for (const kind of ["pointerout", "focusout"]) {
    document.addEventListener(kind, (event) => event.target.closest?.("[data-claim]") && point(null));
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-picture]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(link.dataset.picture);
    if (link.dataset.claim) one(".stage")?.scrollIntoView({ block: "nearest" });
  });
  document.addEventListener("change", (event) => {
    if (event.target.id === "overlay") overlay(event.target.checked);
  });

  function overlay(is) {
    localStorage.setItem("review-overlay", is ? "on" : "off");
    one(".stage")?.classList.toggle("bare", !is);
    if (one("#overlay")) one("#overlay").checked = is;
  }

  // --- a look at the clip, by resting the pointer on a row
  let resting = 0;

  document.addEventListener("pointerover", (event) => {
    const row = event.target.closest?.("[data-clip]");
    if (!row || event.pointerType !== "mouse" || one("video", row) || isStill()) return;
    clearTimeout(resting);
    resting = setTimeout(() => {
      const clip = Object.assign(document.createElement("video"), { src: row.dataset.clip, muted: true, loop: true, autoplay: true });
      one(".thumb", row).append(clip);
      row.addEventListener("pointerleave", () => clip.remove(), { once: true });
    }, REST_MS);
    row.addEventListener("pointerleave", () => clearTimeout(resting), { once: true });
  });

  // --- one incident was put in
  function settle() {
    if (localStorage.getItem("review-overlay") === "off") overlay(false);
    if (chosen.incident === one("#incident")?.dataset.id) show(chosen.number);
    bringIntoStrip();
    const clip = one(".clip video");
    if (!clip || clip.dataset.begun || isStill()) return;
    clip.dataset.begun = "yes"; // whoever pauses it afterwards wants it so
    clip.play().catch(() => {});
  }
  document.addEventListener("htmx:afterSettle", (event) => event.target.closest?.("#detail, body") && settle());
  document.addEventListener("htmx:historyRestore", settle);
  document.addEventListener("DOMContentLoaded", settle);
})();
