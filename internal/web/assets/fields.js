// The fields: what is done, what is left, and saving what was entered.
import { picture } from "./adopt.js";

export class Fields {
  constructor(adoption, save, told) {
    this.adoption = adoption;
    this.save = save; // (key, value) → promise
    this.told = told;
    this.all = [...document.querySelectorAll(".field")];
    this.blank = new Map(); // signature field → what it said before it was signed
    this.pending = new Map(); // key → promise of the newest save
    for (const field of this.all) {
      if (this.isMark(field)) field.addEventListener("click", () => this.sign(field));
      else field.addEventListener("change", () => this.changed(field));
      field.addEventListener("input", () => { field.setCustomValidity?.(""); this.told.progress(); });
    }
  }

  isMark(field) { return field.dataset.kind === "signature" || field.dataset.kind === "initials"; }

  done(field) {
    switch (field.dataset.kind) {
      case "signature":
      case "initials": return field.dataset.signed !== undefined;
      case "check":
      case "accept": return field.checked;
      case "radio": return this.group(field).some((other) => other.checked);
      default: return field.value.trim() !== "";
    }
  }

  group(field) { return this.all.filter((other) => other.dataset.kind === "radio" && other.name === field.name); }

  get required() { return this.all.filter((field) => "required" in field.dataset); }
  get left() { return this.required.filter((field) => !this.done(field) || !this.valid(field)); }
  valid(field) { return !field.checkValidity || field.checkValidity(); }

  // next is the field to go to: the first open one after where the person is, required ones first.
  next(from) {
    const open = this.left.length > 0 ? this.left : this.all.filter((field) => !this.done(field));
    if (open.length === 0) return null;
    const after = (field) => from && from.compareDocumentPosition(field) & Node.DOCUMENT_POSITION_FOLLOWING;
    return open.find((field) => field !== from && after(field)) ?? open[0];
  }

  async sign(field) {
    if (field.dataset.signed !== undefined) {
      if ("optional" in field.dataset) this.unsign(field);
      return;
    }
    const mark = await this.adoption.ask(field.dataset.kind);
    if (!mark) { field.focus(); return; }
    this.blank.set(field, { label: field.getAttribute("aria-label"), children: [...field.childNodes] });
    field.dataset.signed = "";
    field.replaceChildren(picture(mark, this.adoption.name));
    field.setAttribute("aria-label", `${field.dataset.label}: signed${"optional" in field.dataset ? ". Press to remove" : ""}`);
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
    const keys = this.all.filter((field) => field.dataset.approval && !("required" in field.dataset) && this.done(field))
      .map((field) => field.dataset.approval);
    return [...new Set(keys)];
  }

  value(field) {
    if (field.dataset.kind === "check" || field.dataset.kind === "radio") return field.checked ? "X" : "";
    return field.value;
  }

  changed(field) {
    this.told.progress();
    if (!field.dataset.key) return;
    if (field.dataset.kind === "radio") {
      for (const other of this.group(field)) if (other !== field && other.dataset.saved === "X") this.store(other);
    }
    this.store(field);
  }

  // store saves one field after its own earlier saves, so that the last value wins.
  store(field) {
    const { key } = field.dataset;
    const value = this.value(field);
    const before = this.pending.get(key) ?? Promise.resolve(true);
    const now = before.then(() => this.send(field, key, value));
    this.pending.set(key, now);
    return now;
  }

  async send(field, key, value) {
    try {
      await this.save(key, value);
      field.dataset.saved = value;
      delete field.dataset.unsaved;
      field.closest(".place")?.querySelector(".entered")?.remove();
      return true;
    } catch (problem) {
      field.dataset.unsaved = "";
      if (problem.status === 400 || problem.status === 422) {
        field.setCustomValidity?.(problem.message);
        field.reportValidity?.();
      }
      this.told.problem(problem);
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
