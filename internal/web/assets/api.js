// The JSON calls of the signing pages. A refusal is thrown as a Refusal with the server's words.
export class Refusal extends Error {
  constructor(status, body) {
    super(body?.detail || "Something went wrong. Please try again.");
    this.status = status;
    this.what = body?.what ?? "fault";
    this.params = body?.params ?? {};
    this.field = body?.field ?? "";
  }
}

// gone tells whether a refusal says that nothing is behind the handle any more: the package was
// deleted. Any other 404 is not the server's own word and may pass.
export const gone = (refusal) => refusal.what === "visit.unknown";

export function api(handle) {
  const base = `/sign/${encodeURIComponent(handle)}/`;
  const call = async (method, name, body) => {
    const options = { method, credentials: "same-origin", cache: "no-store", headers: { Accept: "application/json" } };
    if (body !== undefined) {
      options.headers["Content-Type"] = "application/json";
      options.body = JSON.stringify(body);
    }
    const answer = await fetch(base + name, options);
    if (answer.status === 204) return null;
    const json = await answer.json().catch(() => null);
    if (!answer.ok) throw new Refusal(answer.status, json?.error);
    return json;
  };
  return {
    page: base.slice(0, -1),
    state: () => call("GET", "state"),
    post: (name, body) => call("POST", name, body),
  };
}

// poll calls look again and again: every `every` ms while all is well, slower after
// failures, and at once when the page comes back to the front. look returns false to end.
export function poll(look, every) {
  let timer = 0;
  let failures = 0;
  let ended = false;
  const turn = async () => {
    clearTimeout(timer);
    if (ended) return;
    try {
      ended = (await look()) === false;
      failures = 0;
    } catch {
      failures += 1;
    }
    if (ended) return;
    const pause = document.hidden ? every * 5 : every;
    clearTimeout(timer);
    timer = setTimeout(turn, Math.min(pause * 2 ** Math.min(failures, 4), 60_000));
  };
  document.addEventListener("visibilitychange", () => { if (!document.hidden) turn(); });
  timer = setTimeout(turn, every);
  return () => { ended = true; clearTimeout(timer); };
}
