// Images of numbers, { width, height, data }, and their size. As in Pillow's resize and reduce.

export function makeImage(width, height, data = new Float32Array(width * height)) {
  return { width, height, data };
}

// Round to the nearest integer, and halves to the even one, as Python does.
export function roundHalfEven(x) {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 ? below + 1 : below;
}

export function crop(image, top, left, bottom, right) {
  const part = makeImage(right - left, bottom - top);
  for (let y = top; y < bottom; y++) {
    const row = image.data.subarray(y * image.width + left, y * image.width + right);
    part.data.set(row, (y - top) * part.width);
  }
  return part;
}

// The image with `rows` and `columns` of zeros on each side.
export function pad(image, rows, columns) {
  const { width, height, data } = image;
  const wide = makeImage(width + 2 * columns, height + 2 * rows);
  for (let y = 0; y < height; y++) {
    wide.data.set(data.subarray(y * width, (y + 1) * width), (y + rows) * wide.width + columns);
  }
  return wide;
}

export function transpose({ width, height, data }) {
  const turned = makeImage(height, width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) turned.data[x * height + y] = data[y * width + x];
  }
  return turned;
}

// The mean of blocks of `factor` x `factor` pixels; the last row and column may hold less.
export function shrink(image, factor) {
  if (factor === 1) return image;
  const small = makeImage(Math.ceil(image.width / factor), Math.ceil(image.height / factor));
  for (let y = 0; y < small.height; y++) {
    const bottom = Math.min((y + 1) * factor, image.height);
    for (let x = 0; x < small.width; x++) {
      const right = Math.min((x + 1) * factor, image.width);
      let sum = 0;
      for (let i = y * factor; i < bottom; i++) {
        for (let j = x * factor; j < right; j++) sum += image.data[i * image.width + j];
      }
      small.data[y * small.width + x] = sum / ((bottom - y * factor) * (right - x * factor));
    }
  }
  return small;
}

const BOX = { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) };
const BICUBIC = {
  support: 2,
  weight(x) {
    const d = Math.abs(x);
    if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
    return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
  },
};

function resizeRows(image, width, filter) {
  const scale = image.width / width;
  const wider = Math.max(scale, 1);
  const resized = makeImage(width, image.height);
  for (let x = 0; x < width; x++) {
    const centre = (x + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - filter.support * wider + 0.5));
    const last = Math.min(image.width, Math.floor(centre + filter.support * wider + 0.5));
    const weights = [];
    for (let i = first; i < last; i++) weights.push(filter.weight((i - centre + 0.5) / wider));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (let y = 0; y < image.height; y++) {
      let sum = 0;
      for (let i = first; i < last; i++)
        sum += image.data[y * image.width + i] * weights[i - first];
      resized.data[y * width + x] = sum / total;
    }
  }
  return resized;
}

// The image in another size: averages where it is shrunk, splines where it is enlarged.
export function resize(image, width, height) {
  const filter = width < image.width || height < image.height ? BOX : BICUBIC;
  return transpose(resizeRows(transpose(resizeRows(image, width, filter)), height, filter));
}
