"use strict";
// Videos to the server, one job at a time, and links to what was made of them.

const work = { socket: null, about: null, key: 0, mine: new Map(), began: new Map(), cards: new Map() };
const ENDED = "The server ended. Start dance live again and load this page again.";
const BEFORE = (n) => n === 0 ? "next" : n === 1 ? "1 job before it" : `${n} jobs before it`;

const megabytes = (size) => size < 1e5 ? `${Math.ceil(size / 1000)} kB` : `${(size / 1e6).toFixed(1)} MB`;
const make = (name, text = "", more = {}) => Object.assign(document.createElement(name), { textContent: text, ...more });
const stem = (name) => name.replace(/\.[^.]*$/, "");

// --- asking ------------------------------------------------------------------------------------

function ask(form) {
  const files = [...form.querySelectorAll("input[type=file]")].map((input) => input.files[0]);
  const refused = (text) => { form.querySelector(".refusal").textContent = text; };
  refused("");
  if (files.some((file) => !file)) return;
  for (const file of files) {
    if (file.size > work.about.most_mb * 1e6) {
      refused(`${file.name}: the video is larger than ${work.about.most_mb} MB. Send it in shorter parts.`);
      return;
    }
  }
  if (!work.socket || work.socket.readyState !== WebSocket.OPEN) {
    refused(ENDED);
    return;
  }
  work.key += 1;
  work.mine.set(work.key, { files, refused, sent: files.map(() => 0), requests: [] });
  work.socket.send(JSON.stringify({
    key: work.key, kind: form.id, person: form.querySelector(".person").value,
    files: files.map((file) => [file.name, file.size]),
  }));
  form.reset();
  for (const drop of form.querySelectorAll(".drop")) drop.classList.remove("filled");
}

function upload(job, mine) {
  mine.files.forEach((file, part) => {
    const request = new XMLHttpRequest();
    request.upload.onprogress = (event) => { mine.sent[part] = event.loaded; drawJob(job.id); };
    request.onerror = () => mine.refused(`${file.name} could not be sent.`);
    request.open("POST", `/upload?job=${encodeURIComponent(job.id)}&part=${part}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.send(file);
    mine.requests.push(request);
  });
}

// --- showing -----------------------------------------------------------------------------------

function words(job) {
  const mine = work.mine.get(job.key);
  if (job.state === "uploading") {
    if (!mine) return "being sent by another page";
    const whole = mine.files.reduce((sum, file) => sum + file.size, 0);
    return `sending: ${megabytes(mine.sent.reduce((a, b) => a + b, 0))} of ${megabytes(whole)}`;
  }
  if (job.state === "waiting") {
    return `waiting, ${BEFORE(job.before)}`;
  }
  if (job.state === "running") {
    if (!job.done) return job.stage || "starting";
    return `${job.stage.replace(/^video(\.mp4)?[:,-] ?/, "")}, ${job.done}${job.total ? ` of ${job.total}` : ""} frames${speed(job)}`;
  }
  return { done: "done", cancelled: "cancelled", failed: job.problem }[job.state];
}

// Frames a second of a stage, from when it was first seen.
function speed(job) {
  const now = performance.now(), begun = work.began.get(job.id);
  if (!begun || begun.stage !== job.stage) {
    work.began.set(job.id, { stage: job.stage, at: now, done: job.done });
    return "";
  }
  const seconds = (now - begun.at) / 1000;
  return seconds > 1 ? `, ${((job.done - begun.done) / seconds).toFixed(1)} frames/s` : "";
}

function share(job) {
  const mine = work.mine.get(job.key);
  if (job.state === "uploading" && mine) {
    return mine.sent.reduce((a, b) => a + b, 0) / Math.max(1, mine.files.reduce((sum, file) => sum + file.size, 0));
  }
  if (job.state === "running" && job.total && job.done) return job.done / job.total;
  return job.state === "waiting" ? 0 : null;
}

function address(job, name) { return `/result/${encodeURIComponent(job.id)}/${encodeURIComponent(name)}`; }

function results(job) {
  const links = make("div");
  const front = job.names.map(stem).join("-");
  // The number is in the name: of somebody whose pose was not found there is no page.
  const numberOf = (name) => Number((name.match(/-person(\d+)\.html$/) || [])[1] || 0);
  const pages = job.files.map(([name]) => name).filter((name) => name.endsWith(".html"))
    .sort((one, other) => numberOf(one) - numberOf(other));
  const first = make("p", "", { className: "controls" });
  for (const name of pages) {
    const number = numberOf(name);
    first.append(make("a", number ? `Open the page of person ${number}` : "Open the page",
      { className: "button", href: address(job, name), target: "_blank", rel: "noopener" }));
  }
  first.append(make("a", "Download everything (zip)", { href: `/archive/${encodeURIComponent(job.id)}`, download: `${front}.zip` }));
  const list = make("ul", "", { className: "files-made" });
  for (const [name, size] of job.files) {
    const item = make("li"), saved = job.kind === "analyze" ? name.replace(/^video/, () => front) : name;
    item.append(make("a", name, { href: address(job, name), download: saved }), ` ${megabytes(size)}`);
    list.append(item);
  }
  const details = make("details");
  details.append(make("summary", `${job.files.length} files`), list);
  links.append(first, details);
  return links;
}

function drawJob(id) {
  const card = work.cards.get(id);
  if (!card) return;
  const job = card.job, part = share(job);
  card.words.textContent = words(job);
  card.item.className = job.state;
  card.bar.hidden = !["uploading", "waiting", "running"].includes(job.state);
  if (part === null) card.bar.removeAttribute("value"); else card.bar.value = part;
  card.cancel.hidden = card.bar.hidden;
  if (job.state === "done" && !card.made) {
    card.made = results(job);
    card.item.append(card.made);
  }
}

function cardOf(job) {
  const item = make("li"), head = make("p", "", { className: "head" });
  const what = { analyze: "Analyze", compare: "Compare" }[job.kind];
  head.append(make("strong", `${what} ${job.names.join(" and ")}`));
  const cancel = make("button", "Cancel", { type: "button" });
  cancel.onclick = () => work.socket.send(JSON.stringify({ cancel: job.id }));
  head.append(cancel);
  const bar = make("progress", "", { max: 1 }), text = make("p", "", { className: "words" });
  text.setAttribute("role", "status");
  item.append(head, bar, text);
  return { item, cancel, bar, words: text, job, made: null };
}

function told(message) {
  if (message.problem) {
    const mine = work.mine.get(message.key);
    if (mine) mine.refused(message.problem);
    work.mine.delete(message.key);
    return;
  }
  const list = $("list"), there = new Set(message.jobs.map((job) => job.id));
  for (const [id, card] of work.cards) if (!there.has(id)) { card.item.remove(); work.cards.delete(id); }
  for (const job of [...message.jobs].reverse()) {
    if (!work.cards.has(job.id)) {
      work.cards.set(job.id, cardOf(job));
      list.prepend(work.cards.get(job.id).item);
      const mine = work.mine.get(job.key);
      if (mine && job.state === "uploading") upload(job, mine);
    }
    work.cards.get(job.id).job = job;
    if (job.state === "cancelled" || job.state === "failed") {
      const mine = work.mine.get(job.key);
      if (mine) for (const request of mine.requests) request.abort();
    }
    drawJob(job.id);
  }
}

// --- files and the connection ------------------------------------------------------------------

function takeFiles(form) {
  const drops = [...form.querySelectorAll(".drop")];
  const filled = (drop) => {
    const file = drop.querySelector("input").files[0];
    drop.classList.toggle("filled", Boolean(file));
  };
  for (const drop of drops) {
    const input = drop.querySelector("input");
    input.onchange = () => filled(drop);
    drop.ondragover = (event) => { event.preventDefault(); drop.classList.add("over"); };
    drop.ondragleave = () => drop.classList.remove("over");
    drop.ondrop = (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      if (event.dataTransfer.files.length) { input.files = event.dataTransfer.files; filled(drop); }
    };
  }
  form.onsubmit = (event) => { event.preventDefault(); ask(form); };
}

function openJobs(about) {
  work.about = about;
  $("limits").textContent = `A video has at most ${about.most_mb} MB and ${about.most_minutes} minutes at 30 frames/s. ` +
    "One job is worked on at a time. A job ends when this page is closed or loaded again; finished ones " +
    "stay until the server ends, the newest ones if there are many. Videos stay on this machine.";
  for (const form of document.querySelectorAll("form")) takeFiles(form);
  const socket = new WebSocket(`ws://${location.host}/jobs`);
  work.socket = socket;
  socket.onmessage = (event) => told(JSON.parse(event.data));
  socket.onclose = () => {
    for (const card of work.cards.values()) {
      if (!card.bar.hidden) { card.job.state = "failed"; card.job.problem = "It ended with the server."; drawJob(card.job.id); }
    }
    $("ended").textContent = `${ENDED}${work.cards.size ? " What was made is gone with it." : ""}`;
  };
  window.addEventListener("beforeunload", (event) => {
    const open = [...work.cards.values()].some((card) => !card.bar.hidden && work.mine.has(card.job.key));
    if (open) event.preventDefault();
  });
  for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
}
