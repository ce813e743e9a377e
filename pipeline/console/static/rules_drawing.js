// Zones, lines and masks on a camera's picture: dragged or moved by keys, then written into the draft by the server.
"use strict";

(() => {
  const find = (id) => document.getElementById(id);
  const panel = find("drawing"), svg = find("shapes"), picture = find("picture"), camera = find("camera"), draft = find("draft");
  const STEP = 0.01, LARGE_STEP = 0.05, WRITE_AFTER_MS = 700;
  const HANDLE_PX = 8, REACH_PX = 16, TEXT_PX = 14;
  const LEAST = { zones: 3, lines: 2, masks: 3 };
  const START = { zones: [[0.3, 0.3], [0.7, 0.3], [0.7, 0.7], [0.3, 0.7]], lines: [[0.2, 0.6], [0.8, 0.6]] };
  START.masks = START.zones;
  let cameras = [], chosen = null, point = 0, size = [1600, 900];
  let waiting = null, owed = null, writing = Promise.resolve(), isDragging = false;

  const clamp = (value) => Math.min(1, Math.max(0, Math.round(value * 1000) / 1000));
  const here = () => cameras.find((each) => each.id === camera.value);
  const titled = (shape) => (shape.kind === "masks" ? sightline.filled(panel.dataset.mask, { number: shape.name }) : shape.name);
  const isChosen = (shape) => chosen?.kind === shape.kind && chosen.name === shape.name;

  function shapes() {
    const found = here();
    if (!found) return [];
    const named = ["zones", "lines"].flatMap((kind) => Object.entries(found[kind]).map(([name, points]) => ({ kind, name, points })));
    return [...named, ...found.masks.map((points, index) => ({ kind: "masks", name: String(index + 1), points }))];
  }

  const points = () => shapes().find(isChosen)?.points;

  function element(name, attributes, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function draw() {
    const hadFocus = svg.contains(document.activeElement);
    const scale = size[0] / (svg.clientWidth || size[0]); // of the picture's pixels to those of the screen
    svg.setAttribute("viewBox", `0 0 ${size[0]} ${size[1]}`);
    svg.replaceChildren(...shapes().flatMap((shape) => drawn(shape, scale)));
    const own = points();
    if (own) {
      point = Math.min(point, own.length - 1);
      svg.append(...own.map((each, index) => handle(each, index, scale)));
      if (hadFocus) svg.querySelectorAll("g")[point].focus();
    }
    find("add-point").disabled = !own || chosen.kind === "lines";
    find("drop-point").disabled = !own || own.length <= LEAST[chosen.kind];
    find("shape-list").replaceChildren(...shapes().map(listed));
  }

  function drawn(shape, scale) {
    const at = shape.points.map(([x, y]) => `${x * size[0]},${y * size[1]}`).join(" ");
    const form = element(shape.kind === "lines" ? "polyline" : "polygon", { points: at, class: `shape ${shape.kind}${isChosen(shape) ? " chosen" : ""}` });
    form.addEventListener("pointerdown", (event) => (isChosen(shape) ? drag(event, null) : choose(shape)));
    const [x, y] = shape.points[0];
    const top = Math.max(y * size[1] - 12 * scale, TEXT_PX * scale);
    return [form, element("text", { x: x * size[0], y: top, "font-size": TEXT_PX * scale }, titled(shape))];
  }

  function handle([x, y], index, scale) {
    const where = { number: index + 1, name: titled(chosen), x: `${Math.round(x * 100)} %`, y: `${Math.round(y * 100)} %` };
    const made = element("g", { tabindex: 0, role: "button", "aria-label": sightline.filled(panel.dataset.point, where), "aria-describedby": "drawing-help" });
    const at = { cx: x * size[0], cy: y * size[1] };
    made.append(element("circle", { ...at, r: REACH_PX * scale, class: "reach" }), element("circle", { ...at, r: HANDLE_PX * scale, class: "handle" }));
    made.append(element("text", { x: at.cx, y: at.cy, "font-size": 11 * scale, class: "handle-number" }, index + 1));
    made.addEventListener("focus", () => (point = index));
    made.addEventListener("pointerdown", (event) => drag(event, index));
    return made;
  }

  function listed(shape) {
    const item = document.createElement("li");
    const name = document.createElement("button");
    name.type = "button";
    name.className = "button";
    name.textContent = titled(shape);
    name.setAttribute("aria-pressed", String(isChosen(shape)));
    name.addEventListener("click", () => { choose(shape); svg.querySelector("g")?.focus(); });
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "button";
    remove.textContent = "×";
    remove.setAttribute("aria-label", sightline.filled(panel.dataset.remove, { name: titled(shape) }));
    remove.addEventListener("click", () => write({ ...shape, points: [] }));
    item.append(name, remove);
    return item;
  }

  function choose(shape) {
    chosen = { kind: shape.kind, name: shape.name };
    point = 0;
    draw();
  }

  function drag(event, index) { // one point, or (null) all of them
    event.preventDefault();
    isDragging = true;
    const box = svg.getBoundingClientRect();
    const own = points(), before = own.map((each) => [...each]);
    if (index !== null) point = index;
    const move = (now) => {
      const by = [(now.clientX - event.clientX) / box.width, (now.clientY - event.clientY) / box.height];
      before.forEach((each, number) => {
        if (index === null || index === number) own[number] = [clamp(each[0] + by[0]), clamp(each[1] + by[1])];
      });
      draw();
    };
    const end = () => {
      isDragging = false;
      window.removeEventListener("pointermove", move);
      if (String(own) !== String(before)) write({ ...chosen, points: own });
      svg.querySelectorAll("g")[point]?.focus();
    };
    window.addEventListener("pointermove", move);
    window.addEventListener("pointerup", end, { once: true });
    window.addEventListener("pointercancel", end, { once: true });
  }

  function moveBy(x, y) {
    const own = points();
    own[point] = [clamp(own[point][0] + x), clamp(own[point][1] + y)];
    changed();
  }

  function addPoint() {
    const own = points(), next = own[(point + 1) % own.length];
    own.splice(point + 1, 0, [clamp((own[point][0] + next[0]) / 2), clamp((own[point][1] + next[1]) / 2)]);
    point += 1;
    changed();
  }

  function dropPoint() {
    points().splice(point, 1);
    changed();
  }

  function changed() {
    draw();
    svg.querySelectorAll("g")[point]?.focus();
    owed = [{ ...chosen, points: points() }, camera.value];
    clearTimeout(waiting);
    waiting = setTimeout(settle, WRITE_AFTER_MS);
  }

  function settle() { // whatever is drawn is in the draft when this is done
    clearTimeout(waiting);
    if (owed) writing = put(...owed);
    owed = null;
    return writing;
  }

  function write(shape) {
    owed = [shape, camera.value];
    return settle();
  }

  async function put(shape, place) {
    const text = draft.value;
    try {
      const answer = await sightline.api("POST", "/api/v1/site/draw", { text, camera: place, ...shape });
      if (draft.value !== text) await put(shape, place); // something was typed meanwhile
      else draft.dispatchEvent(new CustomEvent("sl:draft", { detail: answer.text }));
    } catch (error) {
      sightline.failed(error);
    }
  }

  function show() {
    picture.alt = sightline.filled(panel.dataset.picture, { camera: camera.value });
    picture.src = `/rules/picture/${encodeURIComponent(camera.value)}?at=${Date.now()}`;
    chosen = null;
    draw();
  }

  function seen(is) {
    picture.hidden = !is;
    find("no-picture").hidden = is;
    picture.parentElement.classList.toggle("blank", !is);
    size = is ? [picture.naturalWidth, picture.naturalHeight] : [1600, 900];
    draw();
  }

  function keyed(event) {
    const step = event.shiftKey ? LARGE_STEP : STEP;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (moves[event.key]) moveBy(...moves[event.key]);
    else if (["Insert", "+"].includes(event.key) && !find("add-point").disabled) addPoint();
    else if (["Delete", "Backspace"].includes(event.key) && !find("drop-point").disabled) dropPoint();
    else return;
    event.preventDefault();
  }

  function known(found) { // the draft's cameras, those that are not saved yet among them
    if (owed || isDragging) return; // what is drawn is newer, and tells again when it is written
    cameras = found;
    const names = found.map((each) => each.id);
    if (names.join() !== [...camera.options].map((each) => each.value).join()) {
      const before = camera.value;
      camera.replaceChildren(...names.map((name) => new Option(name, name, false, name === before)));
      if (camera.value !== before) show();
    }
    draw();
  }

  draft.addEventListener("sl:checked", (event) => event.detail.length && known(event.detail));
  camera.addEventListener("change", show);
  picture.addEventListener("load", () => seen(true));
  picture.addEventListener("error", () => seen(false));
  svg.addEventListener("keydown", keyed);
  find("anew").addEventListener("click", show);
  find("add-point").addEventListener("click", addPoint);
  find("drop-point").addEventListener("click", dropPoint);
  find("new-shape").elements.kind.addEventListener("change", (event) => {
    const name = find("new-shape").elements.name;
    name.disabled = event.target.value === "masks"; // they are counted
  });
  find("new-shape").addEventListener("submit", async (event) => {
    event.preventDefault();
    const { kind, name } = event.target.elements;
    const shape = { kind: kind.value, name: kind.value === "masks" ? String((here()?.masks.length ?? 0) + 1) : name.value };
    chosen = shape;
    point = 0;
    await write({ ...shape, points: START[shape.kind] });
    name.value = "";
  });
  new ResizeObserver(draw).observe(svg);
  sightline.settleDrawing = settle;
  show();
})();
