// A file may be dropped on the card; it is sent by the form like a chosen one.
const drop = document.getElementById("drop");
const input = document.getElementById("file");

for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("drop-over");
  });
}
for (const name of ["dragleave", "drop"]) {
  drop.addEventListener(name, () => drop.classList.remove("drop-over"));
}
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files.length === 0) return;
  input.files = event.dataTransfer.files;
  drop.requestSubmit();
});
input.addEventListener("change", () => { if (input.files.length > 0) drop.requestSubmit(); });
drop.addEventListener("submit", () => drop.setAttribute("aria-busy", "true"));
