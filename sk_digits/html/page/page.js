// The page: its two tabs, each with a pad.

import { makePad } from "./pad.js";
import { Reader } from "./reader.js";

const textOf = (id) => document.getElementById(id).textContent;
const reader = new Reader(JSON.parse(textOf("config")), textOf("worker"));
const tabs = [...document.querySelectorAll("[role=tab]")];

for (const panel of document.querySelectorAll(".pad")) {
  panel.append(document.querySelector("#pad").content.cloneNode(true));
  makePad(panel, { many: panel.dataset.many === "yes", reader });
}

function openTab(chosen) {
  for (const tab of tabs) {
    tab.setAttribute("aria-selected", String(tab === chosen));
    tab.tabIndex = tab === chosen ? 0 : -1;
    document.getElementById(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
  }
}

tabs.forEach((tab, i) => {
  tab.addEventListener("click", () => openTab(tab));
  tab.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const next = tabs[(i + 1) % tabs.length]; // of two tabs, either side is the other one
    openTab(next);
    next.focus();
  });
});
openTab(tabs[0]);

// For the console, and for tests: `await skDigits.read(canvas, false)`.
window.skDigits = reader;
