// Photographs that are dropped, chosen or taken, one after another; and an answer that no longer fits its case says so.
"use strict";

const form = document.getElementById("case");
const answer = document.getElementById("answer");
let changedSince = false; // while the answer is on its way

function changed() {
  changedSince = true;
  if (answer.querySelector(".answer")) mark(true);
}

function mark(stale) {
  answer.classList.toggle("stale", stale);
  answer.querySelectorAll("#why > button, #print").forEach((button) => { button.disabled = stale; });
}

// As the answer counts them: through all kinds, in their order.
function number() {
  [...document.querySelectorAll(".chosen li")].forEach((item, n) => {
    item.dataset.number = n + 1;
    item.querySelector("img").alt = `photograph ${n + 1}`;
    item.querySelector("button").setAttribute("aria-label", `Remove photograph ${n + 1}`);
  });
}

function picture(file, remove) {
  const item = document.createElement("li");
  const image = document.createElement("img");
  image.src = URL.createObjectURL(file);
  image.onload = image.onerror = () => URL.revokeObjectURL(image.src);
  const button = document.createElement("button");
  button.type = "button";
  button.onclick = remove;
  item.append(image, button);
  return item;
}

for (const zone of document.querySelectorAll(".zone")) {
  const [chosen, camera] = zone.querySelectorAll("input[type=file]");
  let files = [];
  const show = () => {
    const all = new DataTransfer();
    files.forEach((file) => all.items.add(file));
    chosen.files = all.files; // what the form sends
    camera.value = "";
    const pictures = files.map((file, n) => picture(file, () => { files.splice(n, 1); show(); }));
    zone.querySelector(".chosen").replaceChildren(...pictures);
    number();
    changed();
  };
  const add = (more) => { files.push(...more); show(); };
  chosen.addEventListener("change", () => add(chosen.files));
  camera.addEventListener("change", () => add(camera.files));
  zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    add(event.dataTransfer.files);
  });
  form.addEventListener("reset", () => { files = []; show(); });
}

if (form) {
  for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault()); // beside a zone
  form.addEventListener("input", changed);
  form.addEventListener("reset", () => answer.replaceChildren());
  form.addEventListener("htmx:beforeRequest", (event) => { if (event.target === form) changedSince = false; });
  answer.addEventListener("htmx:afterSwap", (event) => { if (event.target === answer) mark(changedSince); });
  for (const where of [form, answer]) {
    where.addEventListener("htmx:sendError", () => { answer.textContent = "The page could not be reached: is it still running?"; });
  }
}

document.addEventListener("click", (event) => { if (event.target.id === "print") window.print(); });
window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
