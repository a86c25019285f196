// Says when new messages came, and chooses a mailbox without the extra press.
const list = document.getElementById("letters");
const choose = document.getElementById("to");
const news = document.getElementById("news");

choose?.addEventListener("change", () => choose.form.requestSubmit());

async function look() {
  const answer = await fetch(`/mailbox/api/messages?to=${encodeURIComponent(list.dataset.to)}`, { cache: "no-store" });
  if (!answer.ok) return;
  const more = (await answer.json()).length - Number(list.dataset.count);
  if (more <= 0) return;
  if (!document.querySelector(".mail-open")) { location.reload(); return; }
  const link = document.createElement("a");
  link.href = location.href;
  link.textContent = more === 1 ? "One new message" : `${more} new messages`;
  news.replaceChildren(link);
}

setInterval(() => { if (!document.hidden) look().catch(() => {}); }, 3000);
