// Accounts: a password typed twice is one, and a token that was just made is shown once.
"use strict";

document.addEventListener("input", (event) => {
  const form = event.target.form;
  const again = form?.querySelector("[data-again]");
  if (!again) return;
  const isSame = again.value === form.elements[again.dataset.again].value;
  again.setCustomValidity(isSame ? "" : form.dataset.differ);
});

document.addEventListener("sl:done", (event) => {
  if (!("makesToken" in event.target.dataset)) return;
  const dialog = document.getElementById("made-token");
  dialog.querySelector("input").value = event.detail.token;
  dialog.showModal();
  dialog.querySelector("input").select();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const input = button.closest("dialog").querySelector("input");
  input.select();
  try {
    await navigator.clipboard.writeText(input.value);
    sightline.notice(button.dataset.done, "good");
  } catch {
    // Without HTTPS browsers have no clipboard for pages: the text is selected, Ctrl-C takes it.
  }
});

document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("made-token").addEventListener("close", (event) => {
    event.target.querySelector("input").value = "";
  });
});
