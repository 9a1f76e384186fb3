// One tab of the page: drawing, choosing and asking. Gradio runs this and answer.js as one function,
// once, with `element` and `server`.
const $ = (selector) => element.querySelector(selector);
const pad = $(".pad"), stage = $(".stage"), ink = $(".ink"), marks = $(".marks");
const image = $(".picture"), panel = $(".answer"), alarm = $(".error"), file = $(".file");
const many = pad.dataset.many === "yes";
const threshold = Number(pad.dataset.threshold);
const labels = JSON.parse(pad.dataset.labels);
const maxBytes = Number(pad.dataset.maxBytes);
const SENT_WIDTH = many ? 1200 : 420; // pixels of a drawing as it is sent
const PEN = many ? 0.014 : 0.06; // of the stage's width: a felt pen, near MNIST's strokes

let strokes = []; // each a list of points, in units of the stage's width
let active = null; // the pointer that draws
let picture = null; // a file that was chosen, instead of strokes
let answer = null;
let selected = 0;
let generation = 0; // an answer to an older drawing than this is dropped
let asking = false, stale = false;

$(".hint b").textContent = many ? "Write digits, in lines" : "Draw a digit";
ink.setAttribute("aria-label", "Drawing area, for mouse, pen or finger. " +
  "Without those, use the button Choose a picture.");

// ---------- drawing

function trace(context, width, color) {
  context.strokeStyle = context.fillStyle = color;
  context.lineWidth = PEN * width;
  context.lineCap = context.lineJoin = "round";
  for (const points of strokes) {
    context.beginPath();
    context.moveTo(points[0].x * width, points[0].y * width);
    // Curves through the middles between points: a quick hand gives few of them.
    for (let i = 1; i < points.length - 1; i++) {
      const { x, y } = points[i], next = points[i + 1];
      context.quadraticCurveTo(x * width, y * width, (x + next.x) / 2 * width,
        (y + next.y) / 2 * width);
    }
    // A line from a point to itself is a dot.
    context.lineTo(points.at(-1).x * width, points.at(-1).y * width);
    context.stroke();
  }
}

function fitted(canvas) {
  const scale = window.devicePixelRatio || 1;
  const width = Math.round(stage.clientWidth * scale);
  const height = Math.round(stage.clientHeight * scale);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  return context;
}

const color = (name) => getComputedStyle(element).getPropertyValue(name).trim();

function show() {
  if (!stage.clientWidth) return; // its tab is hidden
  trace(fitted(ink), ink.width, color("--stroke"));
  const context = fitted(marks);
  if (many && answer) mark(context);
  const empty = !strokes.length && !picture;
  $(".hint").hidden = !empty;
  $(".clear").disabled = empty;
  $(".undo").disabled = !strokes.length;
  stage.classList.toggle("read-only", many && !!picture);
}

// Where pixels of the picture stand on the stage: `object-fit: contain`, below the room that
// pad.css leaves for the answers to the first line.
function placement() {
  const [height, width] = answer.size;
  const room = picture ? image.offsetTop * marks.height / stage.clientHeight : 0;
  const scale = Math.min(marks.width / width, (marks.height - room) / height);
  return {
    scale, left: (marks.width - scale * width) / 2,
    top: room + (marks.height - room - scale * height) / 2,
  };
}

function mark(context) {
  const { scale, left, top } = placement();
  const unit = window.devicePixelRatio || 1;
  answer.digits.forEach((digit, i) => {
    const [y0, x0, y1, x1] = digit.box.map((edge) => edge * scale);
    const sure = digit.probability >= threshold;
    // On a picture the paper is the photo's, not the theme's: colours that stand out on either.
    context.strokeStyle = picture ? (sure ? "#0b62a8" : "#d95f02") : color(sure ? "--sure" : "--unsure");
    context.lineWidth = (i === selected ? 3.5 : 1.75) * unit;
    const gap = 3 * unit;
    context.beginPath();
    context.roundRect(left + x0 - gap, top + y0 - gap, x1 - x0 + 2 * gap, y1 - y0 + 2 * gap, 4 * unit);
    context.stroke();
    const size = Math.min(26, Math.max(12, ((y1 - y0) / unit) * 0.34)) * unit;
    context.font = `700 ${size}px system-ui, sans-serif`;
    context.textBaseline = "bottom";
    const text = digit.label + (sure ? "" : "?");
    const x = left + x0 - gap, y = Math.max(top + y0 - gap - 2 * unit, size);
    context.lineWidth = 4 * unit;
    context.fillStyle = context.strokeStyle;
    context.strokeStyle = picture ? "#ffffff" : color("--paper");
    context.lineJoin = "round";
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
  });
}

function place(event) {
  const box = stage.getBoundingClientRect();
  return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.width };
}

ink.addEventListener("pointerdown", (event) => {
  if (active !== null || event.button !== 0) return;
  if (many && picture) return select(event);
  event.preventDefault();
  if (picture) clear();
  active = event.pointerId;
  try { ink.setPointerCapture(active); } catch { /* a pointer that is gone already */ }
  strokes.push([place(event)]);
  drawn();
});
ink.addEventListener("pointermove", (event) => {
  if (event.pointerId !== active) return;
  const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
  for (const one of events.length ? events : [event]) strokes.at(-1).push(place(one));
  drawn();
});
for (const name of ["pointerup", "pointercancel"]) {
  ink.addEventListener(name, (event) => {
    if (event.pointerId !== active) return;
    active = null;
    drawn();
  });
}

function drawn() {
  if (many) answer = null; // its boxes are those of the drawing before
  fail("");
  show();
  // A page of boxes that flicker under the pen would only distract.
  if (!many || active === null) ask();
}

function select(event) {
  if (!answer) return;
  const { scale, left, top } = placement();
  const point = place(event);
  const x = (point.x * marks.width - left) / scale, y = (point.y * marks.width - top) / scale;
  const hit = answer.digits.findIndex(({ box }) => y >= box[0] && x >= box[1] && y < box[2] && x < box[3]);
  if (hit >= 0) choose(hit);
}

function clear() {
  strokes = [];
  picture = null;
  generation += 1;
  image.hidden = true;
  image.removeAttribute("src");
  stage.style.aspectRatio = "";
  fail("");
  report(null);
  show();
}

$(".clear").addEventListener("click", () => { clear(); say("Cleared."); });
$(".undo").addEventListener("click", undo);
function undo() {
  strokes.pop();
  if (strokes.length) return drawn();
  clear();
}

// ---------- pictures

$(".choose").addEventListener("click", () => file.click());
file.addEventListener("change", () => {
  if (file.files.length) take(file.files[0]);
  file.value = ""; // so that the same file can be chosen again
});
stage.addEventListener("dragover", (event) => {
  event.preventDefault();
  stage.classList.add("drop");
});
stage.addEventListener("dragleave", () => stage.classList.remove("drop"));
stage.addEventListener("drop", (event) => {
  event.preventDefault();
  stage.classList.remove("drop");
  if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  else fail("Drop a picture file here, from your computer.");
});

function listen(name, handler) {
  const guarded = (event) => {
    if (!element.isConnected) document.removeEventListener(name, guarded);
    else if (element.offsetParent !== null) handler(event); // its tab is open
  };
  document.addEventListener(name, guarded);
}
listen("paste", (event) => {
  const files = event.clipboardData ? event.clipboardData.files : [];
  if (files.length) take(files[0]);
});
listen("keydown", (event) => {
  if (event.key === "z" && (event.ctrlKey || event.metaKey) && strokes.length) undo();
});

function take(chosen) {
  clear();
  if (chosen.size > maxBytes) {
    return fail(`This file has ${(chosen.size / 1e6).toFixed(1)} MB; at most ` +
      `${maxBytes / 1e6} MB can be read. Make the picture smaller.`);
  }
  if (!chosen.size) return fail("This file is empty.");
  picture = chosen;
  show();
  ask();
}

// ---------- asking

function drawing() {
  const canvas = document.createElement("canvas");
  canvas.width = SENT_WIDTH;
  canvas.height = Math.round(SENT_WIDTH * stage.clientHeight / stage.clientWidth);
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  trace(context, canvas.width, "#000");
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

// One question at a time; what changes meanwhile is asked next.
async function ask() {
  stale = asking;
  if (asking) return;
  asking = true;
  const mine = ++generation;
  const late = setTimeout(() => { $(".busy").hidden = false; }, 250);
  try {
    const content = picture || await drawing();
    const data = { image: content, many: many ? "yes" : "no", preview: picture ? "yes" : "no" };
    const result = await server.read({ binary: true, data });
    if (mine === generation) receive(result);
  } catch (error) {
    if (mine === generation) receive(undefined);
    console.error(error);
  } finally {
    clearTimeout(late);
    $(".busy").hidden = true;
    asking = false;
    if (stale && (picture || strokes.length)) ask();
  }
}

async function receive(result) {
  if (!result) {
    return fail("The server does not answer. Is sk-digits demo still running in its terminal?");
  }
  if (result.error) {
    const wasPicture = picture !== null;
    if (wasPicture) clear();
    report(null);
    // Half a stroke that is not yet a digit is no mistake of the user's.
    if (wasPicture || active === null) fail(result.error);
    return show();
  }
  fail("");
  if (result.preview) {
    image.src = result.preview;
    image.hidden = false;
    if (many) {
      const width = stage.clientWidth, height = width * result.size[0] / result.size[1];
      stage.style.aspectRatio = width / (Math.min(height, 1.33 * width) + image.offsetTop);
    }
  }
  report(result);
  show();
}

function fail(message) {
  alarm.textContent = message;
  alarm.hidden = !message;
}
