// What grows at its end: an output or a log. Follows, loads what lies before and after, finds lines, pauses.
(() => {
  "use strict";
  const tail = document.getElementById("tail");
  const MOST_PIECES = 60, NEAR_PX = 400, POLL_MS = 30000, LOST_MS = 6000;
  const MOST_LINES = 5000;

  document.addEventListener("click", (event) => {
    const opens = event.target.closest("[data-opens]");
    if (opens) document.getElementById(opens.dataset.opens).showModal();
    const closes = event.target.closest("[data-closes]");
    if (closes) closes.closest("dialog").close();
  });
  if (!tail) return;

  const isLog = tail.classList.contains("log");
  const state = document.querySelector("[data-state]");
  const words = state ? state.textContent : "";
  const say = (text) => { if (state && state.textContent !== text) state.textContent = text; };
  // In the reader's language, as the page brings it.
  const { polling } = JSON.parse(document.getElementById("words").textContent);
  let start = tail.dataset.start, mark = tail.dataset.at;
  let follows = "follow" in tail.dataset, isAtEnd = follows, isPaused = false, isBusy = false, isOver = !tail.dataset.stream;
  let waiting = [];

  const fetched = (url) => fetch(url, { headers: { "HX-Request": "true" }, credentials: "same-origin" }).then((answer) => {
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.text().then((html) => ({ html, headers: answer.headers }));
  });
  const parsed = (html) => { const box = document.createElement("template"); box.innerHTML = html; return box.content; };
  const shown = (node) => node.dispatchEvent(new CustomEvent("shown", { bubbles: true }));
  const toEnd = () => { tail.scrollTop = tail.scrollHeight; };
  const isAtBottom = () => tail.scrollHeight - tail.scrollTop - tail.clientHeight < 30;

  // A line that goes on is put behind its beginning, as the task printed it.
  const joined = (content) => {
    const first = content.firstElementChild;
    const lines = tail.querySelectorAll(".ol");
    const last = lines[lines.length - 1];
    if (first && last && first.classList.contains("more") && last.dataset.stream === first.dataset.stream) {
      last.querySelector(".ox").append(...first.querySelector(".ox").childNodes);
      first.remove();
    }
  };
  const trim = (fromStart) => {
    const most = isLog ? MOST_LINES : MOST_PIECES;
    while (tail.children.length > most) {
      if (fromStart) {
        tail.firstElementChild.remove();
        const first = tail.firstElementChild;
        start = isLog ? first.dataset.at : first.dataset.start;
      } else {
        tail.lastElementChild.remove();
        isAtEnd = false;
        mark = tail.lastElementChild.dataset.end;
      }
    }
  };
  const append = (html, from, to) => {
    const content = parsed(html);
    if (!isLog) {
      joined(content);
      const last = tail.lastElementChild;
      // Small pieces become one, or a long run would be a thousand of them.
      if (last && last.childElementCount < 400) {
        last.append(content);
        last.dataset.end = to;
      } else {
        const piece = document.createElement("div");
        piece.className = "piece";
        Object.assign(piece.dataset, { start: from, end: to });
        piece.append(content);
        tail.append(piece);
      }
    } else {
      tail.append(content);
    }
    shown(tail);
  };
  const take = (html, to) => {
    const was = follows && isAtBottom();
    append(html, mark, to);
    mark = to;
    if (was) { trim(true); toEnd(); }
  };

  // live ---------------------------------------------------------------------------------------------------
  let source = null, poll = 0, lost = 0;
  const flush = () => { for (const [html, to] of waiting.splice(0)) take(html, to); };
  const arrive = (html, to) => {
    if (isPaused || !isAtEnd) waiting.push([html, to]);
    else take(html, to);
    if (waiting.length > 2000) reconnectLater();
  };
  // Somebody who pauses for hours gets the rest from where he stopped, not from memory.
  const reconnectLater = () => { waiting = []; close(); };
  const close = () => { if (source) source.close(); source = null; };
  const connect = () => {
    if (isOver || source) return;
    const url = tail.dataset.stream;
    source = new EventSource(`${url}${url.includes("?") ? "&" : "?"}at=${encodeURIComponent(mark)}`);
    source.addEventListener("open", () => { clearTimeout(lost); clearInterval(poll); lost = poll = 0; say(words); });
    source.addEventListener("grown", (event) => arrive(event.data, event.lastEventId));
    source.addEventListener("over", () => { isOver = true; close(); say(tail.dataset.over || ""); });
    source.addEventListener("error", () => {
      if (!lost) lost = setTimeout(fall, LOST_MS);
      if (source && source.readyState === EventSource.CLOSED) close();
    });
  };
  // Where streams are blocked, ask every 30 seconds.
  const ask = () => {
    const url = tail.dataset.newer;
    const asked = url ? `${url}&after=${encodeURIComponent(mark)}` : `${tail.dataset.pieces}&after=${encodeURIComponent(mark)}`;
    fetched(asked).then(({ html, headers }) => {
      const to = headers.get("X-Mark");
      if (to && to !== mark) isLog ? arrive(html, to) : arrive(inner(html), to);
    }).catch(() => {}).finally(() => { if (!source) connect(); });
  };
  const fall = () => { say(polling); ask(); if (!poll) poll = setInterval(ask, POLL_MS); };
  const inner = (html) => [...parsed(html).querySelectorAll(".ol")].map((line) => line.outerHTML).join("");

  // pieces -------------------------------------------------------------------------------------------------
  const older = () => {
    if (isBusy || start === tail.dataset.first) return;
    isBusy = true;
    fetched(`${tail.dataset.pieces}&before=${encodeURIComponent(start)}`).then(({ html, headers }) => {
      const height = tail.scrollHeight, top = tail.scrollTop;
      const content = parsed(html);
      const from = headers.get("X-Start");
      // A log that holds nothing of this kind for long is looked through piece by piece.
      start = from && from !== start ? from : tail.dataset.first;
      tail.prepend(content);
      tail.scrollTop = top + tail.scrollHeight - height;
      if (!follows || !isAtBottom()) trim(false);
      shown(tail);
    }).catch(() => {}).finally(() => { isBusy = false; if (tail.scrollTop < NEAR_PX && start !== tail.dataset.first) setTimeout(older, 200); });
  };
  const newer = () => {
    if (isBusy || isAtEnd || isLog) return;
    isBusy = true;
    fetched(`${tail.dataset.pieces}&after=${encodeURIComponent(mark)}`).then(({ html, headers }) => {
      tail.append(parsed(html));
      mark = headers.get("X-Mark") || mark;
      trim(true);
      shown(tail);
      if (headers.get("X-More") !== "1") { isAtEnd = true; waiting = []; close(); connect(); }
    }).catch(() => {}).finally(() => { isBusy = false; });
  };
  const replaced = (url) => fetched(url).then(({ html, headers }) => {
    close(); waiting = [];
    tail.replaceChildren(parsed(html));
    start = headers.get("X-Start") || tail.dataset.first; mark = headers.get("X-Mark") || start;
    isAtEnd = headers.get("X-More") !== "1";
    if (isAtEnd) connect();
    shown(tail);
  });
  const toLine = (number) => {
    const go = () => {
      const line = document.getElementById(`L${number}`);
      if (!line) return false;
      follows = false;
      for (const hit of tail.querySelectorAll(".hit")) hit.classList.remove("hit");
      line.classList.add("hit");
      line.scrollIntoView({ block: "center" });
      return true;
    };
    if (!go()) replaced(`${tail.dataset.pieces}&line=${number}`).then(go).catch(() => {});
  };
  const fromHash = () => { const found = /^#L(\d{1,15})$/.exec(location.hash); if (found) toLine(found[1]); return Boolean(found); };

  // controls -----------------------------------------------------------------------------------------------
  tail.addEventListener("scroll", () => {
    follows = isAtEnd && isAtBottom();
    if (tail.scrollTop < NEAR_PX) older();
    if (tail.scrollHeight - tail.scrollTop - tail.clientHeight < NEAR_PX) newer();
  });
  document.addEventListener("click", (event) => {
    const flag = event.target.closest("[data-flag]");
    if (flag) flag.setAttribute("aria-pressed", String(tail.classList.toggle(flag.dataset.flag)));
    const pause = event.target.closest("[data-pause]");
    if (pause) {
      isPaused = !isPaused;
      pause.setAttribute("aria-pressed", String(isPaused));
      if (!isPaused) { flush(); connect(); }
    }
    if (event.target.closest("[data-end]")) {
      if (isAtEnd) { follows = true; toEnd(); } else replaced(tail.dataset.pieces).then(() => { follows = true; toEnd(); });
    }
    const line = event.target.closest("[data-line]");
    if (line) setTimeout(() => toLine(line.dataset.line), 0);
  });
  const search = document.querySelector("[data-search]");
  const found = document.getElementById("found");
  if (search) search.addEventListener("submit", (event) => {
    event.preventDefault();
    const asked = new FormData(search).get("words");
    if (!asked) { found.hidden = true; return; }
    fetched(`${search.dataset.search}&words=${encodeURIComponent(asked)}`).then(({ html }) => {
      found.replaceChildren(parsed(html));
      found.hidden = false;
    }).catch(() => {});
  });
  addEventListener("hashchange", fromHash);

  if (!fromHash() && follows) toEnd();
  connect();
})();
