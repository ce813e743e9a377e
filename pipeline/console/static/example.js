// The picture to look for: chosen, pasted, dropped or already kept; upright, small enough, with a part drawn on it.
"use strict";

const example = (() => {
  const MOST_BYTES = 10_000_000;
  const MOST_PIXELS = 7680 * 4320;
  const LONG_SIDE_PX = 2048;
  const SENT_TO_MODEL_PX = 512;
  const SMALLEST_SHARE = 0.01;
  const SIDES = ["left", "top", "right", "bottom"];
  const find = (id) => document.getElementById(id);
  const said = document.querySelector(".example").dataset;
  let picture = null; // a canvas, upright

  const wrong = (words) => (find("example-wrong").textContent = words);

  async function take(file) {
    wrong("");
    if (file.type.startsWith("video/")) return wrong(said.video);
    if (!file.type.startsWith("image/")) return wrong(said.other);
    if (file.size > MOST_BYTES) return wrong(said.large);
    const url = URL.createObjectURL(file);
    try {
      const read = await loaded(url);
      if (read.naturalWidth * read.naturalHeight > MOST_PIXELS) return wrong(said.bomb); // known before it is decoded
      await read.decode();
      show(drawnOn(read, LONG_SIDE_PX));
    } catch {
      wrong(said.broken);
    } finally {
      URL.revokeObjectURL(url);
    }
  }

  function loaded(url) {
    return new Promise((resolve, reject) => {
      const read = new Image();
      read.onload = () => (read.naturalWidth ? resolve(read) : reject(new Error()));
      read.onerror = () => reject(new Error());
      read.src = url;
    });
  }

  // A canvas turns a phone's picture the way it is shown, so that the part drawn is the part sent.
  function drawnOn(source, longSide, [left, top, right, bottom] = [0, 0, 1, 1]) {
    const [width, height] = [source.naturalWidth ?? source.width, source.naturalHeight ?? source.height];
    const [w, h] = [(right - left) * width, (bottom - top) * height];
    const scale = Math.min(1, longSide / Math.max(w, h));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(w * scale));
    canvas.height = Math.max(1, Math.round(h * scale));
    canvas.getContext("2d").drawImage(source, left * width, top * height, w, h, 0, 0, canvas.width, canvas.height);
    return canvas;
  }

  function show(canvas) {
    picture = canvas;
    find("example").src = canvas.toDataURL("image/jpeg", 0.9);
    setPart([0, 0, 1, 1]);
    find("stage").hidden = false;
  }

  async function fetched(url) {
    wrong("");
    const response = await fetch(url).catch(() => null);
    if (!response?.ok) return wrong(said.gone);
    await take(await response.blob());
  }

  function part() {
    const [left, top, right, bottom] = SIDES.map((side) => Math.min(Math.max(Number(find(side).value) / 100 || 0, 0), 1));
    return [Math.min(left, right), Math.min(top, bottom), Math.max(left, right), Math.max(top, bottom)];
  }

  function setPart(sides) {
    SIDES.forEach((side, at) => (find(side).value = Math.round(sides[at] * 100)));
    drawPart();
  }

  function drawPart() {
    const [left, top, right, bottom] = part();
    const box = find("part");
    box.hidden = right - left > 0.99 && bottom - top > 0.99;
    const percent = { left, top, width: right - left, height: bottom - top };
    for (const [name, share] of Object.entries(percent)) box.style.setProperty(name, `${share * 100}%`);
  }

  function draw(down) {
    if (down.button !== 0) return;
    down.preventDefault();
    const area = find("example").getBoundingClientRect();
    const share = (event) => [(event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height].map((each) => Math.min(Math.max(each, 0), 1));
    const [x, y] = share(down);
    const move = (event) => {
      const [u, v] = share(event);
      setPart([Math.min(x, u), Math.min(y, v), Math.max(x, u), Math.max(y, v)]);
    };
    const up = (event) => {
      const [u, v] = share(event);
      if (Math.abs(u - x) < 0.02 && Math.abs(v - y) < 0.02) setPart([0, 0, 1, 1]); // a click is no part
      for (const [name, listener] of [["pointermove", move], ["pointerup", up], ["pointercancel", up]]) window.removeEventListener(name, listener);
    };
    for (const [name, listener] of [["pointermove", move], ["pointerup", up], ["pointercancel", up]]) window.addEventListener(name, listener);
  }

  function without() {
    picture = null;
    find("stage").hidden = true;
    find("file").value = "";
    wrong("");
  }

  function ofCamera(button) {
    const camera = find("camera").value;
    if (camera) fetched(`/api/v1/cameras/${encodeURIComponent(camera)}/frame`);
    else wrong(button.dataset.which);
  }

  const jpeg = (canvas) => new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.9));

  document.addEventListener("DOMContentLoaded", () => {
    const form = find("search");
    find("file").addEventListener("change", (event) => event.target.files[0] && take(event.target.files[0]));
    find("of-camera")?.addEventListener("click", (event) => ofCamera(event.target));
    find("no-example").addEventListener("click", () => { without(); find("text").focus(); });
    find("whole").addEventListener("click", () => setPart([0, 0, 1, 1]));
    find("drawn").addEventListener("pointerdown", draw);
    for (const side of SIDES) find(side).addEventListener("input", drawPart);
    document.addEventListener("paste", (event) => {
      const [file] = event.clipboardData?.files ?? [];
      if (file) { event.preventDefault(); take(file); }
    });
    for (const name of ["dragover", "dragleave", "drop"]) {
      document.addEventListener(name, (event) => {
        event.preventDefault(); // or the browser would leave the page for the file
        form.classList.toggle("over", name === "dragover");
        if (name === "drop" && event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
      });
    }
  });

  return {
    fetched,
    url: () => said.url,
    /** What is sent: null without a picture, or when the part is too small. */
    get: async () => {
      const sides = part();
      if (!picture) return null;
      if (Math.min(sides[2] - sides[0], sides[3] - sides[1]) < SMALLEST_SHARE) throw new Error(said.small);
      const shown = drawnOn(picture, SENT_TO_MODEL_PX, sides).toDataURL("image/jpeg", 0.85);
      return { jpeg: await jpeg(picture), sides, forModel: shown.slice(shown.indexOf(",") + 1) };
    },
    isThere: () => picture !== null,
    wrong,
  };
})();
