// What somebody holds in a region stays in their hand when the region is sent anew: focus, ticks, what is unfolded.
(() => {
  "use strict";
  const held = new WeakMap();
  const quoted = (text) => CSS.escape(text);
  const way = (element) => {
    if (element.id) return `#${quoted(element.id)}`;
    if (element.name && "value" in element) return `[name="${quoted(element.name)}"][value="${quoted(element.value)}"]`;
    if (element.dataset.key) return `[data-key="${quoted(element.dataset.key)}"]`;
    return element.getAttribute("href") ? `[href="${quoted(element.getAttribute("href"))}"]` : null;
  };
  const ways = (root, selector) => [...root.querySelectorAll(selector)].map(way).filter(Boolean);
  document.addEventListener("htmx:sseBeforeMessage", (event) => {
    const root = event.target, at = document.activeElement;
    held.set(root, {
      focus: at && at !== root && root.contains(at) ? way(at) : null,
      ticked: ways(root, "input[type=checkbox]:checked"), open: ways(root, "details[open]"),
    });
  });
  document.addEventListener("htmx:sseMessage", (event) => {
    const root = event.target, before = held.get(root);
    if (!before) return;
    held.delete(root);
    for (const each of before.ticked) root.querySelectorAll(each).forEach((box) => { box.checked = true; });
    for (const each of before.open) root.querySelectorAll(each).forEach((fold) => { fold.open = true; });
    if (before.focus) root.querySelector(before.focus)?.focus({ preventScroll: true });
    root.dispatchEvent(new CustomEvent("kept", { bubbles: true }));
  });
})();
