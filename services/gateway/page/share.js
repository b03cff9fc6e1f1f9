// Lays the restored picture upon the old one, and moves the line between them.
"use strict";

const pair = document.getElementById("pair");
const line = pair.querySelector("input");

pair.classList.add("upon");
line.hidden = false;
line.addEventListener("input", () => {
  pair.style.setProperty("--at", `${line.value}%`);
});
