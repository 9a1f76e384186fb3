// Masks of ink: connected strokes, distances and skeletons. A mask is an image of 0 and 1.

// The strokes of a mask, connected by sides and corners: `labels` is 0 outside, i + 1 for the stroke
// of index i; each box is [top, left, bottom, right], half-open.
export function findStrokes({ width, height, data }) {
  const labels = new Int32Array(width * height);
  const [boxes, areas] = [[], []];
  for (let start = 0; start < data.length; start++) {
    if (!data[start] || labels[start]) continue;
    const box = [height, width, 0, 0];
    const todo = [start];
    labels[start] = boxes.push(box);
    let area = 0;
    while (todo.length) {
      const at = todo.pop();
      const [y, x] = [(at / width) | 0, at % width];
      area += 1;
      box[0] = Math.min(box[0], y);
      box[1] = Math.min(box[1], x);
      box[2] = Math.max(box[2], y + 1);
      box[3] = Math.max(box[3], x + 1);
      for (let i = Math.max(y - 1, 0); i <= Math.min(y + 1, height - 1); i++) {
        for (let j = Math.max(x - 1, 0); j <= Math.min(x + 1, width - 1); j++) {
          const next = i * width + j;
          if (!data[next] || labels[next]) continue;
          labels[next] = labels[start];
          todo.push(next);
        }
      }
    }
    areas.push(area);
  }
  return { labels, boxes, areas };
}

// Squared distances along a line to the parabolas that stand on it: the lower envelope.
// P. Felzenszwalb and D. Huttenlocher. "Distance Transforms of Sampled Functions", 2012.
function transformLine(values) {
  const n = values.length;
  const feet = new Int32Array(n);
  const edges = new Float64Array(n + 1);
  edges[0] = -Infinity;
  edges[1] = Infinity;
  let last = 0;
  const crossing = (p, q) => (values[q] + q * q - values[p] - p * p) / (2 * (q - p));
  for (let q = 1; q < n; q++) {
    while (crossing(feet[last], q) <= edges[last]) last -= 1;
    edges[last + 1] = crossing(feet[last], q);
    last += 1;
    feet[last] = q;
    edges[last + 1] = Infinity;
  }
  const result = new Float64Array(n);
  for (let q = 0, k = 0; q < n; q++) {
    while (edges[k + 1] < q) k += 1;
    result[q] = (q - feet[k]) ** 2 + values[feet[k]];
  }
  return result;
}

// The distance of each pixel of the mask to the nearest one outside, which must be in the image.
export function distances({ width, height, data }) {
  const far = width * width + height * height;
  const squares = new Float64Array(data).map((inside) => (inside ? far : 0));
  const column = new Float64Array(height);
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) column[y] = squares[y * width + x];
    const transformed = transformLine(column);
    for (let y = 0; y < height; y++) squares[y * width + x] = transformed[y];
  }
  for (let y = 0; y < height; y++) {
    squares.set(transformLine(squares.subarray(y * width, (y + 1) * width)), y * width);
  }
  return squares.map(Math.sqrt);
}

// The mask thinned to lines of one pixel; its outermost pixels must be 0.
// T. Zhang and C. Suen. "A fast parallel algorithm for thinning digital patterns", 1984.
export function skeletonOf({ width, data }) {
  const skeleton = new Uint8Array(data);
  const around = [-width, 1 - width, 1, width + 1, width, width - 1, -1, -width - 1];
  const p = new Uint8Array(8); // of a pixel, those around it
  const inked = [];
  for (let i = 0; i < skeleton.length; i++) if (skeleton[i]) inked.push(i);
  // Whether a pixel can go: it is on the outline, and what is left of it stays connected.
  const canGo = (i, first) => {
    if (skeleton[i - 1] && skeleton[i + 1] && skeleton[i - width] && skeleton[i + width])
      return false;
    for (let k = 0; k < 8; k++) p[k] = skeleton[i + around[k]];
    let [n, steps] = [0, 0];
    for (let k = 0; k < 8; k++) {
      n += p[k];
      steps += !p[k] && p[(k + 1) % 8] ? 1 : 0;
    }
    if (n < 2 || n > 6 || steps !== 1) return false;
    return first
      ? !(p[0] && p[2] && p[4]) && !(p[2] && p[4] && p[6])
      : !(p[0] && p[2] && p[6]) && !(p[0] && p[4] && p[6]);
  };
  let left = inked;
  for (let changed = true; changed; ) {
    changed = false;
    for (const first of [true, false]) {
      const gone = left.filter((i) => canGo(i, first));
      for (const i of gone) skeleton[i] = 0;
      left = left.filter((i) => skeleton[i]);
      changed ||= gone.length > 0;
    }
  }
  return skeleton;
}
