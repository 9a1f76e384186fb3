// Which pixels of a picture are ink, and how much darker than the paper they are.
// As sk_digits/_images/ink.py, without what it does about ruled lines, shadows and colours.

import { makeImage, resize, shrink, transpose } from "./resize.js";
import { findStrokes } from "./shapes.js";

const MIN_DEPTH = 0.04; // of the paper's brightness; fainter marks are stains
const MIN_DEPTH_IN_NOISE = 4.5; // in standard deviations of the noise
const MIN_LEVEL = 2; // mean depth of a stroke, in those of the faintest mark; less is grain or shadow
const MIN_INNER_AREA = 0.0005; // in areas of the picture, of writing that something surrounds
const MAX_SPECK_AREA = 0.01; // in areas of the largest stroke
const PAPER_PX = 192; // longer side of the picture in which the paper is looked for

// The part of the values that is smaller than what is returned is `share`.
function quantile(values, share) {
  const sorted = Float32Array.from(values).sort();
  return sorted[Math.round(share * (sorted.length - 1))] ?? 0;
}

// The largest value of `sign * data` in windows of 2 * reach + 1 pixels along the rows.
function extremesOfRows({ width, height, data }, reach, sign) {
  const result = makeImage(width, height);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const [first, last] = [Math.max(x - reach, 0), Math.min(x + reach, width - 1)];
      let most = -Infinity;
      for (let j = first; j <= last; j++) most = Math.max(most, sign * data[y * width + j]);
      result.data[i] = sign * most;
    }
  }
  return result;
}

function extremes(image, reach, sign) {
  return transpose(extremesOfRows(transpose(extremesOfRows(image, reach, sign)), reach, sign));
}

// How much darker than the paper each pixel is, from 0 to 1. The paper is what is left when dark
// marks narrower than `window` pixels are closed, so it follows uneven light.
function depthOf(brightness, window) {
  const factor = Math.max(1, Math.floor(Math.max(brightness.width, brightness.height) / PAPER_PX));
  const reach = Math.floor(window / factor / 2);
  const closed = extremes(extremes(shrink(brightness, factor), reach, 1), reach, -1);
  const paper = factor > 1 ? resize(closed, brightness.width, brightness.height) : closed;
  // Noise lifts the closing above the mean of the paper.
  const bias = quantile(
    paper.data.map((value, i) => value - brightness.data[i]),
    0.5,
  );
  const floor = 0.25 * paper.data.reduce((most, value) => Math.max(most, value), 0) + 1e-6;
  return brightness.data.map((value, i) =>
    Math.min(Math.max(1 - value / Math.max(paper.data[i] - (bias < 0.1 ? bias : 0), floor), -1), 1),
  );
}

// The threshold between two kinds of values that are from 0 to 1.
// N. Otsu. "A Threshold Selection Method from Gray-Level Histograms", 1979.
function otsu(values) {
  const counts = new Float64Array(256);
  for (const value of values) counts[Math.min(255, Math.floor(256 * value))] += 1;
  let [n, sum, best, threshold] = [0, 0, -1, 0];
  const total = counts.reduce((all, count, i) => all + count * i, 0);
  for (let i = 0; i < 255; i++) {
    n += counts[i];
    sum += counts[i] * i;
    const rest = values.length - n;
    const between = n && rest ? n * rest * (sum / n - (total - sum) / rest) ** 2 : 0;
    if (between > best) [best, threshold] = [between, (i + 1) / 256];
  }
  return threshold;
}

// The picture with dark writing on light ground. Ink is rare, so it is the longer tail of what
// differs from the brightness around.
export function asDarkInk(brightness) {
  const small = shrink(brightness, Math.ceil(Math.max(brightness.width, brightness.height) / 64));
  const reach = 12;
  let third = 0;
  for (let y = 0, i = 0; y < small.height; y++) {
    for (let x = 0; x < small.width; x++, i++) {
      let [sum, n] = [0, 0];
      for (let v = Math.max(y - reach, 0); v <= Math.min(y + reach, small.height - 1); v++) {
        for (let u = Math.max(x - reach, 0); u <= Math.min(x + reach, small.width - 1); u++) {
          sum += small.data[v * small.width + u];
          n += 1;
        }
      }
      third += (small.data[i] - sum / n) ** 3;
    }
  }
  if (third <= 0) return brightness;
  const inverted = brightness.data.map((value) => 1 - value);
  return makeImage(brightness.width, brightness.height, inverted);
}

// The ink of a picture, whose brightness is from 0, dark writing, to 1: its depth, the noise of that
// on paper, and its strokes. A drawing is black on white without noise. No stroke is as wide as
// `window` pixels. `faint` is how deep the faint parts of a stroke are, in depths of what is ink
// without doubt.
export function findInk(picture, window, isDrawing, faint = 0.7) {
  const { width, height } = picture;
  const raw = isDrawing ? picture.data.map((value) => 1 - value) : depthOf(picture, window);
  let noise = 0;
  if (!isDrawing) {
    const steps = raw.map((value, i) => Math.abs(value - raw[Math.max(i - 3, 0)]));
    noise = (quantile(steps, 0.5) * 1.4826) / Math.SQRT2;
  }
  const depth = raw.map((value) => Math.max(value, 0));
  const floor = Math.max(MIN_DEPTH, MIN_DEPTH_IN_NOISE * noise);
  const marks = depth.filter((value) => value > floor);
  const threshold = marks.length < 4 ? 1 : Math.max(floor, otsu(marks));
  const least = Math.max(floor, faint * threshold);
  const mask = makeImage(
    width,
    height,
    depth.map((value) => (value > least ? 1 : 0)),
  );
  const { labels, boxes, areas } = findStrokes(mask);
  const sums = new Float64Array(boxes.length + 1);
  const deepest = new Float64Array(boxes.length + 1);
  for (let i = 0; i < labels.length; i++) {
    sums[labels[i]] += depth[i];
    deepest[labels[i]] = Math.max(deepest[labels[i]], depth[i]);
  }
  const isInk = (i) =>
    deepest[i + 1] > threshold && (isDrawing || sums[i + 1] / areas[i] > MIN_LEVEL * floor);
  const inked = [...boxes.keys()].filter(isInk);
  const filled = (i) => areas[i] / ((boxes[i][2] - boxes[i][0]) * (boxes[i][3] - boxes[i][1]));
  const sides = (i) => touchedSides(boxes[i], width, height);
  // What touches two sides is the table, the edge of the paper or a shadow.
  const inner = inked.filter((i) => isDrawing || sides(i).length < 2);
  const isRich = inner.some((i) => areas[i] >= MIN_INNER_AREA * width * height);
  const kept = isRich
    ? inner
    : inked.filter((i) => inner.includes(i) || isCut(sides(i), filled(i)));
  const largest = kept.reduce((most, i) => Math.max(most, areas[i]), 0);
  const strokes = kept.filter((i) => areas[i] >= MAX_SPECK_AREA * largest);
  return { width, height, depth, noise, labels, boxes, areas, strokes };
}

function touchedSides([top, left, bottom, right], width, height) {
  const touches = {
    top: top === 0,
    left: left === 0,
    bottom: bottom === height,
    right: right === width,
  };
  return Object.keys(touches).filter((side) => touches[side]);
}

// Whether a stroke may be a digit that is cut out along its box: it reaches from side to side, and
// is no band along a side.
function isCut(sides, filled) {
  const spans = [
    ["top", "bottom"],
    ["left", "right"],
  ].some((pair) => pair.every((side) => sides.includes(side)));
  return spans && (sides.length < 3 || filled < 0.6);
}

// The box around strokes: [top, left, bottom, right].
export function join(ink, members) {
  const boxes = members.map((i) => ink.boxes[i]);
  return [0, 1, 2, 3].map((edge) =>
    boxes.reduce((far, box) => (edge < 2 ? Math.min : Math.max)(far, box[edge]), boxes[0][edge]),
  );
}

// How much of each pixel the strokes cover, from 0 to 1. `zoom` is how much the picture was enlarged
// before its ink was found.
export function cover(ink, members, zoom = 1) {
  const reach = 2 * Math.ceil(zoom); // pixels beyond the outline may hold a trace of ink
  const [top, left, bottom, right] = join(ink, members);
  const [y0, x0] = [Math.max(0, top - reach), Math.max(0, left - reach)];
  const [y1, x1] = [Math.min(ink.height, bottom + reach), Math.min(ink.width, right + reach)];
  const chosen = new Set(members.map((i) => i + 1));
  const drawn = makeImage(x1 - x0, y1 - y0);
  const levels = [];
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      if (chosen.has(ink.labels[y * ink.width + x])) levels.push(ink.depth[y * ink.width + x]);
    }
  }
  const level = quantile(levels, 0.75);
  // Large digits are drawn by their outline, small ones by their shades of grey too.
  const size = Math.max(bottom - top, right - left) / zoom;
  const steep = 0.3 * Math.min(Math.max((size - 28) / 72, 0), 1);
  const low = Math.max(3 * ink.noise, steep * level);
  const high = Math.max((1 - steep) * level, 1.5 * low, 1e-6);
  const isNear = dilate(ink, chosen, [y0, x0, y1, x1], reach);
  for (let y = y0, i = 0; y < y1; y++) {
    for (let x = x0; x < x1; x++, i++) {
      const at = y * ink.width + x;
      const isOther = ink.labels[at] && !chosen.has(ink.labels[at]);
      if (!isOther && isNear[i]) {
        drawn.data[i] = Math.min(Math.max((ink.depth[at] - low) / (high - low), 0), 1);
      }
    }
  }
  return drawn;
}

// Which pixels of a box are within `reach` pixels of the chosen strokes, sideways or down.
function dilate(ink, chosen, [y0, x0, y1, x1], reach) {
  const mask = makeImage(x1 - x0, y1 - y0);
  for (let y = y0, i = 0; y < y1; y++) {
    for (let x = x0; x < x1; x++, i++)
      mask.data[i] = chosen.has(ink.labels[y * ink.width + x]) ? 1 : 0;
  }
  return extremes(mask, reach, 1).data;
}
