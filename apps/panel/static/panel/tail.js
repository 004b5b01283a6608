/* Follows a source's event stream and shows what comes, the newest last.

   Read with fetch, not EventSource: that one tells nothing of channels it does not know, nor why it
   was refused. Whatever a stranger wrote is set as text. */

"use strict";

(() => {
  const LINES = 500; // older ones are dropped
  const SHOWN = 4000; // characters of one line
  const FIRST_MS = 500;
  const LONGEST_MS = 15000;

  const place = document.getElementById("hw-tail");
  const part = (name) => place.querySelector(`[data-part="${name}"]`);
  const act = (name) => place.querySelector(`[data-act="${name}"]`);
  const lines = part("lines");
  const status = part("status");
  const pause = act("pause");
  // Characters without a shape of their own, or that turn the direction of the text.
  const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]|[\ud800-\udfff]/gu;

  let last = "";
  let wait = FIRST_MS;
  let timer = 0;
  let reading = null; // AbortController of the open stream

  const say = (text) => { if (status.textContent !== text) status.textContent = text; };

  const visible = (text) => {
    const cut = text.length > SHOWN ? `${text.slice(0, SHOWN)} … (${text.length} characters)` : text;
    return cut.replace(HIDDEN, (one) => `\\u${one.codePointAt(0).toString(16).padStart(4, "0")}`);
  };

  const cell = (name, text) => {
    const made = document.createElement("span");
    made.className = `hw-${name}`;
    made.textContent = visible(text);
    return made;
  };

  const described = (channel, item) => {
    const event = item.event;
    if (channel === "$logs" && event) {
      if (["log", "error"].includes(event.kind)) return `${event.level}: ${event.msg}`;
      return `${event.kind} of run ${event.run_id}${event.status ? `: ${event.status}` : ""}`;
    }
    const summary = item.metadata && item.metadata.summary;
    return typeof summary === "string" && summary.trim() ? summary : JSON.stringify(event);
  };

  const show = (id, channel, data) => {
    let text = data;
    let at = "";
    try {
      const item = JSON.parse(data);
      at = new Date(item.indexed_at_ms).toISOString().slice(11, 23);
      text = described(channel, item);
    } catch { /* shown as it came */ }
    const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
    const line = document.createElement("div");
    line.dataset.kind = channel === "$logs" ? "log" : "event";
    line.dataset.id = id;
    line.append(cell("at", at), " ", cell("channel", channel || "default"), " ", cell("said", text));
    lines.append(line);
    while (lines.childElementCount > LINES) lines.firstElementChild.remove();
    if (atEnd) lines.scrollTop = lines.scrollHeight;
  };

  const frame = (text) => {
    const fields = { id: "", event: "", data: "" };
    for (const row of text.split("\n")) {
      const colon = row.indexOf(":");
      if (colon > 0) fields[row.slice(0, colon)] = row.slice(colon + 1).replace(/^ /, "");
    }
    if (!fields.id) return;
    last = fields.id;
    show(fields.id, fields.event, fields.data);
  };

  const read = async (body) => {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      parts.forEach(frame);
    }
  };

  const later = (text) => {
    say(`${text} Trying again …`);
    timer = setTimeout(open, wait);
    wait = Math.min(wait * 2, LONGEST_MS);
  };

  const open = async () => {
    const mine = new AbortController();
    reading = mine;
    say("Connecting …");
    try {
      const answer = await fetch(place.dataset.stream, {
        headers: last ? { "Last-Event-ID": last } : {},
        redirect: "manual", // to the login
        signal: mine.signal,
      });
      if (answer.type === "opaqueredirect") return say("You are logged out.");
      if (answer.status === 403 || answer.status === 404) return say("The source is gone, or not for you to follow.");
      if (!answer.ok) return later(`Refused (${answer.status}).`);
      wait = FIRST_MS;
      say("Live.");
      await read(answer.body);
      later("The stream ended.");
    } catch {
      if (reading === mine && !mine.signal.aborted) later("The server does not answer.");
    }
  };

  // What comes meanwhile is read when it goes on: nothing is lost.
  const setPaused = (paused) => {
    pause.setAttribute("aria-pressed", String(paused));
    clearTimeout(timer);
    reading.abort();
    if (paused) return say("Paused.");
    wait = FIRST_MS;
    open();
  };

  pause.addEventListener("click", () => setPaused(pause.getAttribute("aria-pressed") !== "true"));
  act("clear").addEventListener("click", () => lines.replaceChildren());
  for (const kind of ["events", "logs"]) {
    act(kind).addEventListener("change", (event) => lines.classList.toggle(`hw-no-${kind}`, !event.target.checked));
  }
  open();
})();
