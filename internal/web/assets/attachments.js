// Files the signer is asked to add: chosen or taken with the camera, sent with progress, removed.
import { Refusal } from "./api.js";

export class Attachments {
  constructor(server, epoch, told) {
    this.server = server;
    this.epoch = epoch; // gives the lease's epoch
    this.told = told;
    this.all = [...document.querySelectorAll(".attachment")];
    for (const box of this.all) {
      const input = box.querySelector(".attachment-file");
      input.addEventListener("change", () => this.add(box, [...input.files]));
      box.addEventListener("click", (event) => {
        if (event.target.closest("[data-remove]")) this.remove(box, event.target.closest("li"));
        if (event.target.closest("[data-stop]")) box.going?.abort();
      });
    }
  }

  done(box) { return box.dataset.status !== "REJECTED" && box.querySelector(".attachment-files li") !== null; }
  get required() { return this.all.filter((box) => "required" in box.dataset); }
  get left() { return this.required.filter((box) => !this.done(box)); }

  focus(box) { box.querySelector(".attachment-file").focus({ preventScroll: true }); }

  problem(box, text) { box.querySelector(".problem").textContent = text; }

  async add(box, files) {
    if (box.going || files.length === 0) return;
    const input = box.querySelector(".attachment-file");
    const bar = box.querySelector("progress");
    this.problem(box, "");
    box.querySelector(".attachment-going").hidden = false;
    try {
      for (const file of files) this.show(await this.send(box, file, (part) => { bar.value = part; }));
      this.told.progress();
    } catch (trouble) {
      this.refused(box, trouble);
    } finally {
      box.going = null;
      bar.value = 0;
      box.querySelector(".attachment-going").hidden = true;
      input.value = "";
    }
  }

  // send posts the file's bytes; only XMLHttpRequest tells how far an upload is.
  send(box, file, far) {
    const query = new URLSearchParams({ epoch: this.epoch(), attachment: box.dataset.id, name: file.name });
    const call = new XMLHttpRequest();
    box.going = call;
    call.open("POST", `${this.server.page}/attach?${query}`);
    call.setRequestHeader("Content-Type", "application/octet-stream");
    call.setRequestHeader("Accept", "application/json");
    call.responseType = "json";
    call.upload.addEventListener("progress", (event) => { if (event.lengthComputable) far(event.loaded / event.total); });
    return new Promise((answer, fail) => {
      call.addEventListener("load", () => {
        if (call.status === 200) answer(call.response);
        else fail(new Refusal(call.status, call.response?.error));
      });
      call.addEventListener("error", () => fail(new Error("The file did not arrive. Please try again.")));
      call.addEventListener("abort", () => fail(new Error("")));
      call.send(file);
    });
  }

  async remove(box, item) {
    this.problem(box, "");
    try {
      this.show(await this.server.post("detach", { epoch: this.epoch(), attachment: box.dataset.id, number: Number(item.dataset.number) }));
      this.focus(box);
      this.told.progress();
    } catch (trouble) {
      this.refused(box, trouble);
    }
  }

  refused(box, trouble) {
    if (trouble.status === undefined || [400, 413, 415, 422].includes(trouble.status)) this.problem(box, trouble.message);
    else this.told.problem(trouble);
  }

  // show draws what the server holds now.
  show({ attachments }) {
    for (const now of attachments) {
      const box = this.all.find((each) => each.dataset.id === now.id);
      if (!box) continue;
      box.dataset.status = now.status;
      box.querySelector(".attachment-comment").hidden = now.status !== "REJECTED";
      box.querySelector(".attachment-files").replaceChildren(...now.files.map((file) => this.item(file)));
    }
  }

  item({ number, name, size }) {
    const item = document.createElement("li");
    item.dataset.number = number;
    const text = document.createElement("span");
    const bdi = document.createElement("bdi");
    bdi.textContent = name;
    const small = document.createElement("small");
    small.textContent = size;
    text.append(bdi, " ", small);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "text-button";
    button.dataset.remove = "";
    const which = document.createElement("span");
    which.className = "visually-hidden";
    which.textContent = ` ${name}`;
    button.append("Remove", which);
    item.append(text, button);
    return item;
  }
}
