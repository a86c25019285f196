// The signing page.
import { api, gone } from "./api.js";
import { Adoption } from "./adopt.js";
import { enlarge } from "./editor.js";
import { Fields } from "./fields.js";
import { Lease } from "./lease.js";
import { layOut } from "./pages.js";

const { body } = document;
const get = (id) => document.getElementById(id);
const server = api(body.dataset.handle);
const calm = matchMedia("(prefers-reduced-motion: reduce)");

layOut();
enlarge();

const adoption = new Adoption(body.dataset.name, body.dataset.initials);
const fields = new Fields(adoption, (key, value) => server.post("fill", { epoch: lease.epoch, field: key, value }), {
  progress, problem,
  signed: (field) => { if (fields.left.length > 0) go(fields.next(field)); else get("finish").focus(); },
});
const lease = new Lease(server, body.dataset, { left: showLeft, warn: () => say("Less than two minutes of your turn are left. Go on working to keep it."), online, lost });

// Consent comes first: until then the fields stand still.
let consented = "consented" in body.dataset;
settle();
if (!consented) get("consent").showModal();

function settle() {
  const still = !consented || lease.lost;
  for (const group of document.querySelectorAll(".fields, .accept, .editor")) group.inert = still;
  body.classList.toggle("readonly", lease.lost);
  body.classList.toggle("unconsented", !consented);
  progress();
}

get("agree").addEventListener("click", () => once(get("agree"), async () => {
  await server.post("consent", { epoch: lease.epoch });
  consented = true;
  get("consent").close();
  settle();
  get("next").focus();
}));

for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("close", () => dialog.querySelector(".dialog-note")?.replaceChildren());
}
for (const close of document.querySelectorAll("[data-close]")) {
  close.addEventListener("click", () => close.closest("dialog").close());
}

// The guide.
function progress() {
  const all = fields.required.length;
  const done = all - fields.left.length;
  get("bar").max = Math.max(all, 1);
  get("bar").value = all === 0 ? 1 : done;
  body.classList.toggle("complete", consented && done === all);
  const words = lease.lost ? "This page can only be read." : !consented ? "First: do you agree to sign electronically?"
    : all === 0 ? "Nothing to fill in. Read, then finish."
      : done === all ? "All done. Finish when you are ready."
        : `${done} of ${all} required ${all === 1 ? "field" : "fields"} done`;
  if (get("count").textContent !== words) get("count").textContent = words;
  if (lease.lost) { // the bar keeps the way back to what happened and what can be done
    get("next").textContent = "What now?";
    get("next").hidden = false;
    return;
  }
  get("next").textContent = !consented ? "Agree" : done === all ? "Optional fields" : done === 0 ? "Start" : "Next field";
  get("next").hidden = consented && fields.next(null) === null;
}

function go(field) {
  lease.scrolling();
  field.closest(".place, .accept").scrollIntoView({ block: "center", behavior: calm.matches ? "auto" : "smooth" });
  field.focus({ preventScroll: true });
  const index = fields.required.indexOf(field);
  if (index >= 0) say(`Field ${index + 1} of ${fields.required.length}`, true);
}

get("next").addEventListener("click", () => {
  if (lease.lost) { get("lost").showModal(); return; }
  if (!consented) { get("consent").showModal(); return; }
  const at = fields.all.includes(last) ? last : null;
  const next = fields.next(at);
  if (next) go(next);
});

let last = null; // the field the person was at before the press on the guide
addEventListener("focusin", (event) => { if (event.target.classList?.contains("field")) last = event.target; });

// Finish, finish later, decline.
get("finish").addEventListener("click", () => once(get("finish"), async () => {
  if (!consented) { get("consent").showModal(); return; }
  const open = fields.left[0];
  if (open) {
    const n = fields.left.length;
    say(n === 1 ? "One required field is left." : `${n} required fields are left.`);
    go(open);
    open.reportValidity?.();
    return;
  }
  if (!(await fields.flush())) return;
  try {
    await server.post("sign", {
      epoch: lease.epoch,
      mark: adoption.marks.signature ?? { kind: "typed" },
      initials: adoption.marks.initials ?? { kind: "typed", text: adoption.initials },
      optional: fields.optional,
    });
  } catch (trouble) {
    if (trouble.what !== "name.glyphs") throw trouble;
    get("unable-text").textContent = trouble.message; // the person cannot mend it here: it stays to be read
    get("unable").showModal();
    return;
  }
  away();
}));

get("leave").addEventListener("click", () => once(get("leave"), async () => {
  await fields.flush();
  await server.post("leave", { epoch: lease.epoch });
  away();
}));

get("decline").addEventListener("click", () => get("declining").showModal());
get("decline-go").addEventListener("click", () => once(get("decline-go"), async () => {
  const reason = get("reason").value.trim();
  if (!reason) { reasonRefused("Please say why."); return; }
  reasonRefused("");
  try {
    await server.post("decline", { epoch: lease.epoch, reason });
  } catch (trouble) {
    if (trouble.status !== 400 && trouble.status !== 422) throw trouble;
    reasonRefused(trouble.message + (trouble.what === "text.malformed" ? " It is invisible or turns the direction of the text: please type the reason without it." : ""));
    return;
  }
  away();
}));

// reasonRefused says beside the text what is wrong with it; the text stays.
function reasonRefused(why) {
  get("reason-problem").textContent = why;
  get("reason").toggleAttribute("aria-invalid", why !== "");
  if (why) get("reason").focus();
}

function away() {
  lease.release();
  location.replace(server.page);
}

// once runs an act that a second press must not repeat.
async function once(button, act) {
  if (button.getAttribute("aria-busy") === "true" || lease.lost) return;
  button.setAttribute("aria-busy", "true");
  try {
    await act();
  } catch (trouble) {
    problem(trouble);
  } finally {
    button.removeAttribute("aria-busy");
  }
}

function problem(trouble) {
  if (trouble.status === undefined) { online(false); return; }
  if (([401, 403, 409].includes(trouble.status) || gone(trouble)) && lease.failed(trouble)) return;
  if (trouble.what === "field.required") {
    const field = fields.all.find((each) => each.dataset.key === trouble.field);
    if (field) go(field);
  }
  say(trouble.message);
}

// What the person is told.
let hush = 0;
function say(text, brief = false) {
  const dialog = document.querySelector("dialog[open]");
  if (dialog) { // a toast would lie behind it and be read by nobody
    const note = dialog.querySelector(".dialog-note");
    if (note && !brief) note.textContent = text;
    return;
  }
  const banner = get("banner");
  clearTimeout(hush);
  banner.textContent = text;
  banner.hidden = false;
  banner.classList.toggle("brief", brief);
  hush = setTimeout(() => { banner.hidden = true; }, brief ? 1_500 : 7_000);
}

let connected = true;
function online(now) {
  if (now === connected) return;
  connected = now;
  say(now ? "The connection is back." : "No connection to the server. What you enter is kept on this page until it is back.");
}

function showLeft(ms, warn) {
  const minutes = Math.ceil(ms / 60_000);
  const text = ms < 60_000 ? `${Math.ceil(ms / 1_000)} s left` : `${minutes} min left`;
  if (get("left").textContent !== text) get("left").textContent = text;
  get("lease").classList.toggle("lease-warn", warn);
}

function lost(now) {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  const texts = {
    mine: "You went on signing on another device or in another tab. This page can only be read now. What you entered is kept.",
    held: `${now?.lease?.holder ?? "Another member"} is signing now, because your time ran out. What you entered is kept for whoever signs; your drawn signature is not.`,
    free: "Your time ran out and the signing was released for others. What you entered is kept.",
    signed: `${now?.by || "Another member"} has signed. There is nothing left to do.`,
    declined: `${now?.by || "Another signer"} has declined. Nobody can sign this package any more.`,
    unknown: "For your safety this browser must prove the mailbox again before you go on.",
    closed: now?.package === "EXPIRED" ? "The time to sign this package is over." : "The sender has taken this package back, or you are no longer asked to sign it. Nothing can be signed here any more.",
    "visit.unknown": "The package was deleted while you were signing, most likely by its sender, who can tell you more. There is nothing left for you to do here.",
    "member.moved": "Your invitation went to an e-mail address that is no longer yours. Ask the sender to send it again to the new one.",
    "member.removed": "You are no longer asked to sign for this group. The sender can tell you more.",
    "member.inactive": "Your account is not active any more. The sender can tell you more.",
    "role.viewer": "There is nothing for you to sign in this package any more.",
  };
  const deleted = now?.phase === "visit.unknown";
  const again = { mine: "Go on here", free: "Start again" }[now?.phase];
  get("lost-text").textContent = texts[now?.phase] ?? "This package is not open for signing any more.";
  if (deleted) {
    get("lost-title").textContent = "This package is no longer there";
    get("lost-show").textContent = "Your inbox";
    get("lost-show").href = "/inbox"; // its own page is gone too
  }
  get("lost-again").hidden = !again;
  if (again) get("lost-again").textContent = again;
  get("left").textContent = "Read only";
  settle();
  for (const id of ["leave", "decline", "finish"]) get(id).disabled = true;
  get("lost").showModal();
}
