// Asks again until there is an answer.
"use strict";
setInterval(async () => {
  try {
    const answer = await fetch(location.href, { method: "HEAD", cache: "no-store" });
    if (answer.status !== 503) location.reload();
  } catch { /* the next time */ }
}, 3000);
