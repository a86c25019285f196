// Keeps the page of an invitation up to date: who signs, whose turn it is, and when all
// is sealed. What changed is fetched as the server words it and put in place.
import { api, gone, poll } from "./api.js";
import { localise } from "./moments.js";

const card = document.getElementById("standing");
const live = document.getElementById("live"); // stays the same element, so that its changes are read out
const handle = decodeURIComponent(card.dataset.state.split("/")[2]);
const server = api(handle);
const title = document.title;
const over = new Set(["COMPLETED", "ARCHIVED", "DECLINED", "OPTED_OUT", "EXPIRED"]);

// mark tells one standing from another.
const mark = (now) => [now.phase, now.package, now.lease?.holder, now.lease?.epoch, now.by, now.broken?.epoch].join("|");
let shown = null;

async function refresh(now) {
  const answer = await fetch(server.page, { credentials: "same-origin", cache: "no-store" });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("standing");
  if (!answer.ok || !fresh) { location.reload(); return; }
  const busy = card.contains(document.activeElement) ? document.activeElement.closest("form")?.id : "";
  const before = card.dataset.phase;
  live.replaceChildren(...fresh.querySelector("#live").childNodes);
  fresh.querySelector("#live").replaceWith(live);
  card.replaceChildren(...fresh.childNodes);
  Object.assign(card.dataset, fresh.dataset);
  localise(card);
  const turn = (before === "held" || before === "resting") && now.phase === "free";
  document.title = turn ? `Your turn · ${title}` : title;
  if (turn) live.querySelector("h1").textContent = "Your turn";
  const still = turn ? "take" : busy;
  if (still && (turn ? document.activeElement === document.body : true)) document.querySelector(`#${still} button`)?.focus();
}

// hosted looks whether the list of signers on this device changed: some sign on a device of their own.
async function hosted() {
  const answer = await fetch(server.page, { credentials: "same-origin", cache: "no-store" });
  if ([401, 403, 404].includes(answer.status)) { location.reload(); return; }
  if (!answer.ok) throw new Error(`The list came as ${answer.status}.`);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("standing");
  if (!fresh || !("hosted" in fresh.dataset)) { location.reload(); return; } // it is over, and the page says how
  const list = card.querySelector(".hosted");
  const next = fresh.querySelector(".hosted");
  const title = [live, fresh.querySelector("#live")].map((each) => each.querySelector("h1"));
  if (title[0].textContent !== title[1].textContent) title[0].textContent = title[1].textContent;
  for (const row of next.children) {
    const old = [...list.children].find((each) => each.dataset.signer === row.dataset.signer);
    if (!old || old.outerHTML === row.outerHTML) continue;
    const focused = old.contains(document.activeElement);
    old.replaceWith(document.importNode(row, true));
    if (focused) document.getElementById("main").focus();
  }
}

poll(async () => {
  if ("hosted" in card.dataset) { await hosted(); return true; }
  let now;
  try {
    now = await server.state();
  } catch (refusal) {
    if (refusal.status === 401 || refusal.status === 403 || gone(refusal)) location.reload(); // the page says why
    throw refusal;
  }
  const seen = mark(now);
  if (shown === null && now.phase === card.dataset.phase && now.package === card.dataset.package) shown = seen;
  if (seen !== shown) {
    await refresh(now);
    shown = seen;
  }
  return !over.has(now.package) && now.phase !== "closed";
}, 2_500);

card.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.id !== "watch") return;
  event.preventDefault();
  try {
    await server.post("watch", {});
    const note = document.createElement("p");
    note.className = "alert alert-good";
    note.setAttribute("role", "status");
    note.textContent = "We will e-mail you when it is free.";
    form.replaceChildren(note);
  } catch {
    form.submit();
  }
});
