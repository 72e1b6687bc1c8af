// What pages do by themselves: times in the viewer's zone, counters, the menu, the banner of a lost stream.
(() => {
  "use strict";
  const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
  const short = new Intl.DateTimeFormat(undefined, { weekday: "short", hour: "2-digit", minute: "2-digit" });
  const seconds = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  const MINUTE = 60, HOUR = 3600, DAY = 86400;

  const span = (seconds) => {
    const s = Math.max(0, Math.round(seconds));
    if (s < MINUTE) return `${s} s`;
    if (s < HOUR) return `${Math.floor(s / MINUTE)} min ${s % MINUTE} s`;
    if (s < DAY) return `${Math.floor(s / HOUR)} h ${Math.floor((s % HOUR) / MINUTE)} min`;
    return `${Math.floor(s / DAY)} d ${Math.floor((s % DAY) / HOUR)} h`;
  };
  const coarse = (seconds) => {
    const s = Math.round(seconds);
    if (s < MINUTE) return `${s} s`;
    if (s < HOUR) return `${Math.floor(s / MINUTE)} min`;
    if (s < DAY) return `${Math.floor(s / HOUR)} h`;
    return `${Math.floor(s / DAY)} d`;
  };
  const shown = {
    local: (at) => local.format(at),
    seconds: (at) => seconds.format(at),
    clock: (at) => clock.format(at),
    short: (at) => (at.toDateString() === new Date().toDateString() ? clock : short).format(at),
    relative: (at) => {
      const away = (at - Date.now()) / 1000;
      return away > 0 ? `in ${coarse(away)}` : `${coarse(-away)} ago`;
    },
    countdown: (at) => (at > Date.now() ? `in ${span((at - Date.now()) / 1000)}` : "now"),
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
