// The token of the link has done its work once the page is here: it leaves the address and the history.
history.replaceState(null, "", "/s");

// A page that comes back from the back button's cache still holds a used nonce.
addEventListener("pageshow", (event) => {
  const button = document.querySelector(".start button[type=submit]");
  if (event.persisted && button) button.disabled = false;
});

document.querySelector(".start")?.addEventListener("submit", (event) => {
  const button = event.target.querySelector("button[type=submit]");
  setTimeout(() => { button.disabled = true; }); // after the form went out: one press, one request
});
