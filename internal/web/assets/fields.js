// The fields: what is done, what is left, and saving what was entered.
import { picture } from "./adopt.js";

// ways to name what a value lacks, when the sender did not say it himself
const missing = { signature: "Please sign here.", initials: "Please initial here.", accept: "Please tick this box.", check: "Please tick this box.",
  radio: "Please choose one.", list: "Please choose from the list.", date: "Please enter a date." };

// matcher is what a value must match as a whole; null when this browser cannot tell, and the server does.
function matcher(pattern) {
  try {
    return new RegExp(`^(?:${pattern})$`, "u");
  } catch {
    return null;
  }
}

export class Fields {
  constructor(adoption, save, told) {
    this.adoption = adoption;
    this.save = save; // (key, value) → promise
    this.told = told;
    this.all = [...document.querySelectorAll(".field")];
    this.blank = new Map(); // signature field → what it said before it was signed
    this.pending = new Map(); // key → promise of the newest save
    this.line = Promise.resolve(true); // saves go one after the other: each answer tells what conditions made of all before it
    this.verdicts = new Map(); // key → what the server said to the newest value, {value, message}
    this.groups = new Map(); // group → its members, one question together
    for (const field of this.all) {
      const { group } = field.dataset;
      if (group) this.groups.set(group, [...(this.groups.get(group) ?? []), field]);
      if (this.isMark(field)) field.addEventListener("click", () => this.sign(field));
      else {
        field.dataset.saved = this.value(field);
        field.addEventListener("change", () => this.changed(field));
        field.addEventListener("blur", () => this.hint(field));
      }
      field.addEventListener("input", () => { this.hush(field); this.told.progress(); });
    }
  }

  // turn carries out what conditions made of other fields, as the server says: it alone decides.
  turn(switched) {
    for (const { field: key, disabled, required } of switched) {
      const field = this.all.find((each) => each.dataset.key === key);
      if (!field || this.isMark(field)) continue;
      field.disabled = disabled;
      field.toggleAttribute("data-required", required);
      field.setAttribute("aria-label", `${field.dataset.label}${required ? ", required" : ""}`);
      if (disabled) this.hush(field);
    }
  }

  isMark(field) { return field.dataset.kind === "signature" || field.dataset.kind === "initials"; }
  group(field) { return this.groups.get(field.dataset.group) ?? [field]; }

  done(field) {
    switch (field.dataset.kind) {
      case "signature":
      case "initials": return field.dataset.signed !== undefined;
      case "check":
      case "radio": return this.group(field).some((other) => other.checked);
      case "accept": return field.checked;
      default: return field.value.trim() !== "";
    }
  }

  // chosen tells whether the optional approval of a field is signed or accepted; others always are.
  chosen(field) {
    if (!("optional" in field.dataset)) return true;
    return this.all.some((other) => other.dataset.approval === field.dataset.approval
      && (this.isMark(other) || other.dataset.kind === "accept") && this.done(other));
  }

  // first stands for a whole group: it is asked for once.
  first(field) { return this.group(field)[0] === field; }
  least(field) { return Math.max(0, ...this.group(field).map((other) => Number(other.dataset.minimum ?? 0))); }
  must(field) {
    if (!("required" in field.dataset) && !this.group(field).some((other) => "required" in other.dataset) && this.least(field) === 0) return false;
    return this.chosen(field);
  }

  get required() { return this.all.filter((field) => this.first(field) && this.must(field)); }
  get left() {
    const required = new Set(this.required);
    return this.all.filter((field) => this.first(field) && (required.has(field) ? !this.done(field) || this.trouble(field) !== "" : this.wrong(field)));
  }

  // wrong tells of a field that may stay empty, but not as it is.
  wrong(field) { return !this.isMark(field) && !field.disabled && this.chosen(field) && this.trouble(field) !== ""; }

  // trouble says what is wrong with a field as it stands, or "". What the server said to the same value counts more.
  trouble(field) {
    const message = field.dataset.message ?? "";
    if (!this.done(field)) return this.must(field) ? message || missing[field.dataset.kind] || "Please fill in this field." : "";
    if (this.isMark(field) || field.dataset.kind === "accept" || field.dataset.kind === "radio") return "";
    if (field.dataset.kind === "check") return this.count(field, message); // the server counts no otherwise
    const verdict = this.verdicts.get(field.dataset.key);
    return verdict?.value === this.value(field) ? verdict.message : this.form(field, message);
  }

  // count says what is wrong with how many boxes of a group are ticked.
  count(field, message) {
    const boxes = this.group(field);
    const ticked = boxes.filter((box) => box.checked).length;
    const least = this.least(field);
    const most = Math.min(...boxes.map((box) => Number(box.dataset.maximum || Infinity)));
    if (ticked < least) return message || `Please tick at least ${least}.`;
    return ticked > most ? message || `Please tick at most ${most}.` : "";
  }

  form(field, message) {
    const { pattern, shortest } = field.dataset;
    const { value } = field;
    if ([...value].length < Number(shortest ?? 0)) return message || `Please enter at least ${shortest} characters.`;
    if (pattern && matcher(pattern)?.test(value) === false) return message || "This does not have the form that is asked for.";
    return "";
  }

  // hint says beside the field what is wrong with what was entered; an empty one is left in peace.
  hint(field) {
    const head = this.group(field)[0];
    const text = this.done(head) && !head.disabled ? this.trouble(head) : "";
    if (text) this.tell(head, text); else this.hush(head);
  }

  // tell shows a note beside a field.
  tell(field, text) {
    const place = field.closest(".place, .accept");
    let note = place.querySelector(".field-note");
    if (!note) {
      note = document.createElement("p");
      note.className = "field-note";
      note.id = `note-${this.all.indexOf(field)}`;
      note.setAttribute("role", "alert");
      place.append(note);
    }
    if (note.textContent !== text) note.textContent = text;
    place.classList.toggle("place-low", Number(place.dataset.top ?? 0) > 85);
    place.classList.toggle("place-far", Number(place.dataset.left ?? 0) > 55);
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", note.id);
    this.told.noted?.(field, text);
  }

  hush(field) {
    for (const each of this.group(field)) {
      if (!each.hasAttribute("aria-invalid")) continue;
      each.removeAttribute("aria-invalid");
      each.removeAttribute("aria-describedby");
      each.closest(".place, .accept").querySelector(".field-note")?.remove();
      this.told.noted?.(each, "");
    }
  }

  // next is the field to go to: the first open one after where the person is, required ones first.
  next(from) {
    const left = this.left;
    const open = left.length > 0 ? left : this.all.filter((field) => this.first(field) && !field.disabled && !this.done(field));
    if (open.length === 0) return null;
    const after = (field) => from && from.compareDocumentPosition(field) & Node.DOCUMENT_POSITION_FOLLOWING;
    return open.find((field) => field !== from && after(field)) ?? open[0];
  }

  // of is the field at a server's path "document/approval/field", or of its last part alone.
  of(path) { return this.all.find((field) => field.dataset.key === path) ?? this.all.find((field) => path && field.dataset.key?.endsWith(`/${path}`)); }

  async sign(field) {
    if (field.dataset.signed !== undefined) {
      if ("optional" in field.dataset) this.unsign(field);
      return;
    }
    const { kind } = field.dataset;
    const drawn = this.all.some((other) => other.dataset.kind === kind && "drawn" in other.dataset);
    const mark = await this.adoption.ask(kind, drawn);
    if (!mark) { field.focus(); return; }
    this.hush(field);
    this.blank.set(field, { label: field.getAttribute("aria-label"), children: [...field.childNodes] });
    field.dataset.signed = "";
    field.replaceChildren(picture(mark, this.adoption.name));
    field.setAttribute("aria-label", `${field.dataset.label}: ${mark.kind === "typed" ? `${mark.text || this.adoption.name}, ` : ""}signed${"optional" in field.dataset ? ". Press to remove" : ""}`);
    this.told.progress();
    this.told.signed(field);
  }

  unsign(field) {
    delete field.dataset.signed;
    const { label, children } = this.blank.get(field);
    field.replaceChildren(...children);
    field.setAttribute("aria-label", label);
    this.told.progress();
  }

  // optional approvals the person signed or accepted.
  get optional() {
    const keys = this.all.filter((field) => "optional" in field.dataset && (this.isMark(field) || field.dataset.kind === "accept") && this.done(field))
      .map((field) => field.dataset.approval);
    return [...new Set(keys)];
  }

  value(field) {
    if (field.dataset.kind === "check" || field.dataset.kind === "radio") return field.checked ? "X" : "";
    return field.value;
  }

  async changed(field) {
    this.told.progress();
    this.hint(field);
    if (!field.dataset.key) return;
    if (field.dataset.kind === "radio") { // at no time are two of a group chosen
      await Promise.all(this.group(field).filter((other) => other !== field && other.dataset.saved === "X").map((other) => this.store(other)));
      if (!field.checked) return;
    }
    const saved = this.store(field);
    if (field.dataset.kind === "check" && this.group(field).length > 1) { // one tick less may make room for another
      await saved;
      for (const other of this.group(field)) if (other !== field && "unsaved" in other.dataset) this.store(other);
    }
  }

  // store saves one field after all earlier saves, so that the last value wins.
  store(field) {
    const { key } = field.dataset;
    const value = this.value(field);
    const now = this.line.then(() => this.send(field, key, value));
    this.line = now;
    this.pending.set(key, now);
    return now;
  }

  async send(field, key, value) {
    try {
      const answer = await this.save(key, value);
      this.turn(answer?.switched ?? []);
      field.dataset.saved = value;
      delete field.dataset.unsaved;
      this.verdicts.set(key, { value, message: "" });
      field.closest(".place")?.querySelector(".entered")?.remove();
      this.hint(field);
      this.told.progress();
      return true;
    } catch (problem) {
      field.dataset.unsaved = "";
      if (problem.status === 400 || problem.status === 422) {
        this.verdicts.set(key, { value, message: problem.message });
        const head = this.group(field)[0];
        if (this.trouble(head) === "" || head === field) this.tell(field, problem.message);
        this.told.progress();
      } else {
        this.told.problem(problem);
      }
      return false;
    }
  }

  // flush waits for all saves and tries the failed ones again.
  async flush() {
    await Promise.all(this.pending.values());
    const failed = this.all.filter((field) => "unsaved" in field.dataset);
    const again = await Promise.all(failed.map((field) => this.store(field)));
    return again.every(Boolean);
  }
}
