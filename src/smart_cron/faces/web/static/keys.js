// Everything without a mouse: `g` and a letter goes to a section, `j k Enter` through tables, `/`, `?` and Ctrl-K search.
(() => {
  "use strict";
  const FOCUS = "smart-cron-focus";
  const types = (element) => element && (element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName)
    && !/^(checkbox|radio|button|submit)$/.test(element.type));
  const opened = () => document.querySelector("dialog[open]");
  const open = (id) => {
    const dialog = document.getElementById(id);
    if (dialog && !dialog.open) { dialog.showModal(); dialog.dispatchEvent(new Event("opened")); }
    return Boolean(dialog);
  };
  const search = () => {
    const field = document.querySelector("main [data-search], main form[role=search] input:not([type=hidden]):not([type=date]):not([type=datetime-local])");
    if (!field) return open("palette");
    field.focus();
    field.select?.();
    return true;
  };

  // Rows: what is focused is the row's own link, so that Enter is the browser's.
  const rows = () => [...document.querySelectorAll("main .rows tbody tr, main [data-rows] > *")].filter((row) => row.offsetParent && row.querySelector("a[href]"));
  const here = (all) => all.findIndex((row) => row.contains(document.activeElement));
  const step = (by) => {
    const all = rows();
    if (!all.length) return false;
    const now = here(all);
    const next = now < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, now + by));
    const link = all[next].querySelector("a[href]");
    link.focus();
    link.scrollIntoView({ block: "nearest" });
    return true;
  };
  const choose = () => {
    const box = rows()[here(rows())]?.querySelector("input[type=checkbox]");
    if (!box) return false;
    box.click();
    return true;
  };

  const go = (key) => {
    const link = document.querySelector(`[data-go="${CSS.escape(key)}"]`);
    if (!link) return false;
    try { sessionStorage.setItem(FOCUS, "1"); } catch { /* then focus begins at the top */ }
    location.assign(link.href);
    return true;
  };
  let waiting = 0;
  const ACTS = { "/": search, "?": () => open("help"), j: () => step(1), k: () => step(-1), x: choose };
  const act = (key) => {
    if (waiting > Date.now()) { waiting = 0; return go(key); }
    if (key === "g") { waiting = Date.now() + 1500; return true; }
    return Object.hasOwn(ACTS, key) && ACTS[key]();
  };
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
      if (open("palette")) event.preventDefault();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || types(document.activeElement) || opened()) return;
    if (act(event.key)) event.preventDefault();
  });

  try {
    if (sessionStorage.getItem(FOCUS)) { sessionStorage.removeItem(FOCUS); document.getElementById("content")?.focus(); }
  } catch { /* nothing is kept here */ }
})();
