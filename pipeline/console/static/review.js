// The review page: rows as they change, ages, keys. What goes on within an incident: review_pictures.js.
"use strict";

(() => {
  const MOST_AT_ONCE = 20; // more changed incidents than this, and the list is loaded anew
  const PAUSE_MS = 500; // between two fetches of changed rows
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const openedId = () => one("#incident")?.dataset.id;

  // --- the list as it changes
  const waiting = new Set();
  let isFetching = false;
  let lastFetch = 0;
  let unseen = 0;

  function reload() {
    waiting.clear();
    if (one("#list form.htmx-request")) return; // the list comes anew already, by another filter
    htmx.ajax("GET", window.location.href, { source: "#list", target: "#list", select: "#list", swap: "outerHTML" });
    if (one("#incident")) sightline.refresh("#incident");
  }

  async function fetchChanged() {
    if (isFetching || !waiting.size) return;
    const wait = lastFetch + PAUSE_MS - performance.now();
    if (wait > 0) {
      isFetching = true;
      setTimeout(() => { isFetching = false; fetchChanged(); }, wait);
      return;
    }
    lastFetch = performance.now();
    if (waiting.size > MOST_AT_ONCE) return reload();
    isFetching = true;
    const asked = one("#list").dataset.query;
    const query = new URLSearchParams(asked);
    const ids = [...waiting];
    for (const id of ids) query.append("id", id);
    waiting.clear();
    try {
      const response = await fetch(`/review/changed?${query}`, { headers: { "HX-Request": "true" } });
      const html = await response.text();
      if (one("#list").dataset.query !== asked) ids.forEach((id) => waiting.add(id)); // another filter since
      else if (response.ok) place(html);
    } catch { /* the header says since when the page is blind; once connected again the list is loaded anew */ }
    isFetching = false;
    fetchChanged();
  }

  function place(html) {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    for (const part of all("[data-listed]", holder.content)) {
      const row = part.firstElementChild;
      const before = document.getElementById(row.id);
      if (before) {
        if (Number(before.dataset.change) > Number(row.dataset.change)) continue;
        const hadFocus = before.contains(document.activeElement);
        before.replaceWith(row);
        if (hadFocus) one("a", row).focus({ preventScroll: true });
      } else if (part.dataset.listed === "yes") insert(row);
      else continue;
      htmx.process(row);
      mark(row);
    }
    ages();
  }

  function insert(row) {
    const rows = all("#rows > [data-id]");
    const after = rows.find((each) => Number(each.dataset.opened) < Number(row.dataset.opened));
    if (!after && one("#rows > .more")) return; // older than all that is shown
    one("#rows").insertBefore(row, after ?? null);
    row.classList.add("arrived");
    one("#nothing").hidden = true;
    one("#news").textContent = `${one("#news").dataset.new} ${one("strong", row).textContent}`;
    if (document.hidden) document.title = `(${++unseen}) ${document.title.replace(/^\(\d+\) /, "")}`;
  }

  function mark(row) {
    const link = one("a", row);
    if (row.dataset.id === openedId()) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }

  function take(row) {
    const shown = one("#incident");
    if (shown?.dataset.id === row.id && Number(shown.dataset.change) < row.last_change) sightline.refresh("#incident");
    waiting.add(row.id);
    fetchChanged();
  }

  let wasLost = false;
  document.body.addEventListener("sl:change", (event) => take(event.detail.incident));
  document.body.addEventListener("sl:reset", reload);
  document.body.addEventListener("sl:connected", (event) => {
    if (event.detail && wasLost) reload();
    wasLost = !event.detail;
  });
  document.addEventListener("sl:done", (event) => {
    const { shows } = event.target.dataset;
    if (shows) {
      const { verdict, probability, reason } = event.detail.now;
      const share = probability === null ? "" : ` ${Math.round(100 * probability)} %`;
      one(shows).textContent = `${one(shows).dataset[verdict]}${share}: ${reason}`;
    } else if (event.detail?.incident?.last_change) decided(event.detail.incident);
  });
  let nextKey = null; // pressed while a decision was on its way

  function decided(row) {
    waiting.add(row.id);
    fetchChanged();
    if (row.id !== openedId()) return;
    for (const button of all("#incident [data-etag]")) button.dataset.etag = `"${row.last_change}"`;
    const key = nextKey;
    nextKey = null;
    if (key) setTimeout(() => one(`[data-key="${key}"]`)?.click()); // once the first is no longer busy
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    unseen = 0;
    document.title = document.title.replace(/^\(\d+\) /, "");
  });

  // --- ages, by the server's clock, in the page's language
  const words = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "always", style: "short" });

  function ages() {
    for (const part of all(".ago[data-at]")) {
      const seconds = Math.max(sightline.now() / 1000 - Number(part.dataset.at), 0);
      const [size, unit] = seconds < 60 ? [1, "second"] : seconds < 3600 ? [60, "minute"] : seconds < 86400 ? [3600, "hour"] : [86400, "day"];
      const text = words.format(-Math.floor(seconds / size), unit);
      if (part.textContent !== text) part.textContent = text;
    }
  }

  // --- one incident was put in
  function settle() {
    const isOpen = Boolean(one("#incident"));
    one("#review").dataset.view = isOpen ? "incident" : "list";
    if (isOpen) document.title = `${one("#incident h2").textContent} · Sightline`;
    all("#rows > [data-id]").forEach(mark);
    one("#keys-on").checked = keysAreOn();
    ages();
  }
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.target.closest?.("#detail, #list, body")) settle();
  });
  document.addEventListener("htmx:historyRestore", settle);
  document.addEventListener("DOMContentLoaded", () => {
    settle();
    one("#rows [aria-current]")?.scrollIntoView({ block: "nearest" });
    setInterval(ages, 5000);
  });

  // --- keys
  const keysAreOn = () => localStorage.getItem("review-keys") !== "off";

  function step(by) {
    const rows = all("#rows > [data-id]");
    const at = rows.findIndex((row) => row.dataset.id === openedId());
    const next = rows[at < 0 ? (by > 0 ? 0 : -1) : at + by];
    if (!next) return;
    const link = one("a", next);
    link.click();
    link.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }

  const KEYS = {
    j: () => step(1),
    k: () => step(-1),
    b: () => one("#overlay")?.click(),
    p: () => { const clip = one(".clip video"); if (clip) clip.paused ? clip.play() : clip.pause(); },
    n: () => one(".note input")?.focus(),
    "?": () => one("#keys").showModal(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Escape" && event.target.matches?.(".note input")) event.target.blur();
    if (one("dialog[open]") || event.target.closest?.("input:not([type=checkbox]), select, textarea")) return;
    if (!keysAreOn()) return;
    const button = "cra".includes(event.key) && one(`[data-key="${event.key}"]`);
    const decide = () => (one(".decide [aria-busy]") ? (nextKey = event.key) : button.click());
    const act = button ? decide : /^[1-9]$/.test(event.key) ? () => one(`.strip [data-picture="${event.key}"]`)?.click() : KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    if (!event.repeat || "jk".includes(event.key)) act();
  });
  document.addEventListener("change", (event) => {
    if (event.target.id === "keys-on") localStorage.setItem("review-keys", event.target.checked ? "on" : "off");
  });
  document.addEventListener("submit", (event) => event.target.id === "note-form" && event.preventDefault());
  document.addEventListener("click", (event) => event.target.closest("#show-keys") && one("#keys").showModal());
})();
