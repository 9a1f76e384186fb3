// The panel that shows an answer: the lines of a page, and the details of one digit.

function percent(probability) {
  if (probability > 0.995 && probability < 1) return "> 99 %";
  if (probability > 0 && probability < 0.005) return "< 1 %";
  return `${Math.round(100 * probability)} %`;
}

// "an" before 8, 11, 18, single letters such as F, and vowels; else "a". Words are quoted.
function withArticle(label) {
  if (/\D./.test(label)) return `\u201c${label}\u201d`;
  const an = /^(8\d*|1[18]|[aefhilmnorsx])$/i.test(label);
  return `${an ? "an" : "a"} ${label}`;
}

export function make(tag, className, text = "") {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}

export class AnswerPanel {
  // `chosen(digit)` is called when a digit of a page is chosen, and with null when there is none.
  constructor(element, { many, reader, chosen }) {
    Object.assign(this, { element, many, reader, chosen, labels: reader.labels });
    this.$ = (selector) => element.querySelector(selector);
    this.bars = this.labels.map((label) => {
      const bar = make("li", "");
      const track = make("span", "track");
      track.append(make("span", "fill"));
      bar.append(make("span", "name", label), track, make("span", "percent"));
      return bar;
    });
    this.$(".bars").append(...this.bars);
    this.$(".bars").classList.toggle(
      "long",
      this.labels.some((label) => label.length > 2),
    );
    this.$(".copy").addEventListener("click", () => this.copy());
  }

  // Show the digits of an answer, an empty list for a blank picture, or null for no answer yet.
  show(digits) {
    this.digits = digits;
    if (this.many) this.showLines();
    this.choose(digits?.length ? digits[0] : null);
  }

  choose(digit) {
    this.digit = digit;
    this.element.querySelectorAll(".lines button").forEach((button, i) => {
      button.setAttribute("aria-pressed", String(this.digits[i] === digit));
    });
    const none = this.digits ? "blank" : "empty";
    const state = digit ? (digit.sure ? "sure" : "unsure") : none;
    this.element.dataset.state = state;
    const [headline, detail] = this.sentences(state);
    const shown = digit ? this.reader.show(digit) : state === "blank" ? "\u2013" : "?";
    this.$(".digit").textContent = shown;
    this.$(".digit").classList.toggle("word", shown.length > 2);
    this.$(".headline").textContent = headline;
    this.$(".detail").textContent = detail;
    this.bars.forEach((bar, i) => {
      const probability = digit ? digit.probabilities[i] : 0;
      bar.classList.toggle("best", !!digit && i === digit.best);
      bar.querySelector(".fill").style.width = `${100 * probability}%`;
      bar.querySelector(".percent").textContent = digit ? percent(probability) : "";
    });
    this.showSeen(digit);
    if (state === "blank" || (digit && !this.many)) this.say(`${headline}. ${detail}`);
    this.chosen(digit);
  }

  sentences(state) {
    const { digit, many } = this;
    if (state === "empty") {
      const task = many
        ? "Write a few digits, or choose a picture of them."
        : "Draw a digit, or choose a picture of one.";
      return ["No answer yet", task];
    }
    if (state === "blank") return ["Blank", "No digit stands out from the background."];
    const sorted = digit.probabilities
      .map((p, i) => [p, this.labels[i]])
      .sort((a, b) => b[0] - a[0]);
    const [first, second] = sorted;
    if (state === "sure")
      return [`It is ${withArticle(digit.label)}`, `${percent(first[0])} probable`];
    const guess = ([p, label]) => `${withArticle(label)} (${percent(p)})`;
    return ["Not sure", `Perhaps ${guess(first)}${second ? `, or ${guess(second)}` : ""}`];
  }

  showSeen(digit) {
    const context = this.$(".seen").getContext("2d");
    context.clearRect(0, 0, 28, 28);
    if (!digit) return;
    const pixels = context.createImageData(28, 28);
    digit.image.forEach((value, i) => {
      pixels.data.fill(value, 4 * i, 4 * i + 3);
      pixels.data[4 * i + 3] = 255;
    });
    context.putImageData(pixels, 0, 0);
  }

  showLines() {
    const { digits } = this;
    this.$(".page").hidden = !digits?.length;
    this.$(".lines").replaceChildren();
    if (!digits?.length) return;
    const rows = new Map();
    for (const digit of digits) {
      const shown = this.reader.show(digit);
      const button = make("button", digit.sure ? "" : "unsure", shown);
      button.type = "button";
      const probability = percent(digit.probabilities[digit.best]);
      const name = digit.sure ? digit.label : `${digit.label}, not sure`;
      button.setAttribute("aria-label", `${name}, ${probability}`);
      button.addEventListener("click", () => this.choose(digit));
      if (!rows.has(digit.line)) rows.set(digit.line, make("div", "line"));
      rows.get(digit.line).append(button);
    }
    this.$(".lines").append(...rows.values());
    const n = digits.length;
    const unsure = digits.filter((digit) => !digit.sure).length;
    const counts = `${n} digit${n > 1 ? "s" : ""} in ${rows.size} line${rows.size > 1 ? "s" : ""}`;
    const head = counts + (unsure ? `, ${unsure} not sure` : "");
    this.$(".page-head h2").textContent = head;
    this.say(`${head}: ${this.text().replaceAll("\n", "; ")}`);
  }

  text() {
    const lines = new Map();
    for (const digit of this.digits) {
      lines.set(digit.line, (lines.get(digit.line) ?? "") + this.reader.show(digit));
    }
    return [...lines.values()].join("\n");
  }

  async copy() {
    const button = this.$(".copy");
    try {
      await navigator.clipboard.writeText(this.text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => {
      button.textContent = "Copy text";
    }, 1500);
  }

  // Tell screen readers, when the pen rests.
  say(text) {
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => {
      this.$(".status").textContent = text;
    }, 500);
  }
}
