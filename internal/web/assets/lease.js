// Keeps the lease alive while the person acts, and only then: a beat is sent after
// a key, pointer, touch or scroll event since the last one. The first such event sends
// the first beat at once, which turns the soft lease into a hard one.
import { gone, poll } from "./api.js";

const lookEvery = 5_000;
const warnBelow = 120_000;
// refusals that are the whole story: a new lease would be refused in the same words.
const final = new Set(["member.moved", "member.removed", "member.inactive", "role.viewer"]);
const quiet = 800; // scroll events this soon after our own scrolling are not the person's

export class Lease {
  constructor(server, data, told) {
    this.server = server;
    this.epoch = Number(data.epoch);
    this.stage = data.stage;
    this.beatEvery = Number(data.heartbeat);
    this.told = told;
    this.lost = false;
    this.acted = false;
    this.beating = false;
    this.last = 0;
    this.warned = false;
    this.scrolledByUs = performance.now();
    this.set(data.now, data.expires);
    this.watchPerson();
    this.stop = poll(() => this.look(), lookEvery);
    this.ticker = setInterval(() => this.tick(), 1_000);
    this.tick();
  }

  // set takes over the server's times; the page's own clock only measures how long ago.
  set(now, expires) {
    this.ends = performance.now() + (Date.parse(expires) - Date.parse(now));
  }

  get left() { return Math.max(0, this.ends - performance.now()); }

  watchPerson() {
    const act = (event) => {
      if (!event.isTrusted || this.lost) return;
      if (event.type === "pointermove" && !this.moved(event)) return;
      if (event.type === "scroll" && performance.now() - this.scrolledByUs < quiet) return;
      this.acted = true;
      if (this.stage === "soft" || performance.now() - this.last > this.beatEvery) this.beat();
    };
    for (const name of ["keydown", "pointerdown", "pointermove", "touchstart", "wheel", "scroll", "input"]) {
      addEventListener(name, act, { capture: true, passive: true });
    }
  }

  // moved tells a pointer that moved from one that lies still while the page moves under it:
  // browsers report both.
  moved(event) {
    const at = `${event.screenX} ${event.screenY}`;
    const moved = this.pointer !== undefined && this.pointer !== at;
    this.pointer = at;
    return moved;
  }

  // scrolling is called by the page before it scrolls by itself.
  scrolling() { this.scrolledByUs = performance.now(); }

  async beat() {
    if (this.lost || this.beating || !this.acted) return;
    this.beating = true;
    this.acted = false;
    this.last = performance.now();
    try {
      await this.server.post("beat", { epoch: this.epoch });
      this.ends = Math.max(this.ends, performance.now());
      this.told.online(true);
      await this.look();
    } catch (problem) {
      if (!this.failed(problem)) {
        this.acted = true;
        this.told.online(false);
      }
    } finally {
      this.beating = false;
    }
  }

  // look asks how the signing stands; it renews nothing.
  async look() {
    if (this.lost) return false;
    let now;
    try {
      now = await this.server.state();
    } catch (problem) {
      if (this.failed(problem)) return false;
      this.told.online(false);
      throw problem;
    }
    this.told.online(true);
    if (now.phase !== "mine" || now.lease?.epoch !== this.epoch) {
      this.end(now);
      return false;
    }
    this.stage = now.lease.stage;
    this.set(now.now, now.lease.expires);
    this.tick();
    return true;
  }

  // failed tells whether the problem ends the lease for this page.
  failed(problem) {
    if (problem.status === 401) {
      this.end({ phase: "unknown" });
      return true;
    }
    if (gone(problem) || final.has(problem.what)) { // nothing more is learnt from how it stands
      this.end({ phase: problem.what });
      return true;
    }
    if (problem.status !== 409 && problem.status !== 403) return false;
    this.server.state().then((now) => this.end(now), (why) => this.end({ phase: why.what ?? problem.what }));
    return true;
  }

  end(now) {
    if (this.lost) return;
    this.release();
    this.told.lost(now);
  }

  // release stops everything; the page is done with the lease.
  release() {
    this.lost = true;
    this.stop();
    clearInterval(this.ticker);
  }

  tick() {
    if (this.lost) return;
    if (this.acted && performance.now() - this.last > this.beatEvery) this.beat();
    const warn = this.stage === "hard" && this.left < warnBelow;
    if (warn && !this.warned) this.told.warn();
    this.warned = warn;
    this.told.left(this.left, warn);
  }
}
