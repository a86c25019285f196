// Saying no: decline, or opt out of signing electronically. One of the sender's reasons, or the person's own.
const get = (id) => document.getElementById(id);

// refusing prepares one dialog. send posts the reason; once keeps a second press from repeating it.
export function refusing({ open, dialog, go, reason }, send, once) {
  const button = get(open);
  if (!button) return;
  const row = get(`${reason}-row`);
  const text = get(reason);
  const choices = [...row.querySelectorAll("[type=radio]")];
  const chosen = () => choices.find((choice) => choice.checked);
  const own = () => choices.length === 0 || "other" in (chosen()?.dataset ?? {});

  // refused says beside the reason what is wrong with it; the reason stays.
  const refused = (why) => {
    get(`${reason}-problem`).textContent = why;
    text?.toggleAttribute("aria-invalid", why !== "" && own());
    if (why) (own() ? text : chosen() ?? choices[0]).focus();
  };

  for (const choice of choices) {
    choice.addEventListener("change", () => {
      const other = get(`${reason}-other`);
      if (other) other.hidden = !own();
      refused("");
    });
  }
  button.addEventListener("click", () => get(dialog).showModal());
  get(go).addEventListener("click", () => once(get(go), async () => {
    const why = own() ? text.value.trim() : chosen()?.value ?? "";
    if (!why) { refused(own() ? "Please say why." : "Please choose a reason."); return; }
    refused("");
    try {
      await send(why);
    } catch (trouble) {
      if (trouble.status !== 400 && trouble.status !== 422) throw trouble;
      refused(trouble.message + (trouble.what === "text.malformed" ? " It is invisible or turns the direction of the text: please type the reason without it." : ""));
    }
  }));
}
