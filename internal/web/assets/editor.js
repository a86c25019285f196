// On a narrow screen a field on the page is a few pixels high. What it says is entered in
// a field of full size above the action bar, and shown on the page as it is entered.
const narrow = matchMedia("(max-width: 40rem)");
const enlarged = ["text", "area", "list", "date"];

export function enlarge() {
  const panel = document.getElementById("editor");
  const label = document.getElementById("editor-label");
  const note = document.getElementById("editor-note");
  let field = null;
  let big = null;

  const close = () => {
    if (!field) return;
    const [edited, before] = [field, big.dataset.before];
    field = null;
    panel.hidden = true;
    big.remove();
    if (edited.value !== before) edited.dispatchEvent(new Event("change", { bubbles: true }));
    else edited.dispatchEvent(new Event("blur"));
  };

  const open = (target) => {
    close();
    field = target;
    big = document.createElement(field.localName);
    big.id = "editor-field";
    if (field.localName === "input") big.type = field.type;
    for (const option of field.options ?? []) big.append(option.cloneNode(true));
    big.value = field.value;
    big.dataset.before = field.value;
    big.required = field.required;
    big.setAttribute("aria-describedby", note.id);
    if (field.maxLength > 0) big.maxLength = field.maxLength;
    big.addEventListener("input", () => {
      field.value = big.value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    });
    big.addEventListener("keydown", (event) => {
      if (event.key === "Escape" || (event.key === "Enter" && big.localName === "input")) done();
    });
    label.textContent = field.dataset.label ?? field.getAttribute("aria-label");
    note.textContent = field.closest(".place").querySelector(".field-note")?.textContent ?? field.title;
    label.after(big);
    panel.hidden = false;
    big.focus({ preventScroll: true });
  };

  const done = () => {
    close();
    document.getElementById("next").focus();
  };

  addEventListener("focusin", (event) => {
    if (panel.contains(event.target)) return;
    if (narrow.matches && enlarged.includes(event.target.dataset?.kind)) open(event.target);
    else close();
  });
  document.getElementById("editor-done").addEventListener("click", done);
  document.getElementById("finish").addEventListener("pointerdown", close); // saved before it is finished
  return (noted, text) => { if (noted === field) note.textContent = text; };
}
