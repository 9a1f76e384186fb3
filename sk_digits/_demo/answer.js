// The panel that shows an answer: the lines of a page, and the details of one digit.

function percent(probability) {
  if (probability > 0.995 && probability < 1) return "> 99 %";
  if (probability > 0 && probability < 0.005) return "< 1 %";
  return `${Math.round(100 * probability)} %`;
}

// "an" before 8, 11, 18, single letters such as F, and vowels; else "a".
function withArticle(label) {
  const an = /^(8\d*|1[18]|[aefhilmnorsx]|[aeio]\D.*)$/i.test(label);
  return `${an ? "an" : "a"} ${label}`;
}

function make(tag, className, text = "") {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}

export class AnswerPanel {
  // `chosen(digit)` is called when a digit of a page is chosen.
  constructor(element, { many, labels, chosen }) {
    Object.assign(this, { element, many, labels, chosen });
    this.$ = (selector) => element.querySelector(selector);
    this.bars = labels.map((label) => {
      const bar = make("li", "");
      const track = make("span", "track");
      track.append(make("span", "fill"));
      bar.append(make("span", "name", label), track, make("span", "percent"));
      return bar;
    });
    this.$(".bars").append(...this.bars);
    this.$(".copy").addEventListener("click", () => this.copy());
  }

  // Show the digits of an answer, an empty list for a blank picture, or null for no answer yet.
  show(digits) {
    this.digits = digits;
    if (this.many) this.showLines();
    this.choose(digits && digits.length ? digits[0] : null);
  }

  choose(digit) {
    this.digit = digit;
    this.element.querySelectorAll(".lines button").forEach((button, i) => {
      button.setAttribute("aria-pressed", String(this.digits[i] === digit));
    });
    const state = digit ? (digit.sure ? "sure" : "unsure") : (this.digits ? "blank" : "empty");
    this.element.dataset.state = state;
    const [headline, detail] = this.sentences(state);
    this.$(".digit").textContent = digit ? digit.label : (state === "blank" ? "\u2013" : "?");
    this.$(".headline").textContent = headline;
    this.$(".detail").textContent = detail;
    this.bars.forEach((bar, i) => {
      const probability = digit ? digit.probabilities[this.labels[i]] : 0;
      bar.classList.toggle("best", !!digit && this.labels[i] === digit.label);
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
      return ["No answer yet", many ? "Write a few digits, or choose a picture of a page."
        : "Draw a digit from 0 to 9, or choose a picture of one."];
    }
    if (state === "blank") return ["Blank", "No digit stands out from the background."];
    if (state === "sure") return [`It is ${withArticle(digit.label)}`, `${percent(digit.probability)} probable`];
    const [[first, p], [second, q]] = Object.entries(digit.probabilities).sort((a, b) => b[1] - a[1]);
    return ["Not sure", `Perhaps ${withArticle(first)} (${percent(p)}), or ${withArticle(second)} (${percent(q)})`];
  }

  showSeen(digit) {
    const context = this.$(".seen").getContext("2d");
    context.clearRect(0, 0, 28, 28);
    if (!digit) return;
    const pixels = context.createImageData(28, 28);
    [...atob(digit.seen)].forEach((character, i) => {
      pixels.data.fill(character.charCodeAt(0), 4 * i, 4 * i + 3);
      pixels.data[4 * i + 3] = 255;
    });
    context.putImageData(pixels, 0, 0);
  }

  showLines() {
    const { digits } = this;
    this.$(".page").hidden = !digits || !digits.length;
    this.$(".lines").replaceChildren();
    if (!digits || !digits.length) return;
    const rows = new Map();
    for (const digit of digits) {
      const button = make("button", digit.sure ? "" : "unsure", digit.label);
      button.type = "button";
      button.setAttribute("aria-label",
        `${digit.label}, ${digit.sure ? "" : "not sure, "}${percent(digit.probability)}`);
      button.addEventListener("click", () => this.choose(digit));
      if (!rows.has(digit.line)) rows.set(digit.line, make("div", "line"));
      rows.get(digit.line).append(button);
    }
    this.$(".lines").append(...rows.values());
    const n = digits.length, unsure = digits.filter((digit) => !digit.sure).length;
    const head = `${n} digit${n > 1 ? "s" : ""} in ${rows.size} line${rows.size > 1 ? "s" : ""}` +
      (unsure ? `, ${unsure} not sure` : "");
    this.$(".page-head h2").textContent = head;
    this.say(`${head}: ${this.text().replaceAll("\n", "; ")}`);
  }

  text() {
    const lines = [];
    for (const { line, label } of this.digits) lines[line] = (lines[line] || "") + label;
    return lines.filter(Boolean).join("\n");
  }

  async copy() {
    const button = this.$(".copy");
    try {
      await navigator.clipboard.writeText(this.text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => { button.textContent = "Copy text"; }, 1500);
  }

  // Tell screen readers, when the pen rests.
  say(text) {
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => { this.$(".status").textContent = text; }, 500);
  }
}
