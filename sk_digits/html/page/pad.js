// One tab: a stage to draw or to show a picture on, and the panels with the answer.

import { AnswerPanel } from "./answer.js";
import { cleared, Drawing } from "./drawing.js";
import { LayersPanel } from "./layers.js";

export function makePad(element, { many, reader }) {
  const $ = (selector) => element.querySelector(selector);
  const [stage, marks, image] = [$(".stage"), $(".marks"), $(".picture")];
  const [readWidth, margin] = many ? [1200, 0] : [280, 20]; // pixels of a drawing as it is read
  const pen = many ? 0.014 : 0.06; // of the stage's width: a felt pen, near MNIST's strokes

  let picture = null; // a file that was chosen, instead of strokes
  let answer = null;
  let generation = 0; // an answer to an older drawing than this is dropped
  let asking = false;
  let stale = false;

  const layers = new LayersPanel($(".network"), reader);
  const panel = new AnswerPanel($(".answer"), { many, reader, chosen });
  const say = (text) => panel.say(text);
  const drawing = new Drawing($(".ink"), pen, { start, changed, say });
  $(".hint b").textContent = many ? "Write digits, in lines" : "Draw a digit";
  $(".ink").setAttribute(
    "aria-label",
    "Drawing area, for mouse, pen or finger. With the keyboard: the arrow keys move the pen, with " +
      "Shift in small steps; Space puts it on the paper and lifts it; Backspace takes a stroke back.",
  );

  function chosen(digit) {
    showMarks();
    layers.show(digit);
  }

  // ---------- drawing

  function start(event) {
    if (picture && many && event.type === "pointerdown") choose(event);
    else if (picture) clear();
    return !picture;
  }

  function changed() {
    if (many) answer = null; // its boxes are those of the drawing before
    fail("");
    show();
    // A page of boxes that flicker under the pen would only distract.
    if (drawing.strokes.length && (!many || drawing.pointer === null)) read();
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
  $(".clear").addEventListener("click", () => {
    clear();
    panel.say("Cleared.");
  });
  $(".ink").addEventListener("keydown", (event) => {
    if (event.key === "Backspace" && drawing.strokes.length) undo();
  });
  $(".width").addEventListener("input", () => {
    drawing.pen = pen * Number($(".width").value);
    show();
  });

  // ---------- pictures

  function take(file) {
    clear();
    const { maxBytes } = reader.server ?? { maxBytes: Infinity };
    if (file.size > maxBytes) {
      const size = (file.size / 1e6).toFixed(1);
      fail(
        `This file has ${size} MB; at most ${maxBytes / 1e6} MB can be read. Make the picture smaller.`,
      );
    } else if (!file.size) {
      fail("This file is empty.");
    } else {
      picture = file;
      show();
      read();
    }
  }

  for (const name of ["choose", "photo"]) {
    const input = $(`.${name}-file`);
    $(`.${name}`).addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      if (input.files.length) take(input.files[0]);
      input.value = ""; // so that the same file can be chosen again
    });
  }
  // A computer's browser would only ask for a file again.
  $(".photo").hidden = !matchMedia("(pointer: coarse)").matches;
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
    generation += 1;
    const mine = generation;
    const late = setTimeout(() => {
      $(".busy").hidden = false;
    }, 250);
    const result = await reader.read(picture ?? drawing.toCanvas(readWidth, margin), many);
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
        const width = stage.clientWidth;
        const height = (width * result.size[0]) / result.size[1];
        stage.style.aspectRatio = width / (Math.min(height, 1.33 * width) + image.offsetTop);
      }
    }
    // The beginning of a stroke may not stand out yet.
    const begun = !result.digits.length && drawing.pointer !== null;
    report(begun ? null : result);
  }

  function report(result) {
    answer = result;
    panel.show(answer?.digits ?? null);
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
    $(".hint").hidden = !empty || drawing.cursor !== null;
    $(".clear").disabled = empty;
    $(".undo").disabled = !drawing.strokes.length;
    stage.classList.toggle("read-only", many && !!picture);
  }

  // Where the picture's pixels are on the stage: `object-fit: contain`, below the room that
  // style.css leaves for the answers to the first line.
  function placement() {
    const [height, width] = answer.size;
    const room = picture ? (image.offsetTop * marks.height) / stage.clientHeight : 0;
    const scale = Math.min(marks.width / width, (marks.height - room) / height);
    const left = (marks.width - scale * width) / 2;
    return { scale, left, top: room + (marks.height - room - scale * height) / 2 };
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
      const gap = 3 * unit;
      const [x, y] = [left + x0 - gap, top + y0 - gap];
      // On a picture the paper is the photo's, not the theme's: colours that stand out on either.
      const onPhoto = digit.sure ? "#0b62a8" : "#d95f02";
      context.strokeStyle = picture ? onPhoto : color(digit.sure ? "--sure" : "--unsure");
      context.lineWidth = (digit === panel.digit ? 3.5 : 1.75) * unit;
      context.beginPath();
      context.roundRect(x, y, x1 - x0 + 2 * gap, y1 - y0 + 2 * gap, 4 * unit);
      context.stroke();
      const size = Math.min(26, Math.max(12, ((y1 - y0) / unit) * 0.34)) * unit;
      context.font = `700 ${size}px system-ui, sans-serif`;
      context.textBaseline = "bottom";
      context.lineWidth = 4 * unit;
      context.fillStyle = context.strokeStyle;
      context.strokeStyle = picture ? "#ffffff" : color("--paper");
      context.lineJoin = "round";
      const shown = reader.show(digit);
      const text = shown + (digit.sure || shown === "?" ? "" : "?");
      const base = Math.max(y - 2 * unit, size);
      context.strokeText(text, x, base);
      context.fillText(text, x, base);
    }
  }

  function choose(event) {
    if (!answer) return;
    const { scale, left, top } = placement();
    const point = drawing.place(event);
    const x = (point.x * marks.width - left) / scale;
    const y = (point.y * marks.width - top) / scale;
    const hit = answer.digits.find(
      ({ box }) => y >= box[0] && x >= box[1] && y < box[2] && x < box[3],
    );
    if (hit) panel.choose(hit);
  }

  // The size changes with the window and when the tab opens; the colours with the theme.
  new ResizeObserver(show).observe(stage);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  report(null);
  show();
}
