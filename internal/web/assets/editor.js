// On a narrow screen a field on the page is a few pixels high. Its text is entered in
// a field of full size above the action bar, and shown on the page as it is typed.
const narrow = matchMedia("(max-width: 40rem)");

export function enlarge() {
  const panel = document.getElementById("editor");
  const label = document.getElementById("editor-label");
  let field = null;
  let big = null;

  const close = () => {
    if (!field) return;
    const [edited, before] = [field, big.dataset.before];
    field = null;
    panel.hidden = true;
    big.remove();
    if (edited.value !== before) edited.dispatchEvent(new Event("change", { bubbles: true }));
  };

  const open = (target) => {
    close();
    field = target;
    big = document.createElement(field.localName);
    big.id = "editor-field";
    big.value = field.value;
    big.dataset.before = field.value;
    big.required = field.required;
    if (field.maxLength > 0) big.maxLength = field.maxLength;
    big.addEventListener("input", () => {
      field.value = big.value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    });
    big.addEventListener("keydown", (event) => {
      if (event.key === "Escape" || (event.key === "Enter" && big.localName === "input")) done();
    });
    label.textContent = field.getAttribute("aria-label");
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
    if (narrow.matches && ["text", "area"].includes(event.target.dataset?.kind)) open(event.target);
    else close();
  });
  document.getElementById("editor-done").addEventListener("click", done);
  document.getElementById("finish").addEventListener("pointerdown", close); // saved before it is finished
}
