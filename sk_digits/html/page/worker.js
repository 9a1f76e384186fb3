// The worker reads pictures, so that the page goes on meanwhile.

import { normalizeDigit, segmentDigits } from "./digits.js";
import { Network } from "./network.js";
import { makeImage } from "./resize.js";

let network = null;

// What the page asks, by name. Each returns, or resolves to, what it is told.
const answers = {
  async open({ model }) {
    network = await Network.of(model);
    return {};
  },

  // `pixels` are grey, from 0, black, to 255.
  read({ pixels, width, height, many, isDrawing }) {
    const picture = makeImage(
      width,
      height,
      new Float32Array(pixels).map((value) => value / 255),
    );
    const found = many
      ? segmentDigits(picture, isDrawing)
      : normalizeDigit(picture, isDrawing).map((image) => ({ image, box: null, line: null }));
    const digits = found.map((digit) => ({ ...digit, ...network.read(digit.image) }));
    return { digits, size: [height, width] };
  },

  // The values of the units of each hidden layer.
  units({ image }) {
    return { layers: network.run(image).slice(0, -1) };
  },

  weights({ unit }) {
    return { weights: network.weightsOf(unit) };
  },
};

addEventListener("message", async ({ data: { id, name, question } }) => {
  try {
    postMessage({ id, answer: await answers[name](question) });
  } catch (error) {
    postMessage({ id, answer: { error: error.message } });
  }
});
