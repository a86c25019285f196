// A signature is adopted once, typed, drawn or from a picture, and used in every field of its kind.
import { trace } from "./trace.js";

const maxPoints = 9_000; // the server takes 10,000
const minStep = 1.5; // pixels between two points of a stroke

export class Pad {
  constructor(canvas, note) {
    this.canvas = canvas;
    this.note = note;
    this.strokes = [];
    this.count = 0;
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { this.stroke = null; });
  }

  // fit makes the canvas as sharp as the screen; what was drawn is drawn again.
  fit() {
    const box = this.canvas.getBoundingClientRect();
    if (box.width === 0) return;
    this.ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(box.width * this.ratio);
    this.canvas.height = Math.round(box.height * this.ratio);
    this.paint();
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  begin(event) {
    if (event.button > 0) return;
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    this.stroke = [this.at(event)];
    this.strokes.push(this.stroke);
    this.count += 1;
    this.paint();
  }

  move(event) {
    if (!this.stroke) return;
    event.preventDefault();
    for (const each of event.getCoalescedEvents?.() ?? [event]) {
      const point = this.at(each);
      const last = this.stroke.at(-1);
      if (Math.hypot(point[0] - last[0], point[1] - last[1]) < minStep) continue;
      if (this.count >= maxPoints) {
        this.note.textContent = "That is all the ink there is. Clear to begin again.";
        return;
      }
      this.stroke.push(point);
      this.count += 1;
    }
    this.paint();
  }

  clear() {
    this.strokes = [];
    this.count = 0;
    this.stroke = null;
    this.note.textContent = "Sign on the line.";
    this.paint();
  }

  paint() {
    const context = this.canvas.getContext("2d");
    context.setTransform(this.ratio || 1, 0, 0, this.ratio || 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.strokeStyle = context.fillStyle = getComputedStyle(this.canvas).color;
    context.lineWidth = 2.4;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of this.strokes) {
      context.beginPath();
      context.moveTo(...stroke[0]);
      for (const point of stroke) context.lineTo(...point);
      context.stroke();
    }
  }

  // mark is what was drawn, in the unit square of its own bounds; null when nothing was.
  mark() {
    const points = this.strokes.flat();
    if (points.length < 2) return null;
    const xs = points.map((point) => point[0]);
    const ys = points.map((point) => point[1]);
    const pad = 4;
    const left = Math.min(...xs) - pad;
    const top = Math.min(...ys) - pad;
    const width = Math.max(...xs) + pad - left;
    const height = Math.max(...ys) + pad - top;
    const round = (value) => Math.round(Math.min(1, Math.max(0, value)) * 1e4) / 1e4;
    return {
      kind: "drawn",
      aspect: width / height,
      strokes: this.strokes.map((stroke) => stroke.map(([x, y]) => [round((x - left) / width), round((y - top) / height)])),
    };
  }
}

// room is how many ordinary letters a text is as wide as; those of East Asia count twice.
function room(text) {
  return [...text].reduce((sum, letter) => sum + (/[\u1100-\u11ff\u2e80-\ud7ff\uf900-\ufaff\uff00-\uff60]/.test(letter) ? 2 : 1), 0);
}

// picture shows a mark in a field.
export function picture(mark, name) {
  if (mark.kind === "typed") {
    const text = document.createElement("span");
    text.className = "script";
    const bdi = document.createElement("bdi");
    bdi.textContent = mark.text || name;
    text.append(bdi);
    text.style.setProperty("--letters", room(bdi.textContent)); // a long name is written smaller, not cut off
    return text;
  }
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("viewBox", `0 0 ${1000 * mark.aspect} 1000`);
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "ink");
  if (mark.strokes.every((stroke) => stroke.length === 2 && stroke[0][1] === stroke[1][1])) { // rows of a picture: they touch
    svg.classList.add("ink-rows");
    svg.setAttribute("stroke-width", 1200 / new Set(mark.strokes.map((stroke) => stroke[0][1])).size);
  }
  for (const stroke of mark.strokes) {
    const path = document.createElementNS(ns, "path");
    const points = stroke.length > 1 ? stroke : [stroke[0], stroke[0]];
    path.setAttribute("d", "M" + points.map(([x, y]) => `${(x * 1000 * mark.aspect).toFixed(1)} ${(y * 1000).toFixed(1)}`).join("L"));
    svg.append(path);
  }
  return svg;
}

// Adoption is the dialog; ask resolves to the mark, or null when the person cancels.
export class Adoption {
  constructor(name, initials, drawnOnly) {
    this.name = name;
    this.initials = initials;
    this.drawnOnly = drawnOnly; // a typed signature would be refused
    this.dialog = document.getElementById("adopt");
    this.pad = new Pad(document.getElementById("pad"), document.getElementById("pad-note"));
    this.marks = { signature: null, initials: null };
    this.preferred = "typed";
    for (const radio of this.dialog.querySelectorAll("[name=way]")) {
      radio.addEventListener("change", () => { this.preferred = this.way; this.turn(); });
    }
    document.getElementById("pictured-file").addEventListener("change", (event) => this.look(event.target));
    document.getElementById("clear").addEventListener("click", () => this.pad.clear());
    document.getElementById("adopt-go").addEventListener("click", () => this.adopt());
    addEventListener("resize", () => { if (this.dialog.open) this.pad.fit(); });
    this.dialog.addEventListener("close", () => this.answer?.(this.marks[this.what]));
  }

  get way() { return this.dialog.querySelector("[name=way]:checked").value; }

  turn() {
    document.getElementById("typed").hidden = this.way !== "typed";
    document.getElementById("drawn").hidden = this.way !== "drawn";
    document.getElementById("pictured").hidden = this.way !== "pictured";
    if (this.way === "drawn") this.pad.fit();
  }

  // look reads a picture of a signature and shows what it becomes.
  async look(input) {
    const [file] = input.files;
    if (!file) return;
    this.pictured = null;
    this.pictureProblem("");
    try {
      this.pictured = await trace(file);
      document.getElementById("pictured-preview").replaceChildren(picture(this.pictured, this.name));
    } catch (trouble) {
      this.pictureProblem(trouble.message);
    }
    input.value = "";
  }

  pictureProblem(text) { document.getElementById("pictured-problem").textContent = text; }

  made() {
    switch (this.way) {
      case "typed": return { kind: "typed", text: this.text() };
      case "drawn": return this.pad.mark();
      default: return this.pictured;
    }
  }

  text() { return this.what === "initials" ? this.initials : this.name; }

  // forget drops what was adopted, so that it is asked for again.
  forget() {
    this.marks = { signature: null, initials: null };
    this.drawnOnly = true;
  }

  ask(what, drawn = false) {
    const only = drawn || (this.drawnOnly && what === "signature");
    if (this.marks[what] && !(only && this.marks[what].kind === "typed")) return Promise.resolve(this.marks[what]);
    this.what = what;
    document.getElementById("ways").hidden = only;
    this.dialog.querySelector(`[value="${only ? "drawn" : this.preferred}"]`).checked = true;
    document.getElementById("adopt-title").textContent = what === "initials" ? "Adopt your initials" : "Adopt your signature";
    document.getElementById("adopt-what").textContent = what;
    document.querySelector("#typed-preview bdi").textContent = this.text();
    this.pad.clear();
    this.pictured = null; // the picture of a signature is not that of initials
    this.pictureProblem("");
    document.getElementById("pictured-preview").replaceChildren();
    this.dialog.showModal();
    this.turn();
    return new Promise((answer) => { this.answer = answer; });
  }

  adopt() {
    const mark = this.made();
    if (!mark && this.way === "pictured") {
      this.pictureProblem("Please choose a picture first.");
      return;
    }
    if (!mark) {
      document.getElementById("pad-note").textContent = "Please sign here first.";
      return;
    }
    this.marks[this.what] = mark;
    this.dialog.close();
  }
}
