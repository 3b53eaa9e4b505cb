// Says before a session ends, and makes it last while somebody is at work on the page. Without it the page says
// until when it is open, and a session that is kept needs none.
"use strict";

(function () {
  const place = document.getElementById("session");
  if (!place) return;
  const { address, token, warn } = place.dataset;
  const part = (name) => document.getElementById(name).content.cloneNode(true);
  let end = Date.now() + 1000 * Number(place.dataset.seconds);
  let last = "last" in place.dataset, heard = Date.now(), said = "";

  function say(name, hour) {
    if (said === name) return;
    said = name;
    place.replaceChildren();
    if (!name) return;
    const message = part(`session-${name}`);
    for (const until of message.querySelectorAll(".hour")) until.textContent = hour;
    place.append(message);
    place.querySelector("button")?.addEventListener("click", () => ask("POST", true));
  }

  // GET tells how long the session lasts, POST makes it last.
  async function ask(method, pressed) {
    heard = Date.now();
    let reply;
    try {
      const body = method === "POST" ? new URLSearchParams({ jeton: token }) : undefined;
      reply = await fetch(address, { method, body, redirect: "manual", cache: "no-store" });
    } catch {
      return; // no network: asked again later
    }
    if (reply.type === "opaqueredirect") return say("over");
    if (!reply.ok) return;
    const told = await reply.json();
    end = Date.now() + 1000 * told.seconds;
    last = told.last;
    document.getElementById("until").textContent = told.hour;
    if (end - Date.now() <= 1000 * warn) return say(last ? "last" : "ends", told.hour);
    say(pressed ? "stays" : "", told.hour);
    if (pressed) place.firstElementChild.focus(); // the button is gone
  }

  // Whatever is typed or pressed is activity, at most once a minute.
  for (const kind of ["keydown", "input", "pointerdown"]) {
    addEventListener(kind, () => {
      if (said !== "over" && Date.now() - heard > 60000) ask("POST");
    });
  }

  // Near the end the server is asked first: another page may have made the session last.
  setInterval(() => {
    if (said === "over" || end - Date.now() > 1000 * warn) return;
    if (!["ends", "last"].includes(said) || end <= Date.now()) ask("GET");
  }, 1000);
})();
