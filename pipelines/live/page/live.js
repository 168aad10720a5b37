"use strict";
// Frames to the server, poses back, and the skeleton where the dancer is at the moment of drawing.
// All times are of this page's clock: the server sends a frame's capture time back.

const KEPT = 200;            // frames that the figures are of
const QUICK_MS = 30;         // a server that needs less gets the next frame while it works
const JUDGED = 60;           // errors before it is judged whether the forecast helps
const LATE_MS = 1500;        // an older pose is not drawn
const STEP_MS = 40;          // between the poses of a forecast
const SEND_AT_MOST_HZ = 31;
const SILENT_MS = 3000;      // without a picture or an answer: the page says what is missing
const STAGES = {             // in words
  wait: "waiting for its turn", decode: "unpacking the picture", estimate: "finding the joints",
  refine: "correcting them", forecast: "forecast",
};
const $ = (id) => document.getElementById(id);
const view = $("view"), pen = view.getContext("2d");
const grabbing = document.createElement("canvas");
const state = {
  about: null, live: null, camera: null, video: null, picture: null, stream: null,
  waiting: 0, lastSent: 0, lastCapture: 0, answer: null, answered: 0, drawn: null,
  shot: 0, pictured: 0, told: 0, began: 0, delays: [], aheads: [], times: [], stages: [], errors: [], replaced: 0, running: false,
};

function say(text) { if ($("words").textContent !== text) $("words").textContent = text; }

function middle(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] : NaN;
}

function keep(list, value) { list.push(value); if (list.length > KEPT) list.shift(); }

// --- the picture -------------------------------------------------------------------------------

const REFUSED = {
  NotAllowedError: "The browser refuses the camera. Allow it for this page, then press Start.",
  NotFoundError: "There is no camera. Connect one and press Start, or use dance live --video FILE.",
  NotReadableError: "Another program uses the camera. Close it and press Start.",
};

// Whether the camera is open; null when this start was stopped meanwhile.
async function openOwnCamera() {
  if (!navigator.mediaDevices) {
    say("This browser gives no camera here. Open the page as http://127.0.0.1 or http://localhost.");
    return false;
  }
  const height = Number($("size").value), width = height === 360 ? 480 : 1280, live = state.live;
  say("Waiting for the camera. If the browser asks, allow this page to use it.");
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia(
      { video: { width: { ideal: width }, height: { ideal: height } }, audio: false });
  } catch (error) {
    if (state.live !== live) return null;
    say(REFUSED[error.name] || `The camera cannot be used: ${error.message}`);
    return false;
  }
  if (state.live !== live) { for (const track of stream.getTracks()) track.stop(); return null; }
  state.stream = stream;
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  video.srcObject = stream;
  stream.getVideoTracks()[0].onended = () => { stop(); say("The camera was disconnected."); };
  await video.play();
  say("Looking for the dancer ...");
  state.video = video;
  state.began = performance.now();
  const each = (now) => {
    if (state.video !== video) return;
    state.pictured = now;
    sendOwn(video, now);
    video.requestVideoFrameCallback(each);
  };
  video.requestVideoFrameCallback(each);
  return true;
}

function sendOwn(video, now) {
  const width = video.videoWidth, height = video.videoHeight;
  if (!width || !mayNotWait(now)) return;
  const wanted = Number($("size").value), scale = Math.min(1, wanted / Math.min(width, height));
  grabbing.width = Math.round(width * scale);
  grabbing.height = Math.round(height * scale);
  grabbing.getContext("2d").drawImage(video, 0, 0, grabbing.width, grabbing.height);
  state.waiting += 1;
  grabbing.toBlob((blob) => {
    if (blob) send(blob, now); else state.waiting -= 1;
  }, "image/jpeg", 0.8);
}

function openServersCamera() {
  const socket = new WebSocket(`ws://${location.host}/camera`);
  state.camera = socket;
  state.began = performance.now();
  socket.binaryType = "blob";
  socket.onmessage = async (event) => {
    const now = performance.now();
    if (typeof event.data === "string") {
      const told = JSON.parse(event.data);
      if (told.problem) state.problem = told.problem; else newShot();
      return;
    }
    const shot = state.shot;
    if (mayNotWait(now)) { state.waiting += 1; send(event.data, now, shot); }
    try {
      const picture = await createImageBitmap(event.data);
      if (state.camera !== socket || shot !== state.shot || now < state.pictured) { picture.close(); return; }
      if (state.picture) state.picture.close();
      state.picture = picture;
      state.pictured = now;
    } catch { say("The server sent a picture that cannot be read."); }
  };
  socket.onclose = (event) => {
    if (state.camera !== socket) return;
    stop();
    say(state.problem || event.reason || "The pictures ended.");
  };
  return true;
}

// After a cut no pose of before belongs to the picture: the server begins anew, and so does the page.
function newShot() {
  state.shot = (state.shot + 1) % 2 ** 32;
  state.answer = null;
}

function closeCamera() {
  if (state.stream) for (const track of state.stream.getTracks()) track.stop();
  const camera = state.camera;
  state.stream = state.video = state.camera = null;
  if (camera) camera.close();
}

// --- frames and answers ------------------------------------------------------------------------

// A frame that would lie waiting is not sent: the next one is fresher. A server that is faster than
// the camera may have two, one in the queue.
function mayNotWait(now) {
  const open = state.live && state.live.readyState === WebSocket.OPEN;
  const work = (s) => s.decode + s.estimate + (s.refine || 0) + (s.forecast || 0);
  const quick = middle(state.stages.slice(-30).map(work), 0.5) < QUICK_MS;
  return open && state.waiting < (quick ? 2 : 1) && now - state.lastSent > 1000 / SEND_AT_MOST_HZ - 4;
}

async function send(blob, capture, shot = state.shot) {
  const socket = state.live;
  const picture = await blob.arrayBuffer();
  if (!socket || socket.readyState !== WebSocket.OPEN || capture <= state.lastCapture) {
    state.waiting = Math.max(0, state.waiting - 1);
    return;
  }
  const message = new Uint8Array(20 + picture.byteLength), head = new DataView(message.buffer);
  head.setFloat64(0, capture, true);
  head.setFloat64(8, state.aheads.length ? middle(state.aheads.slice(-30), 0.5) : 0, true);
  head.setUint32(16, shot, true);
  message.set(new Uint8Array(picture), 20);
  state.lastSent = performance.now();
  state.lastCapture = capture;
  socket.send(message);
}

function answered(text) {
  const answer = JSON.parse(text), now = performance.now();
  state.waiting = Math.max(0, state.waiting - 1);
  if (answer.problem) { say(`A picture was not used: ${answer.problem}`); return; }
  const fewer = answer.replaced - state.replaced;
  if (fewer > 0) { state.waiting = Math.max(0, state.waiting - fewer); state.replaced = answer.replaced; }
  if (answer.shot !== state.shot) return;
  answer.came = now;
  state.answer = answer;
  state.answered += 1;
  keep(state.times, now);
  state.told = now;
  if (answer.error) keep(state.errors, answer.error);
  say(answer.pose ? "" : "Nobody is seen. The whole dancer must be in the picture.");
}

function openLive() {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://${location.host}/live`);
    state.live = socket;
    socket.onopen = () => resolve(true);
    socket.onmessage = (event) => answered(event.data);
    socket.onclose = (event) => {
      resolve(false);
      if (state.live !== socket) return;
      stop();
      say(event.code === 4001
        ? "Another page is live already. Close it, then press Start here."
        : "The server ended. Start dance live again, then press Start.");
    };
  });
}

// --- drawing -----------------------------------------------------------------------------------

function mean(k) { return state.errors.reduce((a, e) => a + e[k], 0) / state.errors.length; }

// Whether the forecast is nearer to what was then observed than the pose that it was made from.
function helps() { return state.errors.length < JUDGED || mean(1) < mean(2); }

function poseAt(answer, delay) {
  const curve = answer.curve;
  const place = Math.min(Math.max(delay / STEP_MS, 0), curve.length - 1);
  const low = Math.min(Math.floor(place), curve.length - 2), share = place - low;
  return curve[low].map((p, j) => p.map((v, k) => v + share * (curve[low + 1][j][k] - v)));
}

function draw() {
  if (state.running) requestAnimationFrame(draw);
  const shown = state.video || state.picture;
  if (!shown) return;
  const width = shown.videoWidth || shown.width, height = shown.videoHeight || shown.height;
  if (!width) return;
  if (view.width !== width || view.height !== height) { view.width = width; view.height = height; }
  pen.drawImage(shown, 0, 0, width, height);
  const answer = state.answer, now = performance.now();
  if (!answer || !answer.pose || now - answer.capture > LATE_MS) return;
  // The picture on the screen is itself some milliseconds old: the dancer is where its capture says.
  const ahead = Math.max(0, state.pictured - answer.capture);
  const forecast = answer.curve && $("ahead").checked && helps();
  const pose = forecast ? poseAt(answer, ahead) : answer.pose;
  const scale = width / answer.size[0], thick = Math.max(2, height / 130);
  pen.lineWidth = thick;
  pen.lineCap = "round";
  for (const [a, b] of state.about.edges) {
    pen.globalAlpha = 0.35 + 0.65 * Math.min(answer.score[a], answer.score[b]);
    pen.strokeStyle = forecast ? "#35e08a" : "#ffb437";
    pen.beginPath();
    pen.moveTo(pose[a][0] * scale, pose[a][1] * scale);
    pen.lineTo(pose[b][0] * scale, pose[b][1] * scale);
    pen.stroke();
  }
  pen.fillStyle = "#fff";
  pose.forEach(([x, y], j) => {
    pen.globalAlpha = 0.35 + 0.65 * answer.score[j];
    pen.beginPath();
    pen.arc(x * scale, y * scale, thick * 0.9, 0, 7);
    pen.fill();
  });
  pen.globalAlpha = 1;
  keep(state.aheads, ahead);
  if (state.drawn !== answer) noteDrawn(answer, performance.now());
}

function noteDrawn(answer, now) {
  state.drawn = answer;
  const whole = now - answer.capture;
  keep(state.delays, whole);
  keep(state.stages, {
    ...answer.stages,
    "browser and sending": answer.came - answer.capture - answer.server,
    "until it is drawn": now - answer.came,
  });
}

// What has stopped to come, while the connection to it is open. A hidden page gets no pictures.
function watch() {
  if (!state.running || !(state.video || state.camera)) return;
  const now = performance.now();
  if (document.hidden) { state.began = now; return; }
  const silent = (since) => now - Math.max(since, state.began) > SILENT_MS;
  if (silent(state.pictured)) say("No picture comes from the camera. Is it covered, or used by another program?");
  else if (silent(state.told)) say("The server does not answer. If this stays, start dance live again and load this page again.");
}

function report() {
  watch();
  if (!state.delays.length) return;
  const ms = (v) => `${v.toFixed(0)} ms`, percent = (v) => `${v.toFixed(1)} %`;
  $("median").textContent = ms(middle(state.delays, 0.5));
  $("p95").textContent = ms(middle(state.delays, 0.95));
  const span = state.times[state.times.length - 1] - state.times[0];
  if (span > 0) $("rate").textContent = (1000 * (state.times.length - 1) / span).toFixed(1);
  $("replaced").textContent = String(state.replaced);
  const names = [...new Set(state.stages.flatMap((s) => Object.keys(s)))];
  const medians = names.map((n) => middle(state.stages.map((s) => s[n] || 0), 0.5));
  const sum = medians.reduce((a, b) => a + b, 0);
  $("stages").replaceChildren(...names.map((name, i) => {
    const row = document.createElement("tr"), head = document.createElement("th"), cell = document.createElement("td");
    head.textContent = STAGES[name] || name;
    head.scope = "row";
    cell.textContent = `${medians[i].toFixed(1)} ms, ${(100 * medians[i] / sum).toFixed(0)} %`;
    row.append(head, cell);
    return row;
  }));
  if (!state.errors.length) return;
  $("horizon").textContent = ms(mean(0));
  $("forecast").textContent = percent(mean(1));
  $("still").textContent = percent(mean(2));
  $("verdict").textContent = helps() ? "" :
    "The forecast is no nearer than the last pose here: that one is drawn, in amber.";
}

// --- start and stop ----------------------------------------------------------------------------

function stop() {
  state.running = false;
  closeCamera();
  const socket = state.live;
  state.live = null;
  if (socket) socket.close();
  $("start").textContent = "Start";
}

async function start() {
  Object.assign(state, {
    running: true, waiting: 0, lastCapture: 0, answer: null, replaced: 0, picture: null, problem: "",
    pictured: 0, told: 0, began: Infinity, delays: [], aheads: [], times: [], stages: [], errors: [],
  });
  $("start").textContent = "Stop";
  say("Starting ...");
  if (!await openLive()) return;
  const opened = state.about.browser ? await openOwnCamera() : openServersCamera();
  if (opened === null) return;
  if (!opened) { stop(); return; }
  requestAnimationFrame(draw);
}

// --- which part of the page is shown ------------------------------------------------------------

const PARTS = ["live", "analyze", "compare"];

function show() {
  const wanted = location.hash.slice(1), part = PARTS.includes(wanted) ? wanted : "live";
  for (const name of PARTS) {
    document.body.classList.toggle(name, name === part);
    const link = $(`to-${name}`);
    if (name === part) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  if (part === "live") { if (!state.running) start(); }
  else if (state.running) { stop(); say("Stopped."); }
}

async function main() {
  try {
    state.about = await (await fetch("/about")).json();
  } catch {
    say("The server does not answer. Start dance live again and load this page again.");
    return;
  }
  $("source").textContent = state.about.source;
  $("sizes").hidden = !state.about.browser;
  $("start").onclick = () => {
    if (state.running) { stop(); say("Stopped."); } else start();
  };
  $("size").onchange = () => { if (state.running) { stop(); start(); } };
  setInterval(report, 500);
  window.onhashchange = show;
  openJobs(state.about);
  show();
}

main();
