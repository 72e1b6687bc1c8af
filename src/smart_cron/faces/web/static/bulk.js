// Ticks all rows of a table at once, and says how many are chosen.
(() => {
  "use strict";
  const form = document.querySelector("form[data-bulk]");
  if (!form) return;
  const all = form.querySelector("[data-all]"), count = form.querySelector("[data-count]");
  const boxes = () => [...form.querySelectorAll("input[type=checkbox][name]")];
  const tell = () => {
    const every = boxes(), ticked = every.filter((box) => box.checked).length;
    if (count) count.textContent = ticked ? String(ticked) : "";
    if (all) { all.checked = ticked > 0 && ticked === every.length; all.indeterminate = ticked > 0 && ticked < every.length; }
  };
  form.addEventListener("change", (event) => {
    if (event.target === all) boxes().forEach((box) => { box.checked = all.checked; });
    tell();
  });
  form.addEventListener("kept", tell);
  tell();
})();
