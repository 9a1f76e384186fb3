// The network: its weights from the page's text, and the forward pass.

// A number of 16 bits, as IEEE 754 has it.
function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  return (
    sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : (fraction / 1024) * 2 ** -14)
  );
}

// Resolves to the bytes of base64 text that was deflated.
async function inflate(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

// Rows of weights in any precision as numbers of 32 bits.
function readWeights(take, precision, nUnits, nInputs) {
  const n = nUnits * nInputs;
  if (precision === "float32") return new Float32Array(take(4 * n));
  if (precision === "float16") return Float32Array.from(new Uint16Array(take(2 * n)), fromHalf);
  const scales = new Float32Array(take(4 * nUnits));
  const levels = new Int8Array(take(n));
  const weights = new Float32Array(n);
  for (let i = 0; i < n; i++) weights[i] = levels[i] * scales[(i / nInputs) | 0];
  return weights;
}

const ACTIVATIONS = {
  identity: (z) => z,
  relu: (z) => Math.max(z, 0),
  logistic: (z) => 1 / (1 + Math.exp(-z)),
  tanh: Math.tanh,
};

function softmax(logits, temperature) {
  const largest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp((logit - largest) / temperature));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

export class Network {
  // Resolves to the network that `describe_model` in _network.py describes.
  static async of(model) {
    const network = new Network();
    const buffer = await inflate(model.weights);
    let start = 0;
    const take = (nBytes) => {
      start += nBytes;
      return buffer.slice(start - nBytes, start);
    };
    let nInputs = 28 * 28;
    network.model = model;
    network.layers = model.layers.map(({ width, activation }) => {
      const biases = new Float32Array(take(4 * width));
      const weights = readWeights(take, model.precision, width, nInputs);
      nInputs = width;
      return { biases, weights, activation: ACTIVATIONS[activation] };
    });
    return network;
  }

  // The values of the units of each layer for an image of 784 pixels from 0 to 255.
  run(image) {
    let values = new Float32Array(image).map((pixel) => pixel / this.model.divisor);
    return this.layers.map(({ biases, weights, activation }) => {
      const inputs = values;
      const n = inputs.length;
      values = new Float32Array(biases.length);
      for (let unit = 0; unit < values.length; unit++) {
        let sum = 0;
        for (let i = 0, at = unit * n; i < n; i++, at++) sum += weights[at] * inputs[i];
        values[unit] = activation(sum + biases[unit]);
      }
      return values;
    });
  }

  // What an image of 784 pixels is read as: the place of the best label, the probabilities of all,
  // and whether it is sure enough of it.
  read(image) {
    const { temperature, threshold, method, background } = this.model;
    const ofLabels = (values) => values.filter((_, i) => i !== background);
    const outputs = Array.from(this.run(image).at(-1));
    const logits = ofLabels(outputs);
    const best = logits.indexOf(Math.max(...logits));
    const probabilities = ofLabels(softmax(outputs, temperature));
    const second = Math.max(0, ...probabilities.filter((_, i) => i !== best));
    const confidence = probabilities[best] - (method === "margin" ? second : 0);
    return { best, probabilities, sure: confidence >= threshold };
  }

  // The weights of a unit of the first layer, one for each pixel.
  weightsOf(unit) {
    return this.layers[0].weights.slice(28 * 28 * unit, 28 * 28 * (unit + 1));
  }
}
