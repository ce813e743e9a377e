// Signing in: the form, or the first account when the address carries the one-time link's secret behind its #.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const section = document.querySelector(".sign-in");
  const problem = document.getElementById("problem");
  const link = new URLSearchParams(window.location.hash.slice(1)).get("link");
  const [shown, other] = link ? ["first", "known"] : ["known", "first"];
  document.getElementById(shown).hidden = false;
  document.getElementById(other).hidden = true;
  document.querySelector(`#${shown} input`).focus();

  const { protocol, hostname } = window.location;
  document.getElementById("plain-http").hidden = protocol === "https:" || /^(localhost|127\..*|\[::1\])$/.test(hostname);

  function say(words) {
    problem.textContent = words;
    problem.hidden = !words;
  }

  section.addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target;
    const again = form.querySelector("[data-again]");
    const sent = Object.fromEntries(new FormData(form));
    say("");
    if (again && again.value !== sent.password) return say(section.dataset.differ);
    if (again) sent.link = link;
    form.setAttribute("aria-busy", "true");
    try {
      await sightline.api("POST", form.dataset.signIn, sent);
      window.location.assign(section.dataset.next);
    } catch (error) {
      say(error.message);
      form.querySelector("[type=password]").focus();
    } finally {
      form.removeAttribute("aria-busy");
    }
  });
});
