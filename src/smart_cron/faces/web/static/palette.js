// Ctrl-K: what the server finds for the words typed so far, chosen by arrows and Enter. All of it is put in as text.
(() => {
  "use strict";
  const dialog = document.getElementById("palette");
  if (!dialog) return;
  const field = dialog.querySelector("input"), list = dialog.querySelector("ul"), says = dialog.querySelector(".palette-says");
  const SVG = "http://www.w3.org/2000/svg";
  let asked = 0, at = -1, timer = 0;

  const picture = (name) => {
    const svg = document.createElementNS(SVG, "svg"), use = document.createElementNS(SVG, "use");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    use.setAttribute("href", `${dialog.dataset.icons}#${name}`);
    svg.append(use);
    return svg;
  };
  const item = (found, number) => {
    const row = document.createElement("li"), title = document.createElement("span"), note = document.createElement("span");
    row.id = `palette-${number}`;
    row.setAttribute("role", "option");
    row.dataset.url = found.url;
    title.textContent = found.title;
    note.textContent = found.note;
    note.className = "palette-note";
    row.append(picture(found.icon), title, note);
    return row;
  };
  const choose = (number) => {
    const all = [...list.children];
    at = all.length ? (number + all.length) % all.length : -1;
    all.forEach((row, index) => row.setAttribute("aria-selected", String(index === at)));
    if (at < 0) { field.removeAttribute("aria-activedescendant"); return; }
    field.setAttribute("aria-activedescendant", all[at].id);
    all[at].scrollIntoView({ block: "nearest" });
  };
  const show = (found) => {
    list.replaceChildren(...found.map(item));
    says.textContent = found.length ? "" : dialog.dataset.none;
    choose(0);
  };
  const ask = async () => {
    const mine = ++asked;
    try {
      const answer = await fetch(`${dialog.dataset.url}?q=${encodeURIComponent(field.value.trim())}`, { headers: { Accept: "application/json" } });
      if (mine !== asked) return;
      if (answer.status === 429) { says.textContent = dialog.dataset.busy; return; }
      if (answer.ok && answer.headers.get("content-type").includes("json")) show((await answer.json()).found);
    } catch { /* the banner says that the connection is lost */ }
  };
  const go = () => { if (at >= 0) location.assign(list.children[at].dataset.url); };
  dialog.addEventListener("opened", () => { field.value = ""; field.focus(); ask(); });
  field.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 120); });
  field.addEventListener("keydown", (event) => {
    const moves = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in moves) choose(at + moves[event.key]);
    else if (event.key === "Enter") go();
    else return;
    event.preventDefault();
  });
  list.addEventListener("click", (event) => {
    const row = event.target.closest("li");
    if (row) location.assign(row.dataset.url);
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
})();
