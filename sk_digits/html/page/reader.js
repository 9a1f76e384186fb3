// The only module that knows where answers come from: the network in this page, in a worker; or,
// for photos and pages, the server of `sk-digits demo`, if that is where the page comes from.

import { greyOf, openPicture, toPng } from "./pictures.js";

export class Reader {
  constructor({ labels, model, server }, workerSource) {
    Object.assign(this, { labels, server, hasNetwork: model !== null, waiting: new Map() });
    this.rejects = model?.rejects ?? false;
    this.ready = model === null ? Promise.resolve() : this.open(model, workerSource);
  }

  async open(model, source) {
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    this.worker = new Worker(address);
    this.worker.onmessage = ({ data: { id, answer } }) => {
      this.waiting.get(id)(answer);
      this.waiting.delete(id);
    };
    await this.post("open", { model });
    URL.revokeObjectURL(address);
  }

  // Resolves to the worker's answer to a question of a name in worker.js.
  post(name, question) {
    return new Promise((resolve) => {
      this.lastId = (this.lastId ?? 0) + 1;
      this.waiting.set(this.lastId, resolve);
      this.worker.postMessage({ id: this.lastId, name, question });
    });
  }

  // Resolves to { digits, size, preview }, or { error }, a sentence. `picture` is an image file, or
  // a canvas with a drawing; `many` is whether it shows several digits. A digit is { label, best,
  // probabilities, sure, line, box, image }, and `preview` the address of a picture that was read.
  async read(picture, many) {
    const isDrawing = picture instanceof HTMLCanvasElement;
    if (this.server && (many || !isDrawing || !this.hasNetwork)) {
      return this.readByServer(isDrawing ? await toPng(picture) : picture, many);
    }
    await this.ready;
    try {
      const canvas = isDrawing ? picture : await openPicture(picture);
      const { width, height } = canvas;
      const question = { pixels: greyOf(canvas), width, height, many, isDrawing };
      const answer = await this.post("read", question);
      for (const digit of answer.digits ?? []) digit.label = this.labels[digit.best];
      return isDrawing ? answer : { ...answer, preview: canvas.toDataURL("image/jpeg", 0.9) };
    } catch (error) {
      return { error: error.message };
    }
  }

  async readByServer(content, many) {
    let answer;
    try {
      const response = await fetch(many ? "page" : "digit", { method: "POST", body: content });
      if (!response.ok) return { error: await response.text() };
      answer = await response.json();
    } catch {
      return {
        error: "The server does not answer. Is sk-digits demo still running in its terminal?",
      };
    }
    for (const digit of answer.digits ?? []) {
      digit.best = this.labels.indexOf(digit.label);
      digit.probabilities = this.labels.map((label) => digit.probabilities[label]);
      digit.image = Uint8Array.from(atob(digit.seen), (character) => character.charCodeAt(0));
    }
    return answer;
  }

  // What is shown for a digit: its label, or "?" if the model rejects it.
  show(digit) {
    return this.rejects && !digit.sure ? "?" : digit.label;
  }
}
