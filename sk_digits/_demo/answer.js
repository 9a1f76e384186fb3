// One tab of the page: what the answer looks like. It goes on from drawing.js.

const bars = labels.map((label) => {
  const row = document.createElement("li");
  for (const name of ["name", "track", "percent"]) {
    row.append(Object.assign(document.createElement("span"), { className: name }));
  }
  row.children[0].textContent = label;
  row.children[1].append(Object.assign(document.createElement("span"), { className: "fill" }));
  $(".bars").append(row);
  return row;
});

function percent(probability) {
  if (probability > 0.995 && probability < 1) return "> 99 %";
  if (probability > 0 && probability < 0.005) return "< 1 %";
  return `${Math.round(100 * probability)} %`;
}

let quiet = 0;
function say(text) { // to screen readers, when the pen rests
  clearTimeout(quiet);
  quiet = setTimeout(() => { $(".status").textContent = text; }, 500);
}

function report(result) {
  answer = result;
  selected = 0;
  if (many) page();
  detail(answer ? answer.digits[0] : null);
}

function sentence(digit) {
  const ranked = Object.entries(digit.probabilities).sort((a, b) => b[1] - a[1]);
  if (digit.probability >= threshold) {
    return [`It is a ${digit.label}`, `${percent(digit.probability)} probable`];
  }
  return ["Not sure", `Perhaps a ${ranked[0][0]} (${percent(ranked[0][1])}), ` +
    `or a ${ranked[1][0]} (${percent(ranked[1][1])})`];
}

function detail(digit) {
  const sure = digit && digit.probability >= threshold;
  panel.dataset.state = digit ? (sure ? "sure" : "unsure") : "empty";
  $(".digit").textContent = digit ? digit.label : "?";
  const [headline, more] = digit ? sentence(digit)
    : ["No answer yet", many ? "Write a few digits, or choose a picture of a page."
      : "Draw a digit from 0 to 9, or choose a picture of one."];
  $(".headline").textContent = headline;
  $(".detail").textContent = more;
  bars.forEach((row, i) => {
    const probability = digit ? digit.probabilities[labels[i]] : 0;
    row.classList.toggle("best", !!digit && labels[i] === digit.label);
    row.querySelector(".fill").style.width = `${100 * probability}%`;
    row.children[2].textContent = digit ? percent(probability) : "";
  });
  const context = $(".seen").getContext("2d");
  context.clearRect(0, 0, 28, 28);
  if (digit) {
    const pixels = context.createImageData(28, 28);
    [...atob(digit.seen)].forEach((character, i) => {
      pixels.data.fill(character.charCodeAt(0), 4 * i, 4 * i + 3);
      pixels.data[4 * i + 3] = 255;
    });
    context.putImageData(pixels, 0, 0);
  }
  if (digit && !many) say(`${headline}. ${more}.`);
}

function text() {
  const lines = [];
  for (const digit of answer.digits) {
    lines[digit.line] = (lines[digit.line] || "") + digit.label;
  }
  return lines.filter(Boolean).join("\n");
}

function page() {
  $(".page").hidden = !answer;
  $(".lines").replaceChildren();
  if (!answer) return;
  const n = answer.digits.length, rows = new Map();
  answer.digits.forEach((digit, i) => {
    const button = document.createElement("button");
    const sure = digit.probability >= threshold;
    button.type = "button";
    button.textContent = digit.label;
    button.className = sure ? "" : "unsure";
    button.setAttribute("aria-label",
      `${digit.label}, ${sure ? "" : "not sure, "}${percent(digit.probability)}`);
    button.addEventListener("click", () => choose(i));
    if (!rows.has(digit.line)) {
      const row = Object.assign(document.createElement("div"), { className: "line" });
      rows.set(digit.line, row);
      $(".lines").append(row);
    }
    rows.get(digit.line).append(button);
  });
  const unsure = answer.digits.filter((digit) => digit.probability < threshold).length;
  $(".page-head h2").textContent = `${n} digit${n > 1 ? "s" : ""} in ${rows.size} ` +
    `line${rows.size > 1 ? "s" : ""}` + (unsure ? `, ${unsure} not sure` : "");
  choose(0);
  say(`${$(".page-head h2").textContent}: ${text().replaceAll("\n", "; ")}`);
}

function choose(i) {
  selected = i;
  element.querySelectorAll(".lines button").forEach((button, j) => {
    button.setAttribute("aria-pressed", String(i === j));
  });
  detail(answer.digits[i]);
  show();
}

$(".copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(text());
    $(".copy").textContent = "Copied";
  } catch {
    $(".copy").textContent = "Not allowed";
  }
  setTimeout(() => { $(".copy").textContent = "Copy text"; }, 1500);
});

// The size changes with the window and when the tab opens; the colours with the theme.
new ResizeObserver(show).observe(stage);
new MutationObserver(show).observe(document.body, { attributeFilter: ["class"] });
report(null);
show();
