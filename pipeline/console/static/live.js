// The wall: one picture a camera and second at most, of the cameras on the screen, and none while nobody looks.
"use strict";

(() => {
  const LOOK_MS = 1000;
  const STATES_MS = 5000;
  const REFUSED_MS = 5000;
  const TICK_MS = 250;
  const PATIENCE_MS = 10000;
  const BEHIND_SECONDS = 0.5; // boxes of a picture so much older than the one shown may be beside what they are of
  const WIDTH_STEP = 160; // pixels: whoever looks at tiles of about the same size gets the same pictures
  const ROOM_ABOVE = 0.08; // of a picture's height: a box that begins higher has its name inside
  const SVG = "http://www.w3.org/2000/svg";

  class Tile {
    constructor(view) {
      this.view = view;
      this.image = view.querySelector(".newest");
      this.camera = view.dataset.camera;
      this.oldAfterSeconds = Number(view.dataset.oldAfter);
      this.isOnScreen = false;
      this.takenAt = null; // on this browser's clock, right or wrong: reckoned back from the age that the server tells
      this.tag = "";
      this.nextLook = 0; // 0: it was never looked at
      this.isLooking = false;
      this.image.addEventListener("load", () => (this.image.hidden = false));
    }

    async look() {
      if (this.isLooking || Date.now() < this.nextLook) return;
      this.isLooking = true;
      this.nextLook = Math.max(this.nextLook + LOOK_MS, Date.now() + LOOK_MS - TICK_MS); // ticks come late: on average
      const { response, form } = await this.ask();
      this.isLooking = false;
      if (!response) return; // not reached: the age that is shown grows
      if (!response.ok && response.status !== 304) return this.refused(response.status);
      hasAskedToSignIn = false;
      this.view.removeAttribute("data-none");
      this.takenAt = Date.now() - 1000 * Number(response.headers.get("Picture-Age-Seconds"));
      this.tag = response.headers.get("ETag");
      if (form) this.draw(form.get("picture"), JSON.parse(form.get("found")));
      this.tick();
    }

    async ask() {
      const wide = this.view.clientWidth * window.devicePixelRatio;
      const width = Math.min(Math.max(Math.ceil(wide / WIDTH_STEP) * WIDTH_STEP, WIDTH_STEP), 8192);
      try {
        const response = await fetch(`/live/camera/${encodeURIComponent(this.camera)}/now?width=${width}`, {
          cache: "no-store",
          headers: this.tag ? { "If-None-Match": this.tag } : {},
          signal: AbortSignal.timeout(PATIENCE_MS),
        });
        return { response, form: response.status === 200 ? await response.formData() : null };
      } catch {
        return {};
      }
    }

    refused(status) {
      this.nextLook = Date.now() + REFUSED_MS;
      this.view.toggleAttribute("data-none", status === 404);
      if (status !== 401 || hasAskedToSignIn) return;
      hasAskedToSignIn = true;
      sightline.failed({ status });
    }

    draw(picture, found) {
      const url = URL.createObjectURL(picture);
      this.image.addEventListener("load", () => URL.revokeObjectURL(url), { once: true });
      this.image.src = url;
      const isBehind = found.behind_seconds === null || found.behind_seconds > BEHIND_SECONDS;
      const boxes = this.view.querySelector(".boxes");
      boxes.classList.toggle("behind", isBehind);
      boxes.replaceChildren(...found.boxes.map(({ box: [left, top, right, bottom] }) => rectangle(left, top, right, bottom)));
      this.view.querySelector(".box-names").replaceChildren(...found.boxes.map(boxName));
    }

    tick() {
      if (this.takenAt === null) return;
      const seconds = Math.max((Date.now() - this.takenAt) / 1000, 0);
      this.view.querySelector(".age-shown").textContent = duration(seconds);
      this.view.toggleAttribute("data-old", seconds > this.oldAfterSeconds);
    }
  }

  let hasAskedToSignIn = false;

  function rectangle(left, top, right, bottom) {
    const made = document.createElementNS(SVG, "rect");
    const places = { x: left, y: top, width: Math.max(right - left, 0), height: Math.max(bottom - top, 0) };
    for (const [name, value] of Object.entries(places)) made.setAttribute(name, value);
    return made;
  }

  function boxName({ label, score, track_id: track, box }) {
    const made = document.createElement("span");
    made.textContent = [label, track === null ? "" : `#${track}`, score.toFixed(2)].filter(Boolean).join(" ");
    made.classList.toggle("inside", box[1] < ROOM_ABOVE);
    return placed(made, box[0], box[1]);
  }

  function placed(name, x, y) {
    name.style.setProperty("left", `${100 * x}%`);
    name.style.setProperty("top", `${100 * y}%`);
    return name;
  }

  // As the pages' `duration` filter says it.
  function duration(seconds) {
    if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
    const whole = Math.round(seconds);
    const two = (number) => String(number).padStart(2, "0");
    const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
    return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  }

  // What somebody has chosen to see stays chosen in this browser.
  function choices(wall) {
    for (const control of document.querySelectorAll("[data-show]")) {
      const name = control.dataset.show;
      const isCheck = control.type === "checkbox";
      const kept = localStorage.getItem(`live-${name}`);
      if (kept !== null) isCheck ? (control.checked = kept === "true") : (control.value = kept);
      const apply = () => (wall.dataset[name] = isCheck ? control.checked : control.value);
      control.addEventListener("change", () => {
        apply();
        localStorage.setItem(`live-${name}`, wall.dataset[name]);
      });
      apply();
    }
    const group = document.querySelector("[data-submit]");
    group?.addEventListener("change", () => group.form.requestSubmit());
  }

  function start(wall) {
    choices(wall);
    wall.querySelectorAll(".zone-names span").forEach((name) => placed(name, name.dataset.x, name.dataset.y));
    const tiles = [...wall.querySelectorAll(".view:has(.newest)")].map((view) => new Tile(view));
    const byView = new Map(tiles.map((tile) => [tile.view, tile]));
    const observer = new IntersectionObserver(
      (entries) => entries.forEach((entry) => (byView.get(entry.target).isOnScreen = entry.isIntersecting)),
      { rootMargin: "100px" },
    );
    tiles.forEach((tile) => observer.observe(tile.view));
    let statesAt = Date.now();
    const go = () => {
      tiles.forEach((tile) => tile.tick());
      if (document.hidden) return;
      tiles.filter((tile) => tile.isOnScreen || !tile.nextLook).forEach((tile) => tile.look());
      if (Date.now() - statesAt > STATES_MS) {
        statesAt = Date.now();
        sightline.refresh("[data-states]");
      }
    };
    setInterval(go, TICK_MS);
    document.addEventListener("visibilitychange", go);
  }

  // Said aloud when it is news, and only then.
  document.addEventListener("htmx:afterSettle", () => {
    const told = document.getElementById("told");
    const now = document.querySelector("[data-states]").textContent.replace(/\s+/g, " ").trim();
    if (told.textContent !== now) told.textContent = now;
  });
  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-wall]").forEach(start));
})();
