// Tasks: dialogs, ticks, filters that act at once, and a form that warns before what was typed is lost.
(() => {
  "use strict";
  const of = (selector) => document.querySelector(selector);
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) of(opener.dataset.dialog)?.showModal();
    event.target.closest("[data-close]")?.closest("dialog")?.close();
    const filler = event.target.closest("[data-fill]");
    if (filler) {
      const field = of(filler.dataset.fill);
      field.value = filler.dataset.value;
      field.focus();
    }
    // A link to a field that is wrong unfolds where it stands.
    const link = event.target.closest("a[href^='#f-']");
    if (link) of(link.getAttribute("href"))?.closest("details")?.setAttribute("open", "");
  });

  const bulk = of("[data-bulk]");
  const boxes = () => [...document.querySelectorAll("input[name=task][form=bulk]")];
  const count = () => {
    if (!bulk) return;
    const all = boxes(), ticked = all.filter((box) => box.checked).length;
    of("[data-bulk-count]").textContent = ticked ? `${ticked} / ${all.length}` : "";
    bulk.classList.toggle("has-ticks", ticked > 0);
    for (const button of bulk.querySelectorAll(".bulk-buttons button")) button.disabled = !ticked;
    const every = of("[data-check-all]");
    every.checked = ticked > 0 && ticked === all.length;
    every.indeterminate = ticked > 0 && ticked < all.length;
  };
  document.addEventListener("change", (event) => {
    const changed = event.target;
    if (changed.matches("[data-check-all]")) boxes().forEach((box) => { box.checked = changed.checked; });
    if (changed.dataset.shows) of(changed.dataset.shows).hidden = !changed.checked;
    if (changed.matches("[data-autosubmit] select")) changed.form.requestSubmit();
    count();
  });
  document.addEventListener("kept", count);
  count();

  for (const field of document.querySelectorAll("[data-must]")) {
    const button = field.form.querySelector("[type=submit]");
    const judge = () => { button.disabled = field.value.trim() !== field.dataset.must; };
    field.addEventListener("input", judge);
    judge();
  }

  // The newest days are those that somebody looks for.
  for (const year of document.querySelectorAll(".year")) year.scrollLeft = year.scrollWidth;

  of("#faults")?.focus();
  const form = of("[data-task-form]");
  let touched = false;
  form?.addEventListener("input", () => { touched = true; });
  form?.addEventListener("submit", () => { touched = false; });
  addEventListener("beforeunload", (event) => { if (touched) event.preventDefault(); });
})();
