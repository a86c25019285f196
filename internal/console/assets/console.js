// Saves steps: what it does can be done without it.

// A question before what cannot be taken back. A form that has one asks in words; without scripts it is sent as it is.
for (const form of document.querySelectorAll("form[data-sure]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.answered) return;
    event.preventDefault();
    ask(form.dataset.sure, form.querySelector("button").textContent.trim()).then((yes) => {
      if (!yes) return;
      form.dataset.answered = "yes";
      form.requestSubmit();
    });
  });
}

function ask(question, word) {
  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  dialog.setAttribute("aria-labelledby", "sure");
  const text = document.createElement("h2");
  text.id = "sure";
  text.textContent = question;
  const acts = document.createElement("div");
  acts.className = "dialog-acts";
  const no = button("Cancel", "button");
  const yes = button(word, "button button-danger");
  acts.append(no, yes);
  dialog.append(text, acts);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((answer) => {
    no.addEventListener("click", () => dialog.close(""));
    yes.addEventListener("click", () => dialog.close("yes"));
    dialog.addEventListener("close", () => {
      dialog.remove();
      answer(dialog.returnValue === "yes");
    });
  });
}

function button(word, kind) {
  const b = document.createElement("button");
  b.type = "button";
  b.className = kind;
  b.textContent = word;
  return b;
}

// What is shown once can be copied by one press.
for (const code of document.querySelectorAll("[data-copy]")) {
  const copy = button("Copy", "button button-small");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
    }
  });
  code.after(copy);
}

// Menus of the bar close when something else is pressed, and by Escape.
const menus = document.querySelectorAll("details.pop");
addEventListener("click", (event) => {
  for (const menu of menus) if (!menu.contains(event.target)) menu.open = false;
});
addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of menus) {
    if (menu.open && menu.contains(document.activeElement)) menu.querySelector("summary").focus();
    menu.open = false;
  }
});

// A list that is on the page whole is narrowed as one types: <input data-narrow="#id of a table body or list">.
for (const input of document.querySelectorAll("input[data-narrow]")) {
  const rows = [...document.querySelector(input.dataset.narrow).children];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  input.closest("[hidden]")?.removeAttribute("hidden");
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLowerCase();
    rows.forEach((row, i) => { row.hidden = !texts[i].includes(wanted); });
  });
}

// The same form is not sent twice by two presses.
addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post") return;
  if (event.target.dataset.sent) {
    event.preventDefault();
    return;
  }
  event.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});
