// The timeline: a minute is chosen on a lane by pointer or keys, and asked about.
"use strict";

(() => {
  const MINUTE_MS = 60_000;
  const ASK_AFTER_MS = 500; // of keys: who holds an arrow key is on the way
  const CHANGED_AFTER_MS = 700; // an incident's first changes come together

  const board = document.getElementById("timeline");
  const form = document.getElementById("ask");
  const tip = document.getElementById("tip");
  const start = Number(board.dataset.start) * 1000;
  const numMinutes = Number(board.dataset.minutes);
  const clock = new Intl.DateTimeFormat("sv-SE", {
    timeZone: board.dataset.zone, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit",
  });
  let chosen = null; // {camera, minute}
  let waiting = 0;

  const local = (minute) => clock.format(start + minute * MINUTE_MS); // 2026-03-01 22:14
  const inUtc = (minute) => `${new Date(start + minute * MINUTE_MS).toISOString().slice(0, 16)}Z`;
  const held = (minute) => Math.min(Math.max(minute, 0), numMinutes - 1);

  function minuteAt(lane, clientX) {
    const box = lane.querySelector(".track svg").getBoundingClientRect();
    return held(Math.floor(((clientX - box.left) / box.width) * numMinutes));
  }

  function draw() {
    for (const lane of board.querySelectorAll(".lane")) {
      const slider = lane.querySelector("input");
      const isChosen = lane.dataset.camera === chosen?.camera;
      const head = lane.querySelector(".head");
      head.setAttribute("visibility", isChosen ? "visible" : "hidden");
      if (isChosen) {
        slider.value = chosen.minute;
        const place = `${(100 * (chosen.minute + 0.5)) / numMinutes}%`;
        head.setAttribute("x1", place);
        head.setAttribute("x2", place);
      }
      slider.setAttribute("aria-valuetext", local(Number(slider.value)).slice(11));
    }
  }

  function choose(lane, minute) {
    chosen = { camera: lane.dataset.camera, minute };
    draw();
  }

  function ask() {
    clearTimeout(waiting);
    const fields = form.elements;
    fields.camera.value = chosen.camera;
    fields.minute.value = local(chosen.minute).replace(" ", "T");
    const wanted = {
      at: board.dataset.here, hours: board.dataset.hours, camera: chosen.camera, minute: inUtc(chosen.minute),
      rule: fields.rule.value, minutes: fields.minutes.value,
    };
    for (const zoom of document.querySelectorAll("[data-zoom]"))
      zoom.search = new URLSearchParams({ ...wanted, at: wanted.minute, hours: zoom.dataset.zoom });
    return htmx.ajax("GET", `/timeline/why?${new URLSearchParams(wanted)}`, { source: "#why", target: "#why", swap: "innerHTML" });
  }

  function askSoon() {
    clearTimeout(waiting);
    waiting = setTimeout(ask, ASK_AFTER_MS);
  }

  async function askAndShow({ isFocused }) {
    await ask();
    const title = document.getElementById("why-title");
    if (isFocused) title.focus({ preventScroll: true });
    const { top, bottom } = title.getBoundingClientRect();
    if (top < 0 || bottom > window.innerHeight) document.getElementById("why-card").scrollIntoView({ block: "start" });
  }

  function nextStop(lane, from, direction) {
    const stops = lane.dataset.stops.split(" ").filter(Boolean).map(Number);
    return direction > 0 ? stops.find((stop) => stop > from) : stops.findLast((stop) => stop < from);
  }

  board.addEventListener("click", (event) => {
    const lane = event.target.closest(".track")?.closest(".lane");
    if (!lane || event.target.closest("a")) return;
    choose(lane, minuteAt(lane, event.clientX));
    lane.querySelector("input").focus({ preventScroll: true });
    askAndShow({ isFocused: false });
  });

  board.addEventListener("input", (event) => {
    if (!event.target.matches(".track input")) return;
    choose(event.target.closest(".lane"), Number(event.target.value));
    askSoon();
  });

  board.addEventListener("keydown", (event) => {
    if (!event.target.matches(".track input") || event.ctrlKey || event.metaKey || event.altKey) return;
    const lane = event.target.closest(".lane");
    const from = Number(event.target.value);
    if (event.key === "Enter") {
      choose(lane, from);
      askAndShow({ isFocused: true });
    } else if (event.key === "n" || event.key === "p") {
      const stop = nextStop(lane, from, event.key === "n" ? 1 : -1);
      if (stop === undefined) return;
      choose(lane, stop);
      askSoon();
    } else return;
    event.preventDefault();
  });

  form.addEventListener("change", (event) => {
    if (chosen && ["rule", "minutes"].includes(event.target.name)) ask();
  });

  board.addEventListener("pointermove", (event) => {
    const track = event.target.closest(".track");
    tip.hidden = !track || event.pointerType === "touch";
    if (tip.hidden) return;
    tip.textContent = local(minuteAt(track.closest(".lane"), event.clientX)).slice(11);
    tip.style.setProperty("left", `${event.clientX}px`);
    tip.style.setProperty("top", `${track.getBoundingClientRect().top}px`);
  });
  board.addEventListener("pointerleave", () => { tip.hidden = true; });

  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id === "why")
      document.getElementById("why-said").textContent = document.querySelector("#why .answer")?.textContent ?? "";
    else draw();
  });

  // Time goes on: more was watched, or was not. A page that follows the day goes on to the next.
  setInterval(() => {
    const isOver = sightline.now() >= start + numMinutes * MINUTE_MS;
    if (document.hidden) return;
    if (isOver && !new URLSearchParams(window.location.search).has("at")) window.location.reload();
    else sightline.refresh(".lanes");
  }, MINUTE_MS);

  document.body.addEventListener("sl:reset", () => sightline.refresh(".lanes"));

  // What happens now shows on its camera's lane.
  const changed = new Map();
  document.body.addEventListener("sl:change", (event) => {
    const camera = event.detail.incident.camera_id;
    if (changed.has(camera)) return;
    changed.set(camera, setTimeout(() => {
      changed.delete(camera);
      const lane = board.querySelector(`.lane[data-camera="${CSS.escape(camera)}"]`);
      const shown = new URLSearchParams({ at: board.dataset.here, hours: board.dataset.hours });
      const address = `/timeline/lanes/${encodeURIComponent(camera)}?${shown}`;
      if (lane) htmx.ajax("GET", address, { target: lane, swap: "outerHTML" });
    }, CHANGED_AFTER_MS));
  });

  if (board.dataset.asked) {
    const minute = Math.floor((Date.parse(board.dataset.asked) - start) / MINUTE_MS);
    if (minute === held(minute)) chosen = { camera: board.dataset.camera, minute };
  }
  draw();
})();
