// What pages do by themselves: times in the viewer's zone, counters, the menu, the banner of a lost stream.
(() => {
  "use strict";
  const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
  const short = new Intl.DateTimeFormat(undefined, { weekday: "short", hour: "2-digit", minute: "2-digit" });
  const seconds = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  const MINUTE = 60, HOUR = 3600, DAY = 86400;
  // In the reader's language, as the page brings them.
  const catalogue = JSON.parse(document.getElementById("words").textContent);
  const word = (name, known) => catalogue[name].replace(/\{(\w+)\}/g, (_, part) => known[part]);

  const span = (seconds) => {
    const s = Math.max(0, Math.round(seconds));
    if (s < MINUTE) return word("seconds", { s });
    if (s < HOUR) return word("minutesAndSeconds", { min: Math.floor(s / MINUTE), s: s % MINUTE });
    if (s < DAY) return word("hoursAndMinutes", { h: Math.floor(s / HOUR), min: Math.floor((s % HOUR) / MINUTE) });
    return word("daysAndHours", { d: Math.floor(s / DAY), h: Math.floor((s % DAY) / HOUR) });
  };
  const coarse = (seconds) => {
    const s = Math.round(seconds);
    if (s < MINUTE) return word("seconds", { s });
    if (s < HOUR) return word("minutes", { min: Math.floor(s / MINUTE) });
    if (s < DAY) return word("hours", { h: Math.floor(s / HOUR) });
    return word("days", { d: Math.floor(s / DAY) });
  };
  const shown = {
    local: (at) => local.format(at),
    seconds: (at) => seconds.format(at),
    clock: (at) => clock.format(at),
    short: (at) => (at.toDateString() === new Date().toDateString() ? clock : short).format(at),
    relative: (at) => {
      const away = (at - Date.now()) / 1000;
      return away > 0 ? word("in", { span: coarse(away) }) : word("ago", { span: coarse(-away) });
    },
    countdown: (at) => (at > Date.now() ? word("in", { span: span((at - Date.now()) / 1000) }) : word("now", {})),
    elapsed: (at) => span((Date.now() - at) / 1000),
  };
  const tick = (root, styles) => {
    for (const element of root.querySelectorAll("time[data-time]")) {
      const style = element.dataset.time;
      if (styles && !styles.includes(style)) continue;
      const words = (shown[style] || shown.local)(new Date(element.dateTime));
      if (element.textContent !== words) element.textContent = words;
    }
  };
  tick(document);
  setInterval(() => tick(document, ["relative", "countdown", "elapsed"]), 1000);
  document.addEventListener("htmx:afterSwap", (event) => tick(event.target));
  document.addEventListener("htmx:sseMessage", (event) => tick(event.target));
  // What scripts of pages put in by themselves.
  document.addEventListener("shown", (event) => tick(event.target));

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-toggle]");
    if (!button) return;
    const target = document.querySelector(button.dataset.toggle);
    const open = target.classList.toggle("show");
    button.setAttribute("aria-expanded", String(open));
  });

  const banner = document.getElementById("banner");
  const say = (lost) => { if (banner) banner.hidden = !lost; };
  document.addEventListener("htmx:sseError", () => say(true));
  document.addEventListener("htmx:sseOpen", () => say(false));
  document.addEventListener("htmx:sendError", () => say(true));
  document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful) say(false); });
})();
