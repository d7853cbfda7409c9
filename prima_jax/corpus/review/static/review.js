// Keys, and no form sent twice. Everything here has a plain link or button that does the same.
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

// Opens a form and puts the cursor into it; Enter or Ctrl+Enter sends it, so that no single stray key decides anything.
function act(id) {
  const part = document.getElementById(id);
  if (!part) return;
  if (part.tagName === "DETAILS") part.open = true;
  const field = part.querySelector("input[type=radio], textarea, button");
  field.focus();
  if (field.tagName === "TEXTAREA" && id === "edit") field.setSelectionRange(field.value.length, field.value.length);
}

const keys = {
  j: () => step(1),
  k: () => step(-1),
  a: () => act("approve"),
  e: () => act("edit"),
  r: () => act("reject"),
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
  const action = keys[event.key];
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

document.addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});

// A page that comes back from the browser's memory may be sent again; the server knows what it has.
window.addEventListener("pageshow", () => document.querySelectorAll("form").forEach((form) => delete form.dataset.sent));
