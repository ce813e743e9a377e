// Searching by a picture, and what the model says of each result as soon as it does.
"use strict";

(() => {
  const MOST_LOOKS = 12; // each takes a model's time, which alerts need too
  const form = () => document.getElementById("search");
  const results = () => document.getElementById("results");
  let looking = new AbortController();

  // Said to whoever looks while it lasts, and to whoever listens when it is over.
  function busy(is) {
    const said = document.getElementById("said");
    said.classList.toggle("sr-only", !is);
    said.textContent = is ? said.dataset.busy : (document.getElementById("results-title")?.textContent ?? "");
    results().setAttribute("aria-busy", String(is));
  }

  async function byPicture() {
    looking.abort();
    busy(true);
    try {
      const sent = await example.get();
      const html = await sightline.api("POST", `/search/picture?${query(sent.sides)}`, sent.jpeg);
      htmx.swap("#results", html, { swapStyle: "outerHTML" });
      found({ example: sent.forModel });
    } catch (error) {
      if (error.status === 401 || error.status === 0) sightline.failed(error);
      else example.wrong(error.message);
    } finally {
      busy(false);
    }
  }

  function filters(...names) {
    const fields = new FormData(form());
    return new URLSearchParams(names.map((name) => [name, fields.get(name)]).filter(([, value]) => value));
  }

  function query(sides) {
    const fields = new FormData(form());
    const asked = filters("camera", "zone", "label");
    asked.set("since", fields.get("since") || fields.get("within"));
    asked.set("until", fields.get("until") || "now");
    ["left", "top", "right", "bottom"].forEach((side, at) => asked.set(side, sides[at]));
    return asked;
  }

  // What was looked for: words of the results themselves, or the example they were found by.
  function found({ example: picture = "" } = {}) {
    const there = results();
    const cards = [...there.querySelectorAll("[data-incident]")].filter((card) => card.dataset.picture).slice(0, MOST_LOOKS);
    const words = picture ? document.getElementById("text").value.trim().slice(0, 300) : there.dataset.words;
    if ("checks" in there.dataset && cards.length && (words || picture)) look(there, cards, { words, example: picture });
  }

  async function look(there, cards, lookedFor) {
    const words = there.dataset;
    const line = document.getElementById("checked");
    const by = new Map(cards.map((card) => [card.dataset.incident, card]));
    const seen = { yes: 0, all: 0 };
    const told = {
      waiting: () => (line.textContent = words.waiting),
      checked: (data) => {
        line.textContent = words.looking;
        seen.all += 1;
        seen.yes += data.verdict === "confirmed";
        mark(by.get(data.incident), data, words);
      },
      done: () => (line.textContent = sightline.filled(words.done, seen)),
      problem: (problem) => (line.textContent = problem.detail || problem.title),
    };
    looking.abort();
    looking = new AbortController();
    cards.forEach((card) => chip(card, words.checking, ""));
    line.textContent = words.looking;
    const sent = { ...lookedFor, results: cards.map(({ dataset }) => ({ incident: dataset.incident, picture: dataset.picture })) };
    try {
      await sightline.stream("/api/v1/search/verify", sent, (name, data) => told[name]?.(data), { signal: looking.signal });
    } catch (error) {
      if (error.name !== "AbortError") line.textContent = error.message;
    }
    cards.filter((card) => !card.dataset.verdict).forEach((card) => chip(card, words.left, ""));
  }

  function mark(card, { verdict, probability, reason }, words) {
    card.dataset.verdict = verdict;
    const sure = verdict === "confirmed" && probability !== null ? ` (${Math.round(probability * 100)} %)` : "";
    const kinds = { confirmed: "good", rejected: "", unverified: "warn" };
    chip(card, words[verdict] + sure, kinds[verdict]);
    card.querySelector(".look").title = reason;
  }

  function chip(card, text, kind) {
    const look = card.querySelector(".look");
    look.hidden = false;
    look.className = `look chip ${kind}`;
    look.textContent = text;
  }

  document.addEventListener("DOMContentLoaded", () => {
    form().addEventListener("htmx:beforeRequest", (event) => {
      looking.abort();
      if (!example.isThere()) return busy(true);
      event.preventDefault();
      byPicture();
    });
    document.addEventListener("click", (event) => {
      const more = event.target.closest("a.more"); // the next search is of the same time and place
      if (more) more.search = `?like=${new URLSearchParams(more.search).get("like")}&${filters("camera", "zone", "label", "within", "since", "until")}`;
    });
    form().addEventListener("htmx:afterRequest", () => busy(false));
    document.body.addEventListener("htmx:afterSettle", (event) => event.detail.elt?.id === "results" && found());
    if (example.url()) example.fetched(example.url()).then(() => example.isThere() && byPicture());
    else found();
  });
})();
