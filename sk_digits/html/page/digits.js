// Strokes as digits: one, or several in lines. As sk_digits/_images/grouping.py and segmentation.py.

import { frame, isFramed } from "./frame.js";
import { asDarkInk, cover, findInk, join } from "./ink.js";
import { crop, makeImage, resize, shrink } from "./resize.js";

const MAX_STROKES = 1500; // of a page
const SMALL_PX = 64; // longer side of a small picture
const DETAIL_PX = 128; // longer side of a digit when it is looked at closely
const MIN_SECOND = 0.45; // longer side of a second digit, in longer sides of the first
const MIN_SECOND_AREA = 0.15; // ink of a second digit, in that of the first; less is a piece
const MAX_STROKE_GAP = 0.35; // between a digit and its small strokes, in longer sides of the digit
// All in heights of the writing:
const MIN_DIGIT = 0.4; // height or width of a digit; smaller groups of strokes are specks
const MAX_PIECE = 0.65; // height of a stroke that may be a piece of a digit
const MAX_SPECK = 0.12; // height or width
const MAX_GAP = 0.1; // between a digit and its piece
const MAX_GAP_DOWN = 0.35; // between a digit and a piece above or below it
const MAX_HEIGHT = 1.5; // of a digit of several strokes
const MAX_WIDTH = 1.3; // of one digit; wider strokes may be two digits that touch

// By how much two boxes overlap along an axis, 0 for rows; negative for a gap.
const overlap = (a, b, axis) => Math.min(a[axis + 2], b[axis + 2]) - Math.max(a[axis], b[axis]);
const enclose = (a, b) => a.map((edge, i) => (i < 2 ? Math.min : Math.max)(edge, b[i]));
const gapOf = (a, b) => Math.hypot(Math.min(overlap(a, b, 0), 0), Math.min(overlap(a, b, 1), 0));
const sizeOf = ([top, left, bottom, right]) => Math.max(bottom - top, right - left);
const areaOf = (ink, members) => members.reduce((sum, i) => sum + ink.areas[i], 0);

// Whether the strokes in two boxes are pieces of one digit.
function belong(a, b, height) {
  const [across, down, whole] = [overlap(a, b, 1), overlap(a, b, 0), enclose(a, b)];
  if (down < -MAX_GAP_DOWN * height || whole[2] - whole[0] > MAX_HEIGHT * height) return false;
  const smaller = Math.min(a[2] - a[0], b[2] - b[0]);
  // Two digits side by side, one of which leans over the other
  if (smaller >= MAX_PIECE * height && down > 0.5 * smaller) return false;
  if (across > 0.5 * Math.min(a[3] - a[1], b[3] - b[1])) return true;
  const fits = whole[3] - whole[1] <= MAX_WIDTH * height;
  return gapOf(a, b) <= MAX_GAP * height && fits && smaller < MAX_PIECE * height;
}

// The groups of strokes that are digits of about one height, without specks.
function groupStrokes(ink, height) {
  let groups = [];
  for (const i of ink.strokes.toSorted((a, b) => ink.areas[b] - ink.areas[a])) {
    let [members, box] = [[i], ink.boxes[i]];
    if (sizeOf(box) < MAX_SPECK * height) continue;
    if (box[2] - box[0] <= MAX_HEIGHT * height) {
      const near = groups.filter((group) => belong(group.box, ink.boxes[i], height));
      groups = groups.filter((group) => !near.includes(group));
      for (const group of near) {
        members = members.concat(group.members);
        box = enclose(box, group.box);
      }
    }
    groups.push({ members, box });
  }
  return groups.filter(({ box }) => sizeOf(box) > MIN_DIGIT * height);
}

// The median height of strokes, weighted by area so that specks hardly count.
function heightOf(ink) {
  const heights = ink.strokes.map((i) => [ink.boxes[i][2] - ink.boxes[i][0], ink.areas[i]]);
  heights.sort((a, b) => a[0] - b[0]);
  const half = areaOf(ink, ink.strokes) / 2;
  let sum = 0;
  for (const [height, area] of heights) {
    sum += area;
    if (sum >= half) return height;
  }
}

// The column where two digits touch, given the extent of ink in each column; null if it is one.
function findValley(ink, i, height) {
  const [top, left, bottom, right] = ink.boxes[i];
  const edge = Math.max(1, Math.floor(0.4 * height));
  const width = right - left;
  if (width <= Math.max(MAX_WIDTH * Math.max(height, 0.9 * (bottom - top)), 2 * edge + 1))
    return null;
  const ends = Array.from({ length: width }, (_, x) => {
    let [first, last] = [bottom, top];
    for (let y = top; y < bottom; y++) {
      if (ink.labels[y * ink.width + left + x] !== i + 1) continue;
      first = Math.min(first, y);
      last = y + 1;
    }
    return [first, last];
  });
  const reach = Math.floor(0.025 * height);
  const smooth = ends.map((_, x) => {
    const near = ends.slice(Math.max(x - reach, 0), x + reach + 1);
    return near.reduce((sum, [first, last]) => sum + Math.max(last - first, 0), 0) / near.length;
  });
  let cut = edge;
  for (let x = edge; x < width - edge; x++) if (smooth[x] < smooth[cut]) cut = x;
  const sides = [
    [0, cut],
    [cut, width],
  ].map(([from, to]) => {
    const part = ends.slice(from, to);
    const extent = Math.max(...part.map((end) => end[1])) - Math.min(...part.map((end) => end[0]));
    return { extent, peak: Math.max(...smooth.slice(from, to)) };
  });
  const areTall = sides.every(({ extent }) => extent - 1 > MAX_PIECE * height);
  return areTall && smooth[cut] < 0.6 * Math.min(sides[0].peak, sides[1].peak) ? left + cut : null;
}

// Cut strokes that are several digits wide where they touch.
function splitTouching(ink, height) {
  const todo = [...ink.strokes];
  while (todo.length) {
    const i = todo.pop();
    const cut = findValley(ink, i, height);
    if (cut === null) continue;
    const [top, left, bottom, right] = ink.boxes[i];
    const other = ink.boxes.push([bottom, right, top, cut]) - 1;
    ink.boxes[i] = [bottom, cut, top, left];
    ink.areas[i] = 0;
    ink.areas.push(0);
    ink.strokes.push(other);
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) {
        const at = y * ink.width + x;
        if (ink.labels[at] !== i + 1) continue;
        const owner = x < cut ? i : other;
        ink.labels[at] = owner + 1;
        ink.areas[owner] += 1;
        ink.boxes[owner] = enclose(ink.boxes[owner], [y, x, y + 1, x + 1]);
      }
    }
    todo.push(i, other);
  }
}

// Lines of groups from top to bottom, each from left to right. A line may slant.
function orderInLines(groups) {
  const lines = [];
  for (const group of groups.toSorted((a, b) => a.box[1] - b.box[1])) {
    const beside = (line) => {
      const last = line.at(-1).box;
      const smaller = Math.min(group.box[2] - group.box[0], last[2] - last[0]);
      return overlap(group.box, last, 0) / smaller;
    };
    const best = lines.toSorted((a, b) => beside(b) - beside(a))[0];
    if (best && beside(best) > 0.35) best.push(group);
    else lines.push([group]);
  }
  const middle = (line) => line.reduce((sum, { box }) => sum + box[0] + box[2], 0) / line.length;
  return lines.sort((a, b) => middle(a) - middle(b));
}

// The digits of a page: { image, box, line }, in reading order.
export function segmentDigits(picture, isDrawing) {
  const factor = Math.ceil(Math.max(picture.width, picture.height) / 1600);
  const small = shrink(picture, factor);
  const page = isDrawing ? small : asDarkInk(small);
  const ink = findInk(page, Math.max(0.15 * Math.max(page.width, page.height), 20), isDrawing);
  if (!ink.strokes.length) return [];
  if (ink.strokes.length > MAX_STROKES) {
    throw new Error("The picture has too many separate marks. Crop it to its digits.");
  }
  const height = heightOf(ink);
  if (height < 8) return [];
  splitTouching(ink, height);
  return orderInLines(groupStrokes(ink, height)).flatMap((groups, line) =>
    groups.map(({ members, box }) => ({
      image: frame(cover(ink, members)),
      box: box.map((edge) => edge * factor),
      line,
    })),
  );
}

// The one digit of a picture as a list, empty if there is none. `picture` is from 0, black, to 1.
export function normalizeDigit(given, isDrawing) {
  const levels = given.data.map((value) => Math.round(255 * value));
  if (isFramed(makeImage(given.width, given.height, levels))) return [Uint8Array.from(levels)];
  const picture = isDrawing ? given : asDarkInk(given);
  const longer = Math.max(picture.width, picture.height);
  const small = shrink(picture, Math.ceil(longer / 400));
  const zoom = Math.max(1, Math.round(200 / longer));
  const overview = resizeBy(small, zoom);
  const faint = longer <= SMALL_PX ? 0.5 : 0.7; // strokes of small pictures may be narrower than a pixel
  const window = 0.3 * Math.max(overview.width, overview.height);
  const ink = findInk(overview, window, isDrawing, faint);
  const chosen = chooseDigit(ink);
  if (!chosen) return [];
  const scale = Math.ceil(longer / 400) / zoom;
  const [top, left, bottom, right] = join(ink, chosen).map((edge) => edge * scale);
  const size = Math.max(bottom - top, right - left);
  // A close look, at the size at which Python looks at it too.
  const margin = 0.4 * size + 2;
  const y = Math.max(0, Math.floor(top - margin));
  const x = Math.max(0, Math.floor(left - margin));
  const y1 = Math.min(picture.height, Math.ceil(bottom + margin));
  const x1 = Math.min(picture.width, Math.ceil(right + margin));
  const factor = Math.max(1, Math.floor(size / DETAIL_PX));
  const nearZoom = Math.max(1, Math.round(DETAIL_PX / size));
  const detail = resizeBy(shrink(crop(picture, y, x, y1, x1), factor), nearZoom);
  const near = findInk(detail, (0.6 * size * nearZoom) / factor, isDrawing, faint);
  // Of the strokes there, those that are the digit's in the overview too.
  const isChosen = ([y2, x2, y3, x3]) => {
    const place = (edge, start) => ((edge * factor) / nearZoom + start) / scale;
    const box = [place(y2, y), place(x2, x), place(y3, y), place(x3, x)];
    return chosen.some((i) => gapOf(ink.boxes[i], box) === 0);
  };
  const members = near.strokes.filter((i) => isChosen(near.boxes[i]));
  return members.length ? [frame(cover(near, members, nearZoom))] : [];
}

function resizeBy(image, zoom) {
  if (zoom === 1) return image;
  const enlarged = resize(image, zoom * image.width, zoom * image.height);
  enlarged.data.forEach((value, i) => {
    enlarged.data[i] = Math.min(Math.max(value, 0), 1);
  });
  return enlarged;
}

// The strokes of the one digit of a picture; null if there is none.
function chooseDigit(ink) {
  if (!ink.strokes.length) return null;
  const most = Math.max(...ink.strokes.map((i) => ink.areas[i]));
  const main = ink.strokes.filter((i) => ink.areas[i] >= 0.1 * most);
  const height = Math.max(...main.map((i) => ink.boxes[i][2] - ink.boxes[i][0]));
  const groups = groupStrokes(ink, height);
  if (!groups.length) return null;
  groups.sort((a, b) => areaOf(ink, b.members) - areaOf(ink, a.members));
  const first = [...groups[0].members];
  for (const { members, box } of groups.slice(1)) {
    const isSmall = areaOf(ink, members) < MIN_SECOND_AREA * areaOf(ink, first);
    if (isSmall && gapOf(box, join(ink, first)) <= MAX_STROKE_GAP * sizeOf(join(ink, first))) {
      first.push(...members);
    } else if (!isSmall && sizeOf(box) >= MIN_SECOND * sizeOf(join(ink, first))) {
      throw new Error("There are several digits. The other tab reads them all.");
    }
  }
  return first;
}
