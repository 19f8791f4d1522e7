// Keeps a page up to date, and lets keys do what links do. Everything works without it, by loading the page again.
"use strict";
(() => {
  const LEAST_PAUSE = 4000; // Between two updates, in milliseconds; changes in between are one.
  const byId = (id) => document.getElementById(id);
  const follows = document.body.dataset.follows;

  // Light or dark. The server writes the choice into the page, so that it never flashes.
  const theme = byId("theme");
  const dark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const turn = () => {
    const chosen = dark() ? "light" : "dark";
    document.documentElement.dataset.theme = chosen;
    document.cookie = `cabinwatch_theme=${chosen};path=/;max-age=31536000;samesite=strict`;
  };
  theme.hidden = false;
  theme.addEventListener("click", turn);

  // Ages go on between updates.
  const duration = (seconds) => {
    const two = (large, name, small, other) => (small ? `${large} ${name} ${small} ${other}` : `${large} ${name}`);
    const [minute, hour, day] = [60, 3600, 86400];
    if (seconds < minute) return `${seconds} s`;
    if (seconds < hour) return `${Math.floor(seconds / minute)} min`;
    if (seconds < day) return two(Math.floor(seconds / hour), "h", Math.floor((seconds % hour) / minute), "min");
    return two(Math.floor(seconds / day), "d", Math.floor((seconds % day) / hour), "h");
  };
  // By the server's clock: the browser's may be wrong.
  let skew = 0;
  const setSkew = (date) => { if (date) skew = Date.parse(date) - Date.now(); };
  const age = () => {
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const seconds = Math.floor((Date.now() + skew - Date.parse(time.dateTime)) / 1000);
      if (Number.isFinite(seconds)) time.textContent = seconds < 5 ? "just now" : `${duration(seconds)} ago`;
    }
  };

  // Swaps what differs, and leaves alone what doesn't: focus and places in scrolled parts stay.
  const plain = (element) => element.innerHTML.replace(/(<time [^>]*data-ago[^>]*>)[^<]*/g, "$1");
  const pathTo = (element, root) => {
    const link = element.getAttribute("href");
    if (element.id) return `#${CSS.escape(element.id)}`;
    if (link) return `[href="${CSS.escape(link)}"]`;
    const tag = element.localName;
    return root.contains(element) ? tag : null;
  };
  const swap = (page) => {
    const known = new Set([...document.querySelectorAll("[data-id]")].map((entry) => entry.dataset.id));
    for (const old of document.querySelectorAll("[data-swap]")) {
      const fresh = page.getElementById(old.id);
      if (!fresh || plain(fresh) === plain(old)) continue;
      const kept = [...old.querySelectorAll("[data-keep]")].map((part) => [part.id, part.scrollLeft]);
      const focused = old.contains(document.activeElement) ? pathTo(document.activeElement, old) : null;
      old.replaceChildren(...document.importNode(fresh, true).childNodes);
      for (const [id, left] of kept) { const part = byId(id); if (part) part.scrollLeft = left; }
      if (focused) old.querySelector(focused)?.focus({ preventScroll: true });
    }
    const news = [...document.querySelectorAll("[data-id]")].filter((entry) => !known.has(entry.dataset.id));
    for (const entry of news) entry.classList.add("fresh");
    if (news.length) {
      const first = news[0].querySelector(".entry")?.textContent ?? "";
      byId("said").textContent = news.length === 1 ? `New anomaly: ${first}` : `${news.length} new anomalies`;
    }
    age();
  };

  const live = byId("live");
  const say = (state, text) => { if (live) { live.className = state; live.textContent = text; } };
  let timer = null, last = 0;
  // When the facts of the page were read, and when the newest change was seen that we were told of; in seconds.
  const read = () => Date.parse(document.querySelector("#read time")?.dateTime) / 1000;
  let changed = 0;
  const update = async () => {
    timer = null;
    last = Date.now();
    try {
      const answer = await fetch(location.href, { headers: { "X-Cabinwatch-Update": "1" }, cache: "no-store" });
      if (answer.status === 401) { location.reload(); return; }
      if (!answer.ok) throw new Error(answer.statusText);
      setSkew(answer.headers.get("date"));
      swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
      if (live?.className === "off") say("on", "live");
      // Where reading takes long, the answer may be the one from before the change.
      if (read() < changed) soon();
    } catch { say("off", "cannot update"); }
  };
  const soon = () => {
    if (document.hidden) return; // Whoever looks again gets a new page anyway.
    timer ??= setTimeout(update, Math.max(100, last + LEAST_PAUSE - Date.now() + Math.random() * 500));
  };
  if (follows && window.EventSource) {
    let source = null, lost = null;
    // A browser has only a few lines to one server, so that pages nobody looks at must not hold theirs.
    const disconnect = () => { source?.close(); source = null; };
    const connect = () => {
      disconnect();
      if (document.hidden) return;
      source = new EventSource("/live");
      source.addEventListener("hello", (event) => {
        // What happened while nobody listened, or between this page and its line.
        changed = Math.max(changed, JSON.parse(event.data).at);
        if (lost || read() < changed) soon();
        lost = null;
        say("on", "live");
      });
      source.addEventListener("change", (event) => {
        const { at, tails } = JSON.parse(event.data);
        if (tails === "*" || follows === "*" || tails.includes(follows)) { changed = Math.max(changed, at); soon(); }
      });
      source.onerror = () => {
        // The server ends a line now and then; only what lasts is worth saying.
        lost ??= Date.now();
        // Refused, not cut: the session may be over, which the next update finds out.
        if (source?.readyState === EventSource.CLOSED) setTimeout(() => { connect(); soon(); }, 10000);
      };
    };
    connect();
    addEventListener("pagehide", disconnect);
    addEventListener("pageshow", (event) => { if (event.persisted) { connect(); soon(); } });
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) disconnect(); else { connect(); soon(); }
    });
    setInterval(() => { age(); if (lost && Date.now() - lost > 5000) say("off", "no connection"); }, 5000);
  }

  // The heat map: what is under pointer or cursor stands in words below it.
  const tell = (cell) => {
    const said = byId("cell"), table = cell.closest("table");
    for (const other of table.querySelectorAll(".at")) other.classList.remove("at");
    cell.classList.add("at");
    const at = table.querySelector(".times").cells[cell.cellIndex]?.textContent ?? "";
    const words = { u: "as usual", r: "more than usual", a: "one detector alarms", c: "confirmed anomaly" };
    const state = words[cell.className.replace("at", "").trim()];
    const rate = state ? `${cell.textContent}%, ${state}` : "no failure";
    said.textContent = `${at}  ${cell.parentElement.cells[0].textContent}: ${rate}`;
  };
  const isCell = (element) => element?.localName === "td" && element.closest(".heat tbody");
  document.addEventListener("pointerover", (event) => { if (isCell(event.target)) tell(event.target); });
  const walk = (map, key) => {
    const rows = [...map.querySelectorAll("tbody tr")];
    const at = map.querySelector(".at");
    if (!rows.length) return;
    let row = at ? rows.indexOf(at.parentElement) : 0, column = at ? at.cellIndex : rows[0].cells.length - 1;
    if (at) {
      row += { ArrowUp: -1, ArrowDown: 1 }[key] ?? 0;
      column += { ArrowLeft: -1, ArrowRight: 1 }[key] ?? 0;
    }
    row = Math.min(Math.max(row, 0), rows.length - 1);
    const cell = rows[row].cells[Math.min(Math.max(column, 1), rows[row].cells.length - 1)];
    tell(cell);
    cell.scrollIntoView({ block: "nearest", inline: "nearest" });
  };

  // Keys.
  const step = (by) => {
    const entries = [...document.querySelectorAll("a.entry")];
    const at = entries.indexOf(document.activeElement);
    const next = at < 0 ? (by > 0 ? 0 : entries.length - 1) : at + by;
    entries[next]?.focus();
    entries[next]?.scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const typing = /^(input|select|textarea)$/.test(event.target.localName);
    if (event.key === "Escape" && typing) { event.target.blur(); return; }
    if (typing) return;
    if (event.key.startsWith("Arrow") && document.activeElement?.id === "map") {
      walk(document.activeElement, event.key);
      event.preventDefault();
      return;
    }
    const keys = {
      "/": () => document.querySelector(".filter input")?.focus(),
      j: () => step(1),
      k: () => step(-1),
      f: () => location.assign("/fleet"),
      t: turn,
      "?": () => {
        const help = document.querySelector(".foot details");
        if (help) { help.open = !help.open; help.scrollIntoView(); }
      },
    };
    const action = keys[event.key];
    if (action) { event.preventDefault(); action(); }
  });

  // A link in a mail is a visit from another site, for which browsers hold the session back. Asked from here, they
  // don't: whoever is logged in already goes on.
  const next = document.querySelector("[data-next]")?.dataset.next;
  if (next && !document.querySelector("[role=alert]")) {
    fetch(next, { headers: { "X-Cabinwatch-Update": "1" }, cache: "no-store" })
      .then((answer) => { if (answer.ok) location.replace(next); })
      .catch(() => {});
  }
})();
