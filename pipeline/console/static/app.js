// What all pages share: changes through the API, notices, live changes, remembered choices.
"use strict";

const sightline = (() => {
  const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.content ?? "";
  const skew = Date.parse(meta("server-now")) - Date.now(); // a browser's clock may be wrong: ages go by the server's

  class ApiProblem extends Error {
    constructor(status, problem) {
      super(problem.detail || problem.title || String(status));
      this.status = status;
      this.errors = problem.errors ?? [];
    }
  }

  // Whoever signs in again in another tab has a new session: the token that this page came with is then of the old one.
  async function renewed() {
    const answer = await fetch("/api/v1/session", { headers: { Accept: "application/json" } }).catch(() => null);
    const token = answer?.ok ? (await answer.json()).csrf_token : "";
    const known = document.querySelector('meta[name="csrf"]');
    if (!token || token === known.content) return false;
    known.content = token;
    return true;
  }

  async function sent(method, path, body, { accept = "application/json", etag, signal } = {}) {
    const headers = { Accept: accept };
    if (etag) headers["If-Match"] = etag;
    if (body !== undefined && !(body instanceof Blob) && !(body instanceof FormData)) {
      headers["Content-Type"] = "application/json";
      body = JSON.stringify(body);
    }
    const once = () => fetch(path, { method, headers: { ...headers, "X-CSRF-Token": meta("csrf") }, body, signal });
    try {
      const response = await once();
      return response.status === 403 && (await renewed()) ? await once() : response;
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiProblem(0, { detail: document.getElementById("notices").dataset.lost });
    }
  }

  async function api(method, path, body, options = {}) {
    const response = await sent(method, path, body, options);
    const text = await response.text();
    const said = text && /json/.test(response.headers.get("content-type") ?? "") ? JSON.parse(text) : text;
    if (!response.ok) throw new ApiProblem(response.status, typeof said === "string" ? { title: response.statusText } : said);
    return said;
  }

  // What an answer tells bit by bit (Server-Sent Events to a POST): told(name, data) for each event.
  async function stream(path, body, told, { signal } = {}) {
    const response = await sent("POST", path, body, { accept: "text/event-stream", signal });
    if (!response.ok) throw new ApiProblem(response.status, await response.json().catch(() => ({ title: response.statusText })));
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s)));
        if (fields.event) told(fields.event, JSON.parse(fields.data));
      }
    }
  }

  function notice(words, kind = "alarm") {
    const region = document.getElementById("notices");
    if ([...region.querySelectorAll("p")].some((shown) => shown.textContent === words)) return; // fails again and again
    const card = document.createElement("div");
    card.className = `notice ${kind}`;
    const text = document.createElement("p");
    text.textContent = words;
    const close = document.createElement("button");
    close.className = "button";
    close.textContent = region.dataset.close;
    close.addEventListener("click", () => card.remove());
    card.append(text, close);
    region.append(card);
    if (kind !== "alarm") setTimeout(() => card.remove(), 6000);
  }

  function failed(error) {
    if (error.name === "AbortError") return;
    const over = document.getElementById("session-over");
    if (error.status !== 401) notice(error.message);
    else if (!over.open) over.showModal();
  }

  const filled = (words, fields) => words.replace(/\{(\w+)\}/g, (_, name) => fields[name]); // "{done} of {of} clips"
  const refresh = (selector) => document.querySelectorAll(selector).forEach((part) => htmx.trigger(part, "refresh"));

  // <button data-api="POST /api/…" data-body='{"json": …}' data-etag data-refresh data-goto data-done data-sure>, or a
  // form whose fields are sent; data-fields="#form" sends those of another
  async function act(element) {
    const { api: what, etag, refresh: parts, goto, done, sure } = element.dataset;
    if (sure && !window.confirm(sure)) return;
    const [method, path] = what.split(" ");
    const { body: given, fields } = element.dataset;
    const form = element.tagName === "FORM" ? element : fields && document.querySelector(fields);
    const body = form ? fieldsOf(form) : given && JSON.parse(given);
    element.setAttribute("aria-busy", "true");
    try {
      const answer = await api(method, path, body, { etag });
      sayOutcome(answer, done);
      form?.reset();
      element.dispatchEvent(new CustomEvent("sl:done", { bubbles: true, detail: answer }));
      if (parts) refresh(parts);
      if (goto) window.location.assign(goto);
    } catch (error) {
      failed(error);
      if (error.status === 409 && parts) refresh(parts); // somebody was first: show what they did
    } finally {
      element.removeAttribute("aria-busy");
    }
  }

  // Of several things that were sent again each may be refused by itself.
  function sayOutcome(answer, done) {
    const problems = answer?.items?.map((item) => item.problem).filter(Boolean) ?? [];
    if (done && problems.length !== answer?.items?.length) notice(done, "good");
    for (const words of new Set(problems)) notice(words);
  }

  function fieldsOf(form) {
    const fields = {};
    for (const [name, value] of new FormData(form)) {
      if (form.elements[name] instanceof RadioNodeList || form.elements[name].multiple) (fields[name] ??= []).push(value);
      else fields[name] = value;
    }
    return fields;
  }

  // One tab of a browser follows the server and tells the others: browsers allow few connections to one host.
  const channel = new BroadcastChannel("sightline-changes");
  let blindSince = null;
  let lastId = `${Date.parse(meta("server-now")) * 1000}-page`; // ids begin with their time in microseconds

  function tell(kind, detail) {
    document.body.dispatchEvent(new CustomEvent(`sl:${kind}`, { detail }));
  }

  function connected(is) {
    if (is) blindSince = null;
    else blindSince ??= new Date();
    const line = document.getElementById("blind");
    line.hidden = is;
    if (!is) document.getElementById("blind-since").textContent = blindSince.toLocaleTimeString();
  }

  function follow() {
    const source = new EventSource(`/api/v1/events?after=${encodeURIComponent(lastId)}`); // what the page missed while it loaded too
    const spread = (kind, detail, event) => {
      lastId = event?.lastEventId || lastId;
      tell(kind, detail);
      channel.postMessage({ kind, detail, lastId });
    };
    source.onopen = () => spread("connected", true);
    source.onerror = () => {
      spread("connected", false);
      if (source.readyState === EventSource.CLOSED) setTimeout(follow, 5000); // refused: the session may be over
    };
    source.addEventListener("change", (event) => spread("change", JSON.parse(event.data), event));
    source.addEventListener("reset", (event) => spread("reset", {}, event));
  }

  function live() {
    document.body.addEventListener("sl:connected", (event) => connected(event.detail));
    channel.onmessage = (message) => {
      lastId = message.data.lastId;
      tell(message.data.kind, message.data.detail);
    };
    if (navigator.locks) navigator.locks.request("sightline-changes", () => new Promise(follow)); // until the tab goes
    else follow();
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-api]");
    if (button) act(button);
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-api]")) return;
    event.preventDefault();
    act(event.target);
  });
  document.addEventListener("change", (event) => {
    const name = event.target.dataset?.remember;
    if (!name) return;
    document.cookie = `${name}=${event.target.value}; path=/; max-age=31536000; samesite=lax`;
    window.location.reload();
  });
  document.addEventListener("htmx:responseError", (event) => {
    const { status, response, statusText } = event.detail.xhr;
    let problem = { title: statusText };
    try {
      problem = JSON.parse(response);
    } catch { /* no problem+json: its status line says it */ }
    failed(new ApiProblem(status, problem));
  });
  document.addEventListener("htmx:sendError", () => notice(document.getElementById("notices").dataset.lost));
  document.addEventListener("DOMContentLoaded", () => "live" in document.body.dataset && live());

  return { api, stream, notice, failed, refresh, filled, now: () => Date.now() + skew };
})();
