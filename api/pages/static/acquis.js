// A little help on top of pages that work without it: a lost network loses nothing that was chosen, and a
// click on a picture fills in the two numbers of a point.
"use strict";

(function () {
  const connection = document.getElementById("connection");
  const say = (name) => { connection.textContent = name ? connection.dataset[name] : ""; };

  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload(); // kept by the browser from before: the question may be another one now
  });

  addEventListener("offline", () => say("offline"));
  addEventListener("online", () => {
    say("online");
    setTimeout(() => say(""), 4000);
  });

  // An answer goes by fetch: when the network fails the page stays, and with it what was chosen. Whatever
  // the server says to it, the browser then hears by the ordinary way; sent twice, an answer counts once.
  for (const form of document.querySelectorAll("form[data-answer]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (form.dataset.sending) return;
      send(form, event.submitter);
    });
  }

  async function send(form, button) {
    form.dataset.sending = "yes";
    const fields = new URLSearchParams(new FormData(form, button));
    for (;;) {
      try {
        const reply = await fetch(form.action, {
          method: "POST", body: fields, redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(15000),
        });
        if (reply.status !== 502 && reply.status !== 503 && reply.status !== 504) {
          if (reply.type === "opaqueredirect") location.assign("/question");
          else post(form, fields);
          return;
        }
      } catch {
        // no network: say so and try again
      }
      say(navigator.onLine ? "waiting" : "offline");
      await new Promise((go) => setTimeout(go, 3000));
    }
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
