// Strokes that are drawn on a canvas with a mouse, a pen, a finger or the keyboard.

// Make a canvas as sharp as the screen, and return its empty context.
export function cleared(canvas) {
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * scale); // this also clears it
  canvas.height = Math.round(canvas.clientHeight * scale);
  return canvas.getContext("2d");
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Drawing {
  // `pen` is the width of a line as a fraction of the canvas's width. `start(event)` returns whether
  // a stroke may begin; `changed` is called for each point, `say` with what a screen reader tells.
  constructor(canvas, pen, { start, changed, say }) {
    Object.assign(this, { canvas, pen, start, changed, say });
    this.strokes = []; // each { pen, points }, in units of the canvas's width
    this.pointer = null; // the one that draws, or "keyboard"
    this.cursor = null; // where the keyboard's pen is
    canvas.addEventListener("pointerdown", (event) => {
      if (this.pointer !== null || event.button !== 0 || !start(event)) return;
      event.preventDefault();
      this.cursor = null;
      try {
        canvas.setPointerCapture(event.pointerId);
      } catch {
        /* a pointer that is gone already */
      }
      this.begin(event.pointerId, this.place(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerId !== this.pointer) return;
      const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
      for (const one of events.length ? events : [event]) this.points.push(this.place(one));
      changed();
    });
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => event.pointerId === this.pointer && this.end());
    }
    canvas.addEventListener("keydown", (event) => this.press(event));
    canvas.addEventListener("blur", () => {
      this.cursor = null;
      if (this.pointer === "keyboard") this.end();
      else changed();
    });
  }

  get points() {
    return this.strokes.at(-1).points;
  }

  get height() {
    return this.canvas.clientHeight / this.canvas.clientWidth;
  }

  begin(pointer, point) {
    this.pointer = pointer;
    this.strokes.push({ pen: this.pen, points: [point] });
    this.changed();
  }

  end() {
    this.pointer = null;
    this.changed();
  }

  // The arrow keys move a pen, and Space puts it on the paper and lifts it.
  press(event) {
    const arrow = ARROWS[event.key];
    if ((!arrow && event.key !== " ") || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (this.pointer !== null && this.pointer !== "keyboard") return;
    this.cursor ??= { x: 0.5, y: this.height / 2 };
    if (arrow) {
      const step = event.shiftKey ? 0.01 : 0.04; // of the canvas's width
      const within = (value, most) => Math.min(Math.max(value, 0), most);
      this.cursor = {
        x: within(this.cursor.x + step * arrow[0], 1),
        y: within(this.cursor.y + step * arrow[1], this.height),
      };
      if (this.pointer === "keyboard") this.points.push(this.cursor);
      this.changed();
    } else if (this.pointer === "keyboard") {
      this.end();
      this.say("Pen up.");
    } else if (this.start(event)) {
      this.begin("keyboard", this.cursor);
      this.say("Pen down.");
    }
  }

  // Where an event is on the canvas, in units of its width.
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.width };
  }

  trace(context, width, color) {
    context.strokeStyle = color;
    context.lineCap = context.lineJoin = "round";
    for (const { pen, points } of this.strokes) {
      context.lineWidth = pen * width;
      context.beginPath();
      context.moveTo(points[0].x * width, points[0].y * width);
      // Curves through the middles between points, because a quick hand gives few of them.
      for (let i = 1; i < points.length - 1; i++) {
        const { x, y } = points[i];
        const next = points[i + 1];
        const middle = [((x + next.x) / 2) * width, ((y + next.y) / 2) * width];
        context.quadraticCurveTo(x * width, y * width, ...middle);
      }
      // A line from a point to itself is a dot.
      context.lineTo(points.at(-1).x * width, points.at(-1).y * width);
      context.stroke();
    }
  }

  show() {
    const context = cleared(this.canvas);
    const { width } = this.canvas;
    const style = getComputedStyle(this.canvas);
    this.trace(context, width, style.color);
    if (!this.cursor) return;
    context.strokeStyle = style.getPropertyValue("--sure");
    context.lineWidth = width / 150;
    context.beginPath();
    const radius = Math.max((this.pen * width) / 2, width / 60) + context.lineWidth;
    context.arc(this.cursor.x * width, this.cursor.y * width, radius, 0, 7);
    if (this.pointer !== "keyboard") context.setLineDash([width / 75, width / 75]);
    context.stroke();
  }

  // The drawing on a canvas of its own, black on white in every theme, with a margin on each side:
  // what touches two edges of a picture would be taken for the table that the paper lies on.
  toCanvas(width, margin) {
    const height = Math.round(width * this.height);
    const canvas = document.createElement("canvas");
    canvas.width = width + 2 * margin;
    canvas.height = height + 2 * margin;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.translate(margin, margin);
    context.rect(0, 0, width, height);
    context.clip();
    this.trace(context, width, "#000");
    return canvas;
  }
}
