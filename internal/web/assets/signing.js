// The signing page.
import { api, gone } from "./api.js";
import { Adoption } from "./adopt.js";
import { Attachments } from "./attachments.js";
import { enlarge } from "./editor.js";
import { Fields } from "./fields.js";
import { Lease } from "./lease.js";
import { layOut } from "./pages.js";
import { refusing } from "./refusing.js";

const { body } = document;
const get = (id) => document.getElementById(id);
const server = api(body.dataset.handle);
const calm = matchMedia("(prefers-reduced-motion: reduce)");

layOut();
const noted = enlarge();

const adoption = new Adoption(body.dataset.name, body.dataset.initials, "drawn" in body.dataset);
const fields = new Fields(adoption, (key, value) => server.post("fill", { epoch: lease.epoch, field: key, value }), {
  progress, problem, noted,
  signed: (field) => { const next = fields.left.length > 0 ? fields.next(field) : attachments.left[0]; if (next) go(next); else get("finish").focus(); },
});
const attachments = new Attachments(server, () => lease.epoch, { progress, problem });
const lease = new Lease(server, body.dataset, { left: showLeft, warn: () => say("Less than two minutes of your turn are left. Go on working to keep it."), online, lost });

// Consent comes first: until then the fields stand still.
let consented = "consented" in body.dataset;
settle();
if (!consented) get("consent").showModal();

function settle() {
  const still = !consented || lease.lost;
  for (const group of document.querySelectorAll(".fields, .accept, .editor, .attachment")) group.inert = still;
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
function required() { return [...fields.required, ...attachments.required]; }
function left() { return [...fields.left, ...attachments.left]; }

function progress() {
  const all = required().length;
  const open = left();
  const done = Math.max(0, all - open.length);
  const complete = open.length === 0;
  get("bar").max = Math.max(all, 1);
  get("bar").value = complete ? Math.max(all, 1) : done;
  body.classList.toggle("complete", consented && complete);
  if (complete && get("banner").classList.contains("brief")) get("banner").hidden = true; // which field it was is over
  const words = lease.lost ? "This page can only be read." : !consented ? "First: do you agree to sign electronically?"
    : all === 0 && complete ? "Nothing to fill in. Read, then finish."
      : complete ? "All done. Finish when you are ready."
        : `${done} of ${all} required ${all === 1 ? "field" : "fields"} done`;
  if (get("count").textContent !== words) get("count").textContent = words;
  perDocument(open);
  const missing = new Set(open.flatMap((each) => fields.all.includes(each) ? fields.group(each) : []));
  for (const field of fields.all) field.toggleAttribute("data-open", missing.has(field));
  if (lease.lost) { // the bar keeps the way back to what happened and what can be done
    get("next").textContent = "What now?";
    get("next").hidden = false;
    return;
  }
  get("next").textContent = !consented ? "Agree" : complete ? "Optional fields" : done === 0 ? "Start" : "Next field";
  get("next").hidden = consented && nextOf(null) === null;
}

// perDocument tells beside each document's name how far it is.
function perDocument(open) {
  const all = required();
  for (const at of document.querySelectorAll("[data-progress]")) {
    const sheet = get(at.dataset.progress);
    const inside = (each) => sheet.contains(each);
    const many = all.filter(inside).length;
    const rest = open.filter(inside).length;
    at.classList.toggle("rail-complete", rest === 0 && many > 0);
    const words = many === 0 && rest === 0 ? "" : rest === 0 ? " · done" : ` · ${Math.max(0, many - rest)} of ${many} done`;
    if (at.textContent !== words) at.textContent = words;
  }
}

// nextOf is where to go from a field: what is missing first, then what may be left out.
function nextOf(from) {
  const files = attachments.left;
  if (fields.left.length === 0 && files.length > 0) return files.find((box) => box !== from?.closest(".attachment")) ?? files[0];
  const past = from && files.length > 0 && !fields.left.some((field) => from.compareDocumentPosition(field) & Node.DOCUMENT_POSITION_FOLLOWING);
  return past && !from.closest(".attachment") ? files[0] : fields.next(from);
}

function go(to) {
  lease.scrolling();
  to.closest(".place, .accept, .attachment").scrollIntoView({ block: "center", behavior: calm.matches ? "auto" : "smooth" });
  if (attachments.all.includes(to)) attachments.focus(to); else to.focus({ preventScroll: true });
  const index = required().indexOf(to);
  if (index >= 0) say(`Field ${index + 1} of ${required().length}`, true);
}

get("next").addEventListener("click", () => {
  if (lease.lost) { get("lost").showModal(); return; }
  if (!consented) { get("consent").showModal(); return; }
  const next = nextOf(last?.isConnected ? last : null);
  if (next) go(next);
});

let last = null; // the field the person was at before the press on the guide
addEventListener("focusin", (event) => { if (event.target.matches?.(".field, .attachment-file")) last = event.target; });

// Finish, finish later, decline.
get("finish").addEventListener("click", () => once(get("finish"), async () => {
  if (!consented) { get("consent").showModal(); return; }
  const rest = left();
  if (rest.length > 0) {
    say(rest.length === 1 ? "One required field is left." : `${rest.length} required fields are left.`);
    show(rest[0]);
    return;
  }
  if (!(await fields.flush())) return;
  if (left().length > 0) { show(left()[0]); return; } // a condition asks for more with what was entered last
  if ("affidavit" in body.dataset && !(await affirmed())) return;
  try {
    await server.post("sign", {
      epoch: lease.epoch,
      mark: adoption.marks.signature ?? { kind: "typed" },
      initials: adoption.marks.initials ?? { kind: "typed", text: adoption.initials },
      optional: fields.optional,
      affidavit: "affidavit" in body.dataset,
    });
  } catch (trouble) {
    if (trouble.what === "mark.drawn_needed") adoption.forget();
    if (trouble.what !== "name.glyphs") throw trouble;
    get("unable-text").textContent = trouble.message; // the person cannot mend it here: it stays to be read
    get("unable").showModal();
    return;
  }
  away();
}));

// affirmed asks who signs on another's device to confirm it.
function affirmed() {
  const dialog = get("affirm");
  return new Promise((answer) => {
    dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true });
    get("affirm-go").onclick = () => dialog.close("yes");
    dialog.returnValue = "";
    dialog.showModal();
  });
}

// show goes to what is missing and says beside it what is.
function show(what) {
  go(what);
  if (attachments.all.includes(what)) attachments.problem(what, "Please add this file.");
  else fields.tell(what, fields.trouble(what));
}

get("leave").addEventListener("click", () => once(get("leave"), async () => {
  await fields.flush();
  await server.post("leave", { epoch: lease.epoch });
  away();
}));

for (const [name, way] of Object.entries({
  decline: { open: "decline", dialog: "declining", go: "decline-go", reason: "reason" },
  optout: { open: "optout", dialog: "opting", go: "optout-go", reason: "optout-reason" },
})) refusing(way, async (reason) => { await server.post(name, { epoch: lease.epoch, reason }); away(); }, once);

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
  const field = trouble.field ? fields.of(trouble.field) : undefined;
  if (field && (trouble.status === 400 || trouble.status === 422)) {
    go(field);
    fields.tell(field, trouble.message);
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
    resting: "Your time ran out. The others go first now: the page of this package says until when. What you entered is kept.",
    free: "Your time ran out and the signing was released for others. What you entered is kept.",
    signed: `${now?.by || "Another member"} has signed. There is nothing left to do.`,
    declined: `${now?.by || "Another signer"} has declined. Nobody can sign this package any more.`,
    unknown: "For your safety this browser must prove the mailbox again before you go on.",
    opted: `${now?.by || "Another signer"} has opted out of signing electronically. Nobody can sign this package any more.`,
    locked: "After too many wrong codes you are locked out of this package. The sender can let you in again.",
    closed: now?.package === "EXPIRED" ? "The time to sign this package is over." : "The sender has taken this package back, or you are no longer asked to sign it. Nothing can be signed here any more.",
    "visit.unknown": "The package was deleted while you were signing, most likely by its sender, who can tell you more. There is nothing left for you to do here.",
    "member.moved": "Your invitation went to an e-mail address that is no longer yours. Ask the sender to send it again to the new one.",
    "member.removed": "You are no longer asked to sign for this group. The sender can tell you more.",
    "member.inactive": "Your account is not active any more. The sender can tell you more.",
    "role.viewer": "There is nothing for you to sign in this package any more.",
  };
  if (now?.broken?.epoch === lease.epoch && ["free", "held", "resting"].includes(now.phase)) {
    texts[now.phase] = `${now.broken.by} has ended your turn: “${now.broken.reason}”. What you entered is kept; a drawn signature is not.`;
  }
  const deleted = now?.phase === "visit.unknown";
  const again = { mine: "Go on here", free: "Start again" }[now?.phase];
  get("lost-text").textContent = texts[now?.package === "OPTED_OUT" ? "opted" : now?.phase] ?? "This package is not open for signing any more.";
  if (deleted) {
    get("lost-title").textContent = "This package is no longer there";
    get("lost-show").textContent = "Your inbox";
    get("lost-show").href = "/inbox"; // its own page is gone too
  }
  get("lost-again").hidden = !again;
  if (again) get("lost-again").textContent = again;
  get("left").textContent = "Read only";
  settle();
  for (const id of ["leave", "decline", "optout", "finish"]) get(id)?.toggleAttribute("disabled", true);
  get("lost").showModal();
}
