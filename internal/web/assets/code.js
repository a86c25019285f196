// Sends the code as soon as its six digits are there.
const input = document.getElementById("code");
if (input) {
  const form = input.form;
  let sent = "";
  input.addEventListener("input", () => {
    const digits = input.value.replace(/\D/g, "").slice(0, 6);
    if (input.value !== digits) input.value = digits;
    if (digits.length === 6 && digits !== sent) {
      sent = digits;
      form.requestSubmit();
    }
  });
  input.focus();
}
