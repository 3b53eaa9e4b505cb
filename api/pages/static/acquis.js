// A little help on top of pages that work without it: a lost network loses nothing that was chosen, the time
// left is told, and a click on a picture fills in the two numbers of a point.
"use strict";

(function () {
  const connection = document.getElementById("connection");
  const say = (name) => { connection.textContent = name ? connection.dataset[name] : ""; };
  let wake = () => {};
  const pause = (seconds) => new Promise((go) => { wake = go; setTimeout(go, 1000 * seconds); });

  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload(); // kept by the browser from before: the question may be another one now
  });

  let trying = false; // then the attempts say how it stands
  addEventListener("offline", () => trying || say("offline"));
  addEventListener("online", () => {
    if (trying) return wake();
    say("online");
    setTimeout(() => trying || say(""), 4000);
  });

  // Ask until the service answers: after what it asks for, twice as long each time, and never all at once
  // when a thousand pages wait for the same server.
  async function persist(address, options) {
    for (let attempt = 1; ; attempt++) {
      const slow = setTimeout(() => options.body && say("sending"), 1500);
      const late = new AbortController();
      const end = setTimeout(() => late.abort(), 15000);
      let wait = 0;
      try {
        const reply = await fetch(address, { ...options, redirect: "manual", cache: "no-store", signal: late.signal });
        if (![502, 503, 504].includes(reply.status)) return reply;
        wait = Number(reply.headers.get("Retry-After")) || 0;
      } catch {
        // no network, or none that answers in time
      } finally {
        clearTimeout(slow);
        clearTimeout(end);
      }
      say(!navigator.onLine ? "offline" : options.body ? "waiting" : "again");
      await pause(Math.max(wait, Math.min(2 ** (attempt - 1), 30)) * (0.75 + Math.random() / 2));
    }
  }

  async function visit(address) {
    if (trying) return;
    trying = true;
    await persist(address, {});
    location.assign(address);
  }

  // A form goes by fetch: when the network fails the page stays, and with it what was chosen. Whatever the
  // server says to it, the browser then hears by the ordinary way; an answer sent twice counts once.
  for (const form of document.querySelectorAll("form[data-then]")) {
    form.addEventListener("submit", (event) => {
      if (!event.submitter) return; // an old browser: without which button it was, an answer is no answer
      event.preventDefault();
      if (trying) wake();
      else send(form, event.submitter);
    });
  }

  async function send(form, button) {
    trying = true;
    const fields = new URLSearchParams(new FormData(form));
    if (button.name) fields.append(button.name, button.value);
    form.setAttribute("aria-busy", "true"); // what is on its way changes no more
    for (const part of form.querySelectorAll(".item")) part.inert = true;
    const reply = await persist(form.action, { method: "POST", body: fields });
    say("");
    if (reply.type === "opaqueredirect") location.assign(form.dataset.then);
    else post(form, fields);
  }

  function post(form, fields) {
    const copy = document.createElement("form");
    copy.method = "post";
    copy.action = form.action;
    copy.hidden = true;
    for (const [name, value] of fields) {
      const input = document.createElement("input");
      input.type = "hidden";
      input.name = name;
      input.value = value;
      copy.append(input);
    }
    document.body.append(copy);
    copy.submit();
  }

  // A page that the service could not give now is asked for again; a form that it could not take is sent again.
  const again = document.querySelector("[data-retry]");
  if (again) {
    const button = again.querySelector("form button");
    say("again");
    pause(again.dataset.retry * (1 + Math.random())).then(() => {
      if (!button) visit(location.pathname + location.search);
      else if (!trying) button.click();
    });
  }

  // The time left: each minute in the page, aloud at five minutes, at one, and at the end, when what is chosen goes.
  const left = document.getElementById("left");
  if (left) {
    const end = Date.now() + 1000 * left.dataset.seconds;
    const form = document.getElementById("answer");
    const aloud = document.getElementById("time");
    let before = 0;
    const tick = () => {
      const rest = end - Date.now();
      const minutes = Math.ceil(rest / 60000);
      left.textContent = minutes < 1 ? left.dataset.over : minutes > 1 ? left.dataset.many.replace("{n}", minutes) : left.dataset.one;
      if (minutes < 1 || (before > minutes && [5, 1].includes(minutes))) aloud.textContent = left.textContent;
      if (minutes >= 1) setTimeout(tick, rest % 60000 + 50);
      else if (before && [...new FormData(form)].some(([name, value]) => name.startsWith("a.") && value)) {
        form.querySelector(".primary").click();
      } else pause(12).then(() => visit("/question"));
      before = minutes;
    };
    tick();
  }

  // A click places the point that has no place yet, or the last one.
  for (const points of document.querySelectorAll("[data-points]")) {
    const picture = points.querySelector(".picture svg");
    const marks = [...points.querySelectorAll("[data-mark]")];
    const field = (index, axis) => document.getElementById(`${points.dataset.points}.${index}.${axis}`);
    const draw = (index) => {
      const [x, y] = ["x", "y"].map((axis) => parseFloat(field(index, axis).value.replace(",", ".")));
      const { width, height } = picture.viewBox.baseVal;
      const placed = x >= 0 && x <= 100 && y >= 0 && y <= 100;
      marks[index].setAttribute("visibility", placed ? "visible" : "hidden");
      if (placed) marks[index].setAttribute("transform", `translate(${x * width / 100} ${y * height / 100})`);
    };
    picture.parentElement.classList.add("pointing");
    picture.addEventListener("click", (event) => {
      const box = picture.getBoundingClientRect();
      const empty = marks.findIndex((_, index) => !field(index, "x").value);
      const index = empty < 0 ? marks.length - 1 : empty;
      field(index, "x").value = ((event.clientX - box.left) / box.width * 100).toFixed(1);
      field(index, "y").value = ((event.clientY - box.top) / box.height * 100).toFixed(1);
      draw(index);
    });
    points.addEventListener("input", () => marks.forEach((_, index) => draw(index)));
  }
})();
