// The page: its two tabs, each with a pad.

import { makePad } from "./pad.js";

const { labels, maxBytes } = document.body.dataset;
const tabs = [...document.querySelectorAll("[role=tab]")];

for (const panel of document.querySelectorAll(".pad")) {
  panel.append(document.querySelector("#pad").content.cloneNode(true));
  makePad(panel, {
    many: panel.dataset.many === "yes",
    labels: JSON.parse(labels),
    maxBytes: Number(maxBytes),
  });
}

function open(chosen) {
  for (const tab of tabs) {
    tab.setAttribute("aria-selected", String(tab === chosen));
    tab.tabIndex = tab === chosen ? 0 : -1;
    document.getElementById(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
  }
}

tabs.forEach((tab, i) => {
  tab.addEventListener("click", () => open(tab));
  tab.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const next = tabs[(i + 1) % tabs.length]; // of two tabs, either side is the other one
    open(next);
    next.focus();
  });
});
open(tabs[0]);
