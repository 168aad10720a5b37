"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const find = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const listen = (element, names, act) => names.split(" ").forEach(n => element?.addEventListener(n, act));
const time = Float64Array.from(data.time, n => n * data.tick);
const second = data.second && Float64Array.from(data.second, n => (n === null ? NaN : n * data.tick));
const last = time.length - 1;
const usual = last ? (time[last] - time[0]) / last : 0.04;  // seconds between frames
const end = time[last] + usual;
const jump = Math.max(0.2, 4 * usual);  // frames that are further apart are not joined
const video = find("#video"), other = find("#second"), slider = find("#slider"), play = find("#play");
let now = time[0];  // seconds
let view = [time[0], end];  // what the plots show
let colours = {};
const MARGIN = {left: 44, right: 8, top: 12, bottom: 18};

// --- curves -----------------------------------------------------------------------------------

const decoded = (s, list) => list && Float32Array.from(list, n => (n === null ? NaN : s.start + s.step * n));
const plots = all(".plot").map(figure => {
  const s = data.series[figure.dataset.number];
  const plot = {
    figure, area: find(".area", figure), canvas: find("canvas", figure),
    cursor: find(".cursor", figure), output: find(".value", figure), unit: s.unit, band: s.band || 0,
    values: decoded(s, s.values), before: decoded(s, s.before), decimals: decimalsOf(s.step),
  };
  return Object.assign(plot, limitsOf(plot));
});

function decimalsOf(step) {
  return Math.min(2, Math.max(0, Math.ceil(-Math.log10(step * 4)) - 1));
}

// The axis holds all of the curve, unless a few values lie far from the rest; ``beyond`` is then
// what it leaves out. Far values of the fainter curve may always leave it.
function limitsOf({values, before, band}) {
  const own = values.filter(Number.isFinite).sort(), faint = (before || own).filter(Number.isFinite).sort();
  const at = (sorted, share) => sorted[Math.round(share * (sorted.length - 1))] ?? NaN;
  let [least, most] = [at(own, 0) - band, at(own, 1) + band];
  const [low, high] = [at(own, 0.01), at(own, 0.99)], far = 1.5 * (high - low) + band;
  const beyond = [least < low - far ? at(own, 0) : null, most > high + far ? at(own, 1) : null];
  if (beyond[0] !== null) least = low - 0.3 * far;
  if (beyond[1] !== null) most = high + 0.3 * far;
  least = Math.min(least, at(faint, 0.02)) || least;
  most = Math.max(most, at(faint, 0.98)) || most;
  if (!(least <= most)) return {limits: [0, 1], beyond: [null, null]};
  if (least >= 0 && least < 0.4 * most) least = 0;
  const spare = (most - least || Math.abs(most) || 1) * 0.06;
  return {limits: [least === 0 ? 0 : least - spare, most + spare], beyond};
}

// The last frame that begins at or before a time.
function frameAt(t) {
  let low = 0, high = last;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (time[middle] <= t + 1e-4) low = middle; else high = middle - 1;
  }
  return low;
}

// Stretches without a gap; each is a list of columns [x, first, least, most, last value].
function stretches(line, width) {
  const from = Math.max(0, frameAt(view[0]) - 1), to = Math.min(last, frameAt(view[1]) + 1);
  const dense = to - from > 2 * width;
  const found = [];
  let columns = null, column = null;
  for (let i = from; i <= to; i++) {
    const value = line[i], exact = xOf(time[i], width);
    const x = dense ? Math.round(exact) : exact;
    if (!(value === value)) {
      if (!column || x > column[0]) columns = column = null;
      continue;
    }
    if (i > from && time[i] - time[i - 1] > jump) columns = null;
    if (columns && column[0] === x) {
      column[2] = Math.min(column[2], value); column[3] = Math.max(column[3], value); column[4] = value;
      continue;
    }
    if (!columns) found.push(columns = []);
    columns.push(column = [x, value, value, value, value]);
  }
  return found;
}

// --- drawing ----------------------------------------------------------------------------------

const xOf = (t, width) =>
  MARGIN.left + (t - view[0]) / (view[1] - view[0]) * (width - MARGIN.left - MARGIN.right);
const tOf = (x, width) =>
  view[0] + (x - MARGIN.left) / (width - MARGIN.left - MARGIN.right) * (view[1] - view[0]);
const roundStep = (span, most, steps) => {
  const power = 10 ** Math.floor(Math.log10(span / most));
  return (steps || [1, 2, 5, 10].map(f => f * power)).find(s => span / s <= most) || span;
};

function clock(t, digits = 1) {
  const tenths = Math.round(Math.abs(t) * 10 ** digits) / 10 ** digits;
  const hours = Math.floor(tenths / 3600), minutes = Math.floor(tenths / 60) % 60;
  const seconds = (tenths % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  const front = hours ? `${hours}:${String(minutes).padStart(2, "0")}` : minutes;
  return `${t < 0 ? "-" : ""}${front}:${seconds}`;
}

function draw(plot) {
  const {canvas, area} = plot, width = area.clientWidth, height = area.clientHeight;
  if (!width) return;
  const scale = window.devicePixelRatio || 1;
  canvas.width = width * scale; canvas.height = height * scale;
  const c = canvas.getContext("2d");
  c.scale(scale, scale);
  const [low, high] = plot.limits;
  const yOf = v => MARGIN.top + (high - v) / (high - low) * (height - MARGIN.top - MARGIN.bottom);
  axes(c, plot, width, height, yOf);
  c.save();
  c.beginPath();
  c.rect(MARGIN.left, 0, width - MARGIN.left - MARGIN.right, height - MARGIN.bottom);
  c.clip();
  c.lineJoin = c.lineCap = "round";
  const own = stretches(plot.values, width), line = getComputedStyle(plot.figure).getPropertyValue("--line");
  if (plot.before) stroke(c, stretches(plot.before, width), yOf, colours.before, 1);
  if (plot.band) shade(c, own, yOf, line, plot.band);
  stroke(c, own, yOf, line, 1.5);
  c.restore();
  c.textAlign = "right"; c.fillStyle = colours.text;
  plot.beyond.forEach((value, top) => {
    if (value === null) return;
    c.textBaseline = top ? "top" : "bottom";
    const words = `${top ? "up" : "down"} to ${value.toFixed(plot.decimals)}`;
    c.fillText(words, width - MARGIN.right - 4, top ? MARGIN.top : height - MARGIN.bottom - 2);
  });
}

function axes(c, plot, width, height, yOf) {
  const [low, high] = plot.limits, bottom = height - MARGIN.bottom;
  c.font = "11px system-ui, sans-serif";
  c.lineWidth = 1; c.strokeStyle = colours.grid; c.fillStyle = colours.soft;
  c.textAlign = "right"; c.textBaseline = "middle";
  const step = roundStep(high - low, 4.5), digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  for (let n = Math.ceil(low / step); n * step <= high; n++) {
    const y = Math.round(yOf(n * step)) + 0.5;
    c.beginPath(); c.moveTo(MARGIN.left, y); c.lineTo(width - MARGIN.right, y); c.stroke();
    c.fillText((n * step).toFixed(digits), MARGIN.left - 6, y);
  }
  c.textAlign = "center"; c.textBaseline = "top";
  const every = roundStep(view[1] - view[0], Math.max(2, width / 75),
    [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600]);
  for (let n = Math.ceil(view[0] / every - 1e-6); n * every <= view[1]; n++) {
    const x = Math.round(xOf(n * every, width)) + 0.5;
    c.beginPath(); c.moveTo(x, MARGIN.top); c.lineTo(x, bottom); c.stroke();
    // A time at the left end would run into the lowest number of the other axis.
    c.textAlign = x < MARGIN.left + 12 ? "left" : "center";
    if (x < width - 20) c.fillText(clock(n * every, every < 1 ? 1 : 0), x, bottom + 4);
  }
  c.fillStyle = colours.mark;
  for (const t of data.moments.filter(t => t >= view[0] && t <= view[1])) {
    const x = xOf(t, width);
    c.beginPath(); c.moveTo(x - 5, 1); c.lineTo(x + 5, 1); c.lineTo(x, 8); c.fill();
  }
}

function stroke(c, found, yOf, colour, width) {
  c.strokeStyle = colour; c.lineWidth = width;
  c.beginPath();
  for (const columns of found) {
    c.moveTo(columns[0][0], yOf(columns[0][1]));
    if (columns.length === 1) c.lineTo(columns[0][0] + 0.1, yOf(columns[0][1]));  // a dot
    for (const [x, first, least, most, value] of columns) {
      c.lineTo(x, yOf(first));
      if (least < most) { c.lineTo(x, yOf(least)); c.lineTo(x, yOf(most)); c.lineTo(x, yOf(value)); }
    }
  }
  c.stroke();
}

function shade(c, found, yOf, colour, band) {
  c.fillStyle = colour; c.globalAlpha = 0.3;
  for (const columns of found) {
    c.beginPath();
    columns.forEach(([x, , , most]) => c.lineTo(x, yOf(most + band)));
    [...columns].reverse().forEach(([x, , least]) => c.lineTo(x, yOf(least - band)));
    c.fill();
  }
  c.globalAlpha = 1;
}

function drawAll() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["before", "grid", "soft", "mark", "text"]) colours[name] = style.getPropertyValue(`--${name}`);
  plots.forEach(plot => plot.figure.hidden || draw(plot));
  show();
}

// --- time -------------------------------------------------------------------------------------

function show() {
  const i = frameAt(now);
  find("#clock").textContent = clock(time[i], 2);
  slider.value = i;
  slider.setAttribute("aria-valuetext", clock(time[i], 2));
  const inView = time[i] >= view[0] - usual && time[i] <= view[1];
  for (const plot of plots) {
    if (plot.figure.hidden) continue;
    plot.cursor.hidden = !inView;
    plot.cursor.style.left = `${xOf(time[i], plot.area.clientWidth)}px`;
    const value = v => (v === v ? v.toFixed(plot.decimals) : "–");
    const before = plot.before ? ` (${value(plot.before[i])})` : "";
    plot.output.textContent = value(plot.values[i]) + before;
  }
  document.body.dataset.frame = i;
}

function moved(t) {
  now = Math.min(Math.max(t, time[0]), end);
  const length = view[1] - view[0];
  if (length < end - time[0] - 1e-6 && (now < view[0] || now > view[1])) {
    const from = Math.min(Math.max(time[0], now - 0.1 * length), end - length);
    view = [from, from + length];
    drawAll();
  } else show();
}

// To the middle of a frame, so that rounding does not show the one before.
function toFrame(i) {
  i = Math.min(Math.max(i, 0), last);
  const next = i < last ? time[i + 1] : end;
  if (video) { video.pause(); video.currentTime = time[i] + 0.5 * Math.min(next - time[i], 0.1); }
  moved(time[i]);
  follow();
}
const seek = t => toFrame(frameAt(t));

// The second video shows the same moment of the dance, which may be at another time.
function follow() {
  if (!other) return;
  const target = second ? second[frameAt(now)] : now;
  if (video.paused) other.pause();
  else { other.playbackRate = video.playbackRate; if (other.paused) other.play().catch(() => {}); }
  const off = Math.abs(other.currentTime - target);
  if (off > (video.paused ? 0.005 : 0.12)) other.currentTime = target;
}

function tick() {
  if (!video.seeking) { moved(video.currentTime); follow(); }
  if (!video.paused) requestAnimationFrame(tick);
}
const toggle = () => (video.paused ? video.play().catch(() => {}) : video.pause());

if (video) {
  listen(video, "play", () => { play.textContent = "Pause"; requestAnimationFrame(tick); });
  listen(video, "pause", () => { play.textContent = "Play"; follow(); });
  listen(video, "timeupdate seeked", () => { if (!video.seeking) { moved(video.currentTime); follow(); } });
  listen(play, "click", toggle);
  listen(video, "click", toggle);
  listen(find("#sound"), "click", event => {
    video.muted = !video.muted;
    event.target.setAttribute("aria-pressed", !video.muted);
  });
  find("#large").hidden = !document.fullscreenEnabled;
  listen(find("#large"), "click", () =>
    (document.fullscreenElement ? document.exitFullscreen() : find(".stage").requestFullscreen()));
  listen(find("#speed"), "change", event => { video.playbackRate = Number(event.target.value); });
  for (const film of all(".film")) {
    const missing = () => { find(".missing", film).hidden = false; };
    listen(find("video", film), "error", missing);
    if (find("video", film).error) missing();
  }
}
listen(slider, "input", () => toFrame(Number(slider.value)));
listen(find("#back"), "click", () => toFrame(frameAt(now) - 1));
listen(find("#forward"), "click", () => toFrame(frameAt(now) + 1));
for (const button of all("[data-seek]")) {
  if (!Number.isFinite(Number(button.dataset.seek))) button.disabled = true;
  listen(button, "click", () => seek(Number(button.dataset.seek)));
}
listen(find("#window"), "change", event => {
  const length = Math.min(Number(event.target.value) || Infinity, end - time[0]);
  const from = Math.min(Math.max(time[0], now - length / 2), end - length);
  view = [from, from + length];
  drawAll();
});
for (const {area} of plots) {
  const scrub = event => seek(tOf(event.clientX - area.getBoundingClientRect().left, area.clientWidth));
  listen(area, "pointerdown", event => { area.setPointerCapture(event.pointerId); scrub(event); });
  listen(area, "pointermove", event => { if (event.buttons & 1) scrub(event); });
}

// After a click with the mouse the space key plays; it does not press the button again.
listen(document, "click", event => { if (event.detail) event.target.closest("button")?.blur(); });
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const on = event.target, step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
  const used = on.matches("input:not([type=range]), select, summary, button");
  if (step && !on.matches("select, input[type=range]")) toFrame(frameAt(now) + step);
  else if (event.key === " " && video && !used) toggle();
  else return;
  event.preventDefault();
  event.stopPropagation();
}, true);

// --- choice of curves, printing ---------------------------------------------------------------

function choose() {
  const boxes = all("[data-plot]");
  boxes.forEach(box => { plots.find(p => p.figure.dataset.number === box.dataset.plot).figure.hidden = !box.checked; });
  all(".group").forEach(group => { group.hidden = !find(".plot:not([hidden])", group); });
  if (boxes.length) find("#count").textContent = `(${boxes.filter(b => b.checked).length} of ${boxes.length} shown)`;
  drawAll();
}
listen(find(".boxes"), "change", choose);
for (const [name, checked] of [["all", true], ["none", false]]) {
  all(`.${name}`).forEach(button => listen(button, "click", () => {
    all("input", button.parentElement).forEach(box => { box.checked = checked; });
    choose();
  }));
}
let pending = 0;
listen(window, "resize", () => { cancelAnimationFrame(pending); pending = requestAnimationFrame(drawAll); });
listen(window.matchMedia("(prefers-color-scheme: dark)"), "change", drawAll);
listen(window, "beforeprint", () => { document.documentElement.dataset.print = ""; drawAll(); });
listen(window, "afterprint", () => { delete document.documentElement.dataset.print; drawAll(); });
choose();
})();
