// A conversation: the question goes out, look-ups come in while they are made, then the answer with what it rests on.
"use strict";

(() => {
  const find = (id) => document.getElementById(id);
  const MOST_CHARACTERS = 2000;
  let conversation = crypto.randomUUID?.() ?? String(Math.random()).slice(2); // only over HTTPS and loopback has it the first
  let asking = null;

  async function ask(question) {
    const turn = begin(question);
    const state = turn.querySelector(".state");
    const started = performance.now();
    const tick = () => (state.textContent = `${state.dataset.thinking} ${Math.round((performance.now() - started) / 1000)} s`);
    const clock = setInterval(tick, 1000);
    asking = new AbortController();
    busy(true);
    tick();
    let end = state.dataset.cut;
    const told = {
      call: (call) => lookedUp(turn, call),
      answer: (reply) => { end = ""; answered(turn, reply); },
      problem: (problem) => { end = problem.detail || problem.title; },
    };
    try {
      await sightline.stream("/api/v1/ask", { question, conversation }, (name, data) => told[name]?.(data), { signal: asking.signal });
    } catch (error) {
      if (error.status === 401) sightline.failed(error);
      end = error.name === "AbortError" ? state.dataset.stopped : error.message;
      if (error.name === "AbortError") conversation = `${conversation.slice(0, 30)}-${turn.parentElement.children.length}`; // the old one is still busy
    }
    clearInterval(clock);
    state.textContent = end;
    state.classList.toggle("failed", end !== "");
    state.hidden = end === "";
    if (end && !find("question").value) find("question").value = question; // to try again
    busy(false);
  }

  function begin(question) {
    const turn = find("turn").content.firstElementChild.cloneNode(true);
    turn.querySelector(".asked").textContent = question;
    find("talk").append(turn);
    find("hints").hidden = true;
    find("anew").hidden = false;
    turn.scrollIntoView({ block: "nearest" });
    return turn;
  }

  function busy(is) {
    find("send").hidden = is;
    find("stop").hidden = !is;
    if (!is) find("question").focus({ preventScroll: true });
  }

  function lookedUp(turn, call) {
    const calls = turn.querySelector(".calls");
    const names = new Map([...find("tools").querySelectorAll("dt")].map((name) => [name.textContent, name.nextElementSibling.textContent]));
    const line = document.createElement("li");
    line.textContent = `${names.get(call.name) ?? call.name}: ${call.found}`;
    line.title = call.arguments;
    line.classList.toggle("failed", call.is_error);
    calls.querySelector("ol").append(line);
    calls.querySelector(".number").textContent = calls.querySelectorAll("li").length;
    calls.hidden = false;
    calls.open = true;
  }

  function answered(turn, reply) {
    const text = turn.querySelector(".text");
    text.replaceChildren(...linked(reply.text, reply.citations));
    text.hidden = false;
    turn.querySelector(".calls").open = false;
    const blind = turn.querySelector(".blind-note");
    blind.hidden = reply.unwatched.length === 0;
    blind.querySelector("ul").replaceChildren(...reply.unwatched.map((words) => Object.assign(document.createElement("li"), { textContent: words })));
    const remark = turn.querySelector(".remark");
    remark.textContent = reply.note;
    remark.hidden = !reply.note;
    if (reply.citations.length) {
      const cited = reply.citations.slice(0, 24).map(({ incident, frame }) => `cite=${encodeURIComponent(frame === null ? incident : `${incident}~${frame}`)}`);
      htmx.ajax("GET", `/ask/sources?${cited.join("&")}`, { target: turn.querySelector(".sources"), swap: "innerHTML" });
    }
  }

  // Words as text; only what the server says is cited becomes a link.
  function* linked(text, citations) {
    let at = 0;
    for (const match of text.matchAll(/\[([A-Za-z0-9_-]{4,64})(?:#(\d+))?\]/g)) {
      const cited = citations.find((each) => each.incident.startsWith(match[1]));
      if (!cited) continue;
      yield document.createTextNode(text.slice(at, match.index));
      const link = document.createElement("a");
      link.className = "cite";
      link.href = `/review/${encodeURIComponent(cited.incident)}`;
      link.textContent = match[1] + (match[2] ? ` #${match[2]}` : "");
      yield link;
      at = match.index + match[0].length;
    }
    yield document.createTextNode(text.slice(at));
  }

  function submit(event) {
    event?.preventDefault();
    if (asking && !find("stop").hidden) return;
    const box = find("question");
    const question = box.value.trim();
    const isLong = question.length > MOST_CHARACTERS;
    find("ask-wrong").textContent = isLong ? sightline.filled(box.dataset.long, { number: question.length.toLocaleString(document.documentElement.lang) }) : "";
    if (!question || isLong) return;
    box.value = "";
    ask(question);
  }

  document.addEventListener("DOMContentLoaded", () => {
    if (!find("ask")) return;
    find("ask").addEventListener("submit", submit);
    find("question").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event); // Chinese is typed with Enter
    });
    find("stop").addEventListener("click", () => asking.abort());
    find("anew").addEventListener("click", () => window.location.assign("/ask"));
    for (const hint of find("hints").querySelectorAll("button")) {
      hint.addEventListener("click", () => {
        find("question").value = hint.textContent;
        submit();
      });
    }
  });
})();
