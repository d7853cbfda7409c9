// Keys, no form sent twice, and nothing typed is lost. Each key has a plain link or button that does the same.
"use strict";

const typing = () => /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? "");

function step(by) {
  const rows = [...document.querySelectorAll("a.row")];
  if (rows.length) {
    const at = rows.indexOf(document.activeElement);
    rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1)].focus();
  } else {
    document.getElementById(by > 0 ? "next" : "previous")?.click();
  }
}

// Opens a form; Enter or Ctrl+Enter sends it, so that no single stray key decides anything.
function act(id) {
  const part = document.getElementById(id);
  if (!part) return;
  if (part.tagName === "DETAILS") part.open = true;
  begin(part);
}

// Puts the cursor where one begins to write.
function begin(part) {
  const field = part.querySelector("input[type=radio], textarea, button");
  field.focus({ preventScroll: true }); // it lies in the bar, which is always in sight
  if (field.name === "text") field.setSelectionRange(field.value.length, field.value.length);
}

function abstracts() {
  const all = [...document.querySelectorAll(".abstract")];
  const shut = all.some((one) => !one.open);
  all.forEach((one) => { one.open = shut; });
}

// The common reasons stand in the form of rejection, in their numbers' order; Enter then presses the button.
function reason(number) {
  const button = document.querySelectorAll("#reject .stock button")[number - 1];
  if (!button) return;
  document.getElementById("reject").open = true;
  button.focus();
}

// Each press chooses the next direction; Enter then keeps the edit.
function direction() {
  const part = document.getElementById("edit");
  if (!part) return;
  part.open = true;
  const { direction: choice, reason: why } = part.querySelector("form").elements;
  choice.selectedIndex = (choice.selectedIndex + 1) % choice.length;
  why.value ||= "The source has another direction.";
  choice.dispatchEvent(new Event("input", { bubbles: true })); // so that it outlives a reload
  part.querySelector("button").focus({ preventScroll: true });
}

const keys = {
  j: () => step(1),
  k: () => step(-1),
  a: () => act("approve"),
  e: () => act("edit"),
  r: () => act("reject"),
  d: direction,
  w: abstracts,
  l: () => document.getElementById("to-list")?.click(),
  "?": () => document.getElementById("keys")?.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const open = document.querySelector(".bar details[open]");
    if (open) {
      open.open = false;
      open.querySelector("summary").focus();
    }
    return;
  }
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && document.activeElement?.form) {
    event.preventDefault();
    document.activeElement.form.requestSubmit();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || typing()) return;
  if (document.querySelector("dialog[open]")) return;
  const action = keys[event.key] ?? (/^[1-9]$/.test(event.key) ? () => reason(Number(event.key)) : undefined);
  if (action) {
    event.preventDefault();
    action();
  }
});

document.getElementById("help-link")?.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  keys["?"]();
});

document.addEventListener("click", (event) => {
  const part = event.target.closest(".bar summary")?.parentElement;
  if (!part || part.open || matchMedia("(pointer: coarse)").matches) return; // a phone's keys would hide the claim
  setTimeout(() => { if (part.open) begin(part); }); // it opens once the click is over
});

// What is being written stays in this tab, under who writes it and what was shown, until it is sent or they sign out.
const draft = (form) => `${document.querySelector(".who .name").textContent} ${form.elements.basis.value} ${form.elements.action.value}`;
const fields = (form) => [...form.elements].filter((field) => field.matches("textarea, select, input[type=radio]"));
const held = (field) => (field.type === "radio" ? field.checked : field.value);

document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (form?.elements.basis) sessionStorage.setItem(draft(form), JSON.stringify(fields(form).map(held)));
});

for (const form of document.querySelectorAll(".bar form")) {
  const kept = JSON.parse(sessionStorage.getItem(draft(form)) ?? "null");
  if (!kept) continue;
  fields(form).forEach((field, n) => { field[field.type === "radio" ? "checked" : "value"] = kept[n]; });
  if (!document.querySelector(".bar details[open]")) form.closest("details").open = true;
}

document.addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  if (event.target.matches("[action='/sign-out']")) sessionStorage.clear(); // .action may be a field of that name
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});

// A page that comes back from the browser's memory may be sent again; the server knows what it has.
window.addEventListener("pageshow", () => document.querySelectorAll("form").forEach((form) => delete form.dataset.sent));
