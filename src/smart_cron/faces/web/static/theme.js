// Loaded before the first paint: the theme that was chosen here, else the system's.
(() => {
  "use strict";
  const KEY = "smart-cron-theme";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => { try { return localStorage.getItem(KEY); } catch { return null; } };
  const apply = () => {
    document.documentElement.setAttribute("data-bs-theme", chosen() || (dark.matches ? "dark" : "light"));
  };
  apply();
  dark.addEventListener("change", apply);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-switch]")) return;
    const now = document.documentElement.getAttribute("data-bs-theme");
    try { localStorage.setItem(KEY, now === "dark" ? "light" : "dark"); } catch { /* it lasts for this page */ }
    apply();
  });
})();
