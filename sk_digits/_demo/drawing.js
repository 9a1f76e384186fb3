// Strokes that are drawn on a canvas with a mouse, a pen or a finger.

// Make a canvas as sharp as the screen, and return its empty context.
export function cleared(canvas) {
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * scale); // this also clears it
  canvas.height = Math.round(canvas.clientHeight * scale);
  return canvas.getContext("2d");
}

export class Drawing {
  // `pen` is the width of a line as a fraction of the canvas's width. `start(event)` returns whether
  // a stroke may begin; `changed` is called for each point.
  constructor(canvas, pen, { start, changed }) {
    Object.assign(this, { canvas, pen, changed });
    this.strokes = []; // each a list of points, in units of the canvas's width
    this.pointer = null; // the one that draws
    canvas.addEventListener("pointerdown", (event) => {
      if (this.pointer !== null || event.button !== 0 || !start(event)) return;
      event.preventDefault();
      this.pointer = event.pointerId;
      try { canvas.setPointerCapture(this.pointer); } catch { /* a pointer that is gone already */ }
      this.strokes.push([this.place(event)]);
      changed();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerId !== this.pointer) return;
      const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
      for (const one of events.length ? events : [event]) this.strokes.at(-1).push(this.place(one));
      changed();
    });
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => {
        if (event.pointerId !== this.pointer) return;
        this.pointer = null;
        changed();
      });
    }
  }

  // Where an event is on the canvas, in units of its width.
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.width };
  }

  trace(context, width, color) {
    context.strokeStyle = color;
    context.lineWidth = this.pen * width;
    context.lineCap = context.lineJoin = "round";
    for (const points of this.strokes) {
      context.beginPath();
      context.moveTo(points[0].x * width, points[0].y * width);
      // Curves through the middles between points, because a quick hand gives few of them.
      for (let i = 1; i < points.length - 1; i++) {
        const { x, y } = points[i], next = points[i + 1];
        context.quadraticCurveTo(x * width, y * width, (x + next.x) / 2 * width,
          (y + next.y) / 2 * width);
      }
      // A line from a point to itself is a dot.
      context.lineTo(points.at(-1).x * width, points.at(-1).y * width);
      context.stroke();
    }
  }

  show() {
    this.trace(cleared(this.canvas), this.canvas.width, getComputedStyle(this.canvas).color);
  }

  // The drawing as a PNG file, black on white in every theme, with a margin on each side: what
  // touches two edges of a picture would be taken for the table that the paper lies on.
  toPng(width, margin) {
    const height = Math.round(width * this.canvas.clientHeight / this.canvas.clientWidth);
    const canvas = document.createElement("canvas");
    canvas.width = width + 2 * margin;
    canvas.height = height + 2 * margin;
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.translate(margin, margin);
    context.rect(0, 0, width, height);
    context.clip();
    this.trace(context, width, "#000");
    return new Promise((done) => canvas.toBlob(done, "image/png"));
  }
}
