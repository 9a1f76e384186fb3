// One tab: a stage to draw or to show a picture on, and the panel with the answer.

import { AnswerPanel } from "./answer.js";
import { ask } from "./ask.js";
import { Drawing, cleared } from "./drawing.js";

export function makePad(element, { many, labels, maxBytes }) {
  const $ = (selector) => element.querySelector(selector);
  const stage = $(".stage"), marks = $(".marks"), image = $(".picture"), file = $(".file");
  const [sentWidth, margin] = many ? [1200, 0] : [280, 20]; // pixels of a drawing as it is sent
  const pen = many ? 0.014 : 0.06; // of the stage's width: a felt pen, near MNIST's strokes

  let picture = null; // a file that was chosen, instead of strokes
  let answer = null;
  let generation = 0; // an answer to an older drawing than this is dropped
  let asking = false, stale = false;

  const panel = new AnswerPanel($(".answer"), { many, labels, chosen: showMarks });
  const drawing = new Drawing($(".ink"), pen, { start, changed });
  $(".hint b").textContent = many ? "Write digits, in lines" : "Draw a digit";
  $(".ink").setAttribute("aria-label", "Drawing area, for mouse, pen or finger. " +
    "Without those, use the button Choose a picture.");

  // ---------- drawing

  function start(event) {
    if (picture && many) choose(event);
    else if (picture) clear();
    return !picture;
  }

  function changed() {
    if (many) answer = null; // its boxes are those of the drawing before
    fail("");
    show();
    // A page of boxes that flicker under the pen would only distract.
    if (!many || drawing.pointer === null) read();
  }

  function undo() {
    drawing.strokes.pop();
    if (drawing.strokes.length) changed();
    else clear();
  }

  function clear() {
    drawing.strokes = [];
    picture = null;
    generation += 1;
    image.hidden = true;
    image.removeAttribute("src");
    stage.style.aspectRatio = "";
    fail("");
    report(null);
    show();
  }

  $(".undo").addEventListener("click", undo);
  $(".clear").addEventListener("click", () => { clear(); panel.say("Cleared."); });

  // ---------- pictures

  function take(chosen) {
    clear();
    if (chosen.size > maxBytes) {
      return fail(`This file has ${(chosen.size / 1e6).toFixed(1)} MB; at most ` +
        `${maxBytes / 1e6} MB can be read. Make the picture smaller.`);
    }
    if (!chosen.size) return fail("This file is empty.");
    picture = chosen;
    show();
    read();
  }

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
  document.addEventListener("paste", (event) => {
    const files = event.clipboardData ? event.clipboardData.files : [];
    if (!element.hidden && files.length) take(files[0]);
  });
  document.addEventListener("keydown", (event) => {
    const isUndo = event.key === "z" && (event.ctrlKey || event.metaKey);
    if (!element.hidden && isUndo && drawing.strokes.length) undo();
  });

  // ---------- asking

  // One question at a time; what changes meanwhile is asked next.
  async function read() {
    stale = asking;
    if (asking) return;
    asking = true;
    $(".answer").setAttribute("aria-busy", "true");
    const mine = ++generation;
    const late = setTimeout(() => { $(".busy").hidden = false; }, 250);
    const result = await ask(picture || await drawing.toPng(sentWidth, margin), many);
    if (mine === generation) receive(result);
    clearTimeout(late);
    $(".busy").hidden = true;
    asking = false;
    if (stale && (picture || drawing.strokes.length)) read();
    else $(".answer").setAttribute("aria-busy", "false");
  }

  function receive(result) {
    if (result.error) {
      if (picture) clear();
      report(null);
      fail(result.error);
      return;
    }
    if (picture) {
      image.src = result.preview;
      image.hidden = false;
      if (many) {
        const width = stage.clientWidth, height = width * result.size[0] / result.size[1];
        stage.style.aspectRatio = width / (Math.min(height, 1.33 * width) + image.offsetTop);
      }
    }
    // The beginning of a stroke may not stand out yet.
    const begun = !result.digits.length && drawing.pointer !== null;
    report(begun ? null : result);
  }

  function report(result) {
    answer = result;
    panel.show(answer && answer.digits);
  }

  function fail(message) {
    $(".error").textContent = message;
    $(".error").hidden = !message;
  }

  // ---------- what is seen on the stage

  function show() {
    if (!stage.clientWidth) return; // its tab is hidden
    drawing.show();
    showMarks();
    const empty = !drawing.strokes.length && !picture;
    $(".hint").hidden = !empty;
    $(".clear").disabled = empty;
    $(".undo").disabled = !drawing.strokes.length;
    stage.classList.toggle("read-only", many && !!picture);
  }

  // Where the picture's pixels are on the stage: `object-fit: contain`, below the room that
  // style.css leaves for the answers to the first line.
  function placement() {
    const [height, width] = answer.size;
    const room = picture ? image.offsetTop * marks.height / stage.clientHeight : 0;
    const scale = Math.min(marks.width / width, (marks.height - room) / height);
    return {
      scale, left: (marks.width - scale * width) / 2,
      top: room + (marks.height - room - scale * height) / 2,
    };
  }

  function showMarks() {
    if (!many || !stage.clientWidth) return;
    const context = cleared(marks);
    if (!answer) return;
    const { scale, left, top } = placement();
    const unit = window.devicePixelRatio || 1;
    const color = (name) => getComputedStyle(stage).getPropertyValue(name).trim();
    for (const digit of answer.digits) {
      const [y0, x0, y1, x1] = digit.box.map((edge) => edge * scale);
      const { sure } = digit;
      // On a picture the paper is the photo's, not the theme's: colours that stand out on either.
      context.strokeStyle = picture ? (sure ? "#0b62a8" : "#d95f02") : color(sure ? "--sure" : "--unsure");
      context.lineWidth = (digit === panel.digit ? 3.5 : 1.75) * unit;
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
    }
  }

  function choose(event) {
    if (!answer) return;
    const { scale, left, top } = placement();
    const point = drawing.place(event);
    const x = (point.x * marks.width - left) / scale, y = (point.y * marks.width - top) / scale;
    const hit = answer.digits.find(({ box }) => y >= box[0] && x >= box[1] && y < box[2] && x < box[3]);
    if (hit) panel.choose(hit);
  }

  // The size changes with the window and when the tab opens; the colours with the theme.
  new ResizeObserver(show).observe(stage);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  report(null);
  show();
}
