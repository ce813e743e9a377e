// The site file's draft: checked while it is typed, compared, tried and saved. `sl:draft` on it: it was written into.
"use strict";

(() => {
  const find = (id) => document.getElementById(id);
  const draft = find("draft"), gutter = find("gutter"), verdict = find("verdict"), save = find("save");
  const CHECK_AFTER_MS = 400, FOLLOWED_AFTER_MS = [0, 1500, 4000]; // a run looks once a second
  const lineEnd = draft.dataset.lineEnd === "crlf" ? "\r\n" : "\n"; // a text area knows only the one
  let version = draft.dataset.version;
  let saved = draft.value;
  let wrongLines = new Set();
  let waiting = null, checking = null, trying = null;

  const text = () => draft.value.replaceAll("\n", lineEnd);
  const isChanged = () => draft.value !== saved;

  function put(value) {
    draft.value = value.replaceAll("\r\n", "\n");
    draft.dispatchEvent(new Event("input"));
  }

  async function check() {
    checking?.abort();
    checking = new AbortController();
    try {
      const found = await sightline.api("POST", "/api/v1/site/check", { text: text() }, { signal: checking.signal });
      show(found.problems, found.remarks);
      draft.dispatchEvent(new CustomEvent("sl:checked", { detail: found.cameras }));
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error.status === 401) sightline.failed(error);
      state(error.message, "wrong");
    }
  }

  function state(words, kind) {
    verdict.textContent = words;
    verdict.className = kind;
  }

  function show(problems, remarks) {
    wrongLines = new Set(problems.map((problem) => problem.line));
    state(problems.length ? sightline.filled(verdict.dataset.wrong, { number: problems.length }) : verdict.dataset.right, problems.length ? "wrong" : "right");
    find("problems").replaceChildren(...problems.map(line), ...remarks.map(line).map(softened));
    draft.setAttribute("aria-invalid", String(problems.length > 0));
    number();
    offer(problems.length === 0);
  }

  function line(problem) {
    const item = document.createElement("li");
    if (problem.line) {
      const there = document.createElement("button");
      there.type = "button";
      there.className = "button";
      there.textContent = sightline.filled(verdict.dataset.line, { number: problem.line });
      there.addEventListener("click", () => goTo(problem.line));
      item.append(there, " ");
    }
    const hint = document.createElement("span");
    hint.className = "hint";
    hint.textContent = problem.hint ? ` (${problem.hint})` : "";
    item.append(`${problem.where}: ${problem.message}`, hint);
    return item;
  }

  function softened(item) {
    item.className = "remark";
    return item;
  }

  function goTo(number) {
    const lines = draft.value.split("\n");
    const start = lines.slice(0, number - 1).reduce((sum, each) => sum + each.length + 1, 0);
    draft.focus();
    draft.setSelectionRange(start, start + (lines[number - 1] ?? "").length);
    draft.scrollTop = (number - 4) * parseFloat(getComputedStyle(draft).lineHeight);
  }

  function number() {
    const count = draft.value.split("\n").length;
    while (gutter.children.length > count) gutter.lastChild.remove();
    while (gutter.children.length < count) {
      const each = document.createElement("span");
      each.textContent = gutter.children.length + 1;
      gutter.append(each);
    }
    [...gutter.children].forEach((each, index) => each.classList.toggle("wrong", wrongLines.has(index + 1)));
    gutter.scrollTop = draft.scrollTop;
  }

  function offer(isRight) {
    save.disabled = !(isRight && isChanged());
    find("discard").disabled = !isChanged();
  }

  async function write() {
    save.disabled = true;
    await sightline.settleDrawing();
    try {
      const sent = draft.value;
      const answer = await sightline.api("PUT", "/api/v1/site", { text: text() }, { etag: `"${version}"` });
      version = answer.version;
      saved = sent;
      find("changes").replaceChildren();
      sightline.notice(save.dataset.saved, "good");
      sightline.refresh("#versions");
      listAgain();
    } catch (error) {
      if (error.status !== 409) sightline.failed(error);
      else await overtaken().catch(sightline.failed);
    }
    check();
  }

  async function overtaken() {
    version = (await sightline.api("GET", "/api/v1/site")).version;
    sightline.notice(save.dataset.conflict);
    sightline.refresh("#versions");
    await compare();
  }

  async function compare() {
    await sightline.settleDrawing();
    try {
      find("changes").innerHTML = await sightline.api("POST", "/rules/changes", { text: text() }); // made and escaped by the server
    } catch (error) {
      sightline.failed(error);
    }
  }

  function listAgain() {
    for (const after of FOLLOWED_AFTER_MS) setTimeout(() => sightline.refresh("#rules-list"), after);
  }

  async function again() { // what was switched or taken back elsewhere on this page, or by others
    const now = await sightline.api("GET", "/api/v1/site");
    if (isChanged()) sightline.notice(save.dataset.elsewhere);
    else {
      version = now.version;
      saved = now.text.replaceAll("\r\n", "\n");
      put(now.text);
    }
  }

  async function tryOut(form) {
    await sightline.settleDrawing();
    const progress = find("trial-progress"), line = find("trial-state"), fields = new FormData(form);
    const sent = { text: text(), rules: fields.get("rule") ? [fields.get("rule").trim()] : [], since: fields.get("since") };
    let end = line.dataset.cut;
    const told = {
      progress: (step) => {
        if (!step.of) return;
        Object.assign(progress, { max: step.of, value: step.done });
        line.textContent = sightline.filled(line.dataset.clips, step);
      },
      result: (result) => { end = ""; find("trial-result").innerHTML = result.html; }, // made and escaped by the server
      problem: (problem) => { end = [problem.detail || problem.title, ...(problem.errors ?? []).map((each) => each.message)].join(" · "); },
    };
    trying = new AbortController();
    busy(true);
    line.textContent = line.dataset.begun;
    find("trial-result").replaceChildren();
    try {
      await sightline.stream("/rules/trial", sent, (name, data) => told[name]?.(data), { signal: trying.signal });
    } catch (error) {
      if (error.status === 401) sightline.failed(error);
      end = error.name === "AbortError" ? line.dataset.stopped : error.message;
    }
    line.textContent = end;
    busy(false);
  }

  function busy(is) {
    find("trial-progress").hidden = find("stop-trial").hidden = !is;
    if (is) find("trial-progress").removeAttribute("value");
    find("trial").querySelector("button.primary").disabled = is;
  }

  draft.addEventListener("input", () => {
    number();
    state(verdict.dataset.checking, "");
    offer(false);
    clearTimeout(waiting);
    waiting = setTimeout(check, CHECK_AFTER_MS);
  });
  draft.addEventListener("sl:draft", (event) => put(event.detail));
  draft.addEventListener("scroll", () => (gutter.scrollTop = draft.scrollTop));
  draft.addEventListener("keydown", (event) => {
    if (event.key !== "s" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (!save.disabled) write();
  });
  save.addEventListener("click", write);
  find("compare").addEventListener("click", compare);
  find("discard").addEventListener("click", (event) => {
    if (window.confirm(event.target.dataset.sure)) { saved = draft.value; again().catch(sightline.failed); }
  });
  find("trial").addEventListener("submit", (event) => { event.preventDefault(); tryOut(event.target); });
  find("stop-trial").addEventListener("click", () => trying?.abort());
  document.addEventListener("sl:done", (event) => {
    if (!event.target.matches("[data-switch], [data-restore]")) return;
    listAgain();
    again().catch(sightline.failed);
  });
  window.addEventListener("beforeunload", (event) => { if (isChanged()) event.preventDefault(); });
  number();
  check();
})();
