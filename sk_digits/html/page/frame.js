// A digit as MNIST has it: as sk_digits/_images/mnist_frame.py, step by step.

import { crop, makeImage, pad, resize, roundHalfEven } from "./resize.js";
import { distances, skeletonOf } from "./shapes.js";

const FRAME_PX = 28; // side of the frame
const BOX_PX = 20; // longer side of the digit in the frame
const MIN_STROKE_PX = 2.2; // width of strokes in the frame
const MAX_TRIED = 20; // slants in either direction, up to 1
const MAX_SLANT = 0.45; // columns that the ink moves to the right in each row
const KEPT_SLANT = 0.35; // of a digit that slants more
const MIN_REDRAWN_PX = 40; // longer side of a digit whose strokes are widened

// The image without empty rows and columns at its sides.
function cropToInk(image) {
  const { width, height, data } = image;
  let [top, left, bottom, right] = [height, width, 0, 0];
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (!data[i]) continue;
      top = Math.min(top, y);
      bottom = y + 1;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
    }
  }
  return { top, left, image: crop(image, top, left, bottom, right) };
}

// The top and left of a box in the frame that put its centre of mass at (14, 14).
function cornerOf({ width, height, data }) {
  let [mass, down, across] = [0, 0, 0];
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      mass += data[i];
      down += data[i] * y;
      across += data[i] * x;
    }
  }
  const place = (moment, side) =>
    Math.min(Math.max(roundHalfEven(FRAME_PX / 2 - moment / mass), 0), FRAME_PX - side);
  return [place(down, height), place(across, width)];
}

// Whether an image with values from 0 to 255 is in MNIST's form, so that `frame` would not change it.
export function isFramed(image) {
  if (image.width !== FRAME_PX || image.height !== FRAME_PX) return false;
  if (Math.max(...image.data) < 250) return false;
  if (image.data.filter((value) => value).length > image.data.length / 2) return false;
  const { top, left, image: box } = cropToInk(image);
  const [y, x] = cornerOf(box);
  return Math.max(box.width, box.height) === BOX_PX && y === top && x === left;
}

// The slant of strokes if it is strong, else 0: by the moments of their ink, or where they stand
// most upright.
function findSlant({ width, height, data }) {
  const inked = [];
  let [mass, meanX, meanY] = [0, 0, 0];
  data.forEach((ink, i) => {
    if (!ink) return;
    inked.push(i);
    mass += ink;
    meanX += ink * (i % width);
    meanY += ink * Math.floor(i / width);
  });
  const across = inked.map((i) => (i % width) - meanX / mass);
  const down = inked.map((i) => Math.floor(i / width) - meanY / mass);
  let [both, square] = [0, 0];
  inked.forEach((i, at) => {
    both += data[i] * across[at] * down[at];
    square += data[i] * down[at] ** 2;
  });
  const byMoments = both / Math.max(square, 1e-9);
  if (Math.abs(byMoments) <= MAX_SLANT) return 0;
  let [upright, most] = [0, -1];
  const room = width + height + 1; // a shear moves ink by fewer columns than this
  for (let step = -MAX_TRIED; step <= MAX_TRIED; step++) {
    const slant = step / MAX_TRIED;
    const columns = new Float64Array(2 * room);
    inked.forEach((i, at) => {
      columns[roundHalfEven(across[at] - slant * down[at]) + room] += data[i];
    });
    const peaks = columns.reduce((sum, column) => sum + column ** 2, 0);
    if (peaks > most) [upright, most] = [slant, peaks];
  }
  const slant = Math.abs(byMoments) <= Math.abs(upright) ? byMoments : upright;
  return byMoments * upright > 0 && Math.abs(slant) > MAX_SLANT ? slant : 0;
}

// Shear strokes that slant strongly until they slant as in MNIST.
function straighten(strokes) {
  const { height } = strokes;
  const slant = findSlant(strokes);
  if (slant === 0) return strokes;
  const excess = slant - Math.sign(slant) * KEPT_SLANT;
  const wide = pad(strokes, 0, Math.ceil((Math.abs(excess) * height) / 2) + 1);
  const sheared = makeImage(wide.width, height);
  for (let y = 0; y < height; y++) {
    const shift = excess * (y - (height - 1) / 2);
    const whole = Math.floor(shift);
    for (let x = 0; x < wide.width; x++) {
      const at = (column) =>
        column >= 0 && column < wide.width ? wide.data[y * wide.width + column] : 0;
      const part = shift - whole;
      sheared.data[y * wide.width + x] = (1 - part) * at(x + whole) + part * at(x + whole + 1);
    }
  }
  return sheared;
}

// Widen the strokes of a thin pen to the width that they have in MNIST.
function thicken(strokes) {
  const size = Math.max(strokes.width, strokes.height);
  const padded = pad(strokes, 1, 1);
  const inside = padded.data.map((ink) => (ink > 0.5 ? 1 : 0));
  if (size < MIN_REDRAWN_PX || !inside.includes(1)) return strokes;
  const mask = makeImage(padded.width, padded.height, inside);
  const toPaper = distances(mask);
  const skeleton = skeletonOf(mask);
  const radii = toPaper.filter((_, i) => skeleton[i]).sort();
  const middle = radii.length >> 1;
  const median = radii.length % 2 ? radii[middle] : (radii[middle - 1] + radii[middle]) / 2;
  const missing = (MIN_STROKE_PX * size) / BOX_PX / 2 - median;
  if (missing <= 0) return strokes;
  const room = Math.floor(missing) + 2;
  const wide = pad(padded, room, room);
  const toInk = distances(
    makeImage(
      wide.width,
      wide.height,
      wide.data.map((ink) => (ink > 0.5 ? 0 : 1)),
    ),
  );
  wide.data.forEach((ink, i) => {
    wide.data[i] = Math.max(ink, Math.min(Math.max(missing + 1 - toInk[i], 0), 1));
  });
  return wide;
}

// The strokes, whose ink is from 0 to 1, scaled to the box of 20x20 pixels and centred by mass.
export function frame(strokes) {
  let ink = thicken(straighten(cropToInk(strokes).image));
  ink = cropToInk(ink).image;
  const factor = BOX_PX / Math.max(ink.width, ink.height);
  if (factor !== 1) {
    const side = (length) => Math.max(1, roundHalfEven(length * factor));
    ink = resize(ink, side(ink.width), side(ink.height));
  }
  const largest = ink.data.reduce((most, value) => Math.max(most, value), 0);
  const box = makeImage(ink.width, ink.height);
  ink.data.forEach((value, i) => {
    const level = Math.min(Math.max((value * 255) / largest, 0), 255);
    // A pixel with any ink keeps some, so that the box has the same size when it is framed again.
    box.data[i] = level > 1e-3 ? Math.max(roundHalfEven(level), 1) : 0;
  });
  const [top, left] = cornerOf(box);
  const image = new Uint8Array(FRAME_PX * FRAME_PX);
  for (let y = 0; y < box.height; y++) {
    for (let x = 0; x < box.width; x++) {
      image[(top + y) * FRAME_PX + left + x] = box.data[y * box.width + x];
    }
  }
  return image;
}
