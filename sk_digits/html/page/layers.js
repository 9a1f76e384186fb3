// The panel that shows what the network does: the units of each layer, and the weights of a unit.

import { make } from "./answer.js";

const CELL = 6; // pixels of a unit's square, one of which is the gap to the next

// Fill a square of a canvas: blue for values above 0, orange below, the stronger the larger.
function fill(context, x, y, size, value, style) {
  context.globalAlpha = Math.min(Math.abs(value), 1);
  context.fillStyle = style.getPropertyValue(value > 0 ? "--sure" : "--unsure");
  context.fillRect(x, y, size, size);
}

const largestOf = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);

export class LayersPanel {
  constructor(element, reader) {
    Object.assign(this, { element, reader, digit: null, layers: [], unit: 0, isChosen: false });
    this.$ = (selector) => element.querySelector(selector);
    element.hidden = !reader.hasNetwork;
    element.addEventListener("toggle", () => this.show(this.digit));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  // Show what the network does with a digit; null for none.
  async show(digit) {
    this.digit = digit;
    this.$(".no-digit").hidden = !!digit;
    this.$(".has-digit").hidden = !digit;
    if (!digit || !this.element.open || this.element.hidden) return;
    const { layers } = await this.reader.post("units", { image: digit.image });
    if (digit !== this.digit) return;
    if (layers.length !== this.grids?.length) this.makeGrids(layers);
    this.layers = layers;
    if (!layers.length) return;
    // Until the visitor chooses a unit, the most active one is shown.
    this.choose(this.isChosen ? this.unit : layers[0].indexOf(Math.max(...layers[0])));
  }

  makeGrids(layers) {
    this.grids = layers.map((values, i) => {
      const canvas = make("canvas", "units");
      const columns = values.length > 256 ? 64 : Math.min(32, values.length);
      canvas.width = CELL * columns;
      canvas.height = CELL * Math.ceil(values.length / columns);
      const caption = make("p", "caption");
      this.$(".grids").append(caption, canvas);
      if (i === 0) this.listen(canvas, columns, values.length);
      else canvas.setAttribute("role", "img");
      return { canvas, columns, caption };
    });
    this.$(".unit").hidden = !layers.length;
  }

  // A unit of the first layer is chosen by touch, by mouse, and by the arrow keys, as on a slider.
  listen(canvas, columns, n) {
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "slider");
    canvas.setAttribute("aria-label", "Unit of the first layer");
    canvas.setAttribute("aria-valuemin", "1");
    canvas.setAttribute("aria-valuemax", String(n));
    const point = (event) => {
      const box = canvas.getBoundingClientRect();
      const x = Math.floor(((event.clientX - box.left) / box.width) * columns);
      const y = Math.floor(((event.clientY - box.top) / box.height) * Math.ceil(n / columns));
      this.isChosen = true;
      this.choose(Math.min(Math.max(y * columns + x, 0), n - 1));
    };
    canvas.addEventListener("pointerdown", point);
    canvas.addEventListener("pointermove", point);
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    canvas.addEventListener("keydown", (event) => {
      const places = { Home: 0, End: n - 1 };
      if (!(event.key in steps) && !(event.key in places)) return;
      event.preventDefault();
      const next = places[event.key] ?? this.unit + steps[event.key];
      this.isChosen = true;
      if (next >= 0 && next < n) this.choose(next);
    });
  }

  draw() {
    this.layers.forEach((values, i) => {
      const { canvas, columns, caption } = this.grids[i];
      const context = canvas.getContext("2d");
      const style = getComputedStyle(canvas);
      context.clearRect(0, 0, canvas.width, canvas.height);
      const largest = largestOf(values);
      values.forEach((value, unit) => {
        const [x, y] = [CELL * (unit % columns), CELL * Math.floor(unit / columns)];
        // By the root, which tells small values from none.
        fill(
          context,
          x,
          y,
          CELL - 1,
          Math.sign(value) * Math.sqrt(Math.abs(value) / largest),
          style,
        );
        if (i > 0 || unit !== this.unit) return;
        context.globalAlpha = 1;
        context.strokeStyle = style.color;
        context.lineWidth = 2;
        context.strokeRect(x, y, CELL - 1, CELL - 1);
      });
      const lit = values.filter((value) => value > 0.1 * largest).length;
      caption.textContent = `Layer ${i + 1}: ${lit.toLocaleString("en")} of ${values.length.toLocaleString("en")} units are lit`;
      if (i > 0) canvas.setAttribute("aria-label", caption.textContent);
    });
  }

  async choose(unit) {
    this.unit = unit;
    this.draw();
    const value = this.layers[0][unit];
    const text = `Unit ${unit + 1}, ${value.toFixed(2)}`;
    this.$(".unit figcaption").textContent = text;
    this.grids[0].canvas.setAttribute("aria-valuenow", String(unit + 1));
    this.grids[0].canvas.setAttribute("aria-valuetext", text);
    const { weights } = await this.reader.post("weights", { unit });
    if (unit !== this.unit) return;
    const canvas = this.$(".unit canvas");
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, 28, 28);
    const largest = largestOf(weights);
    const style = getComputedStyle(canvas);
    weights.forEach((weight, i) => {
      fill(context, i % 28, Math.floor(i / 28), 1, weight / largest, style);
    });
  }
}
