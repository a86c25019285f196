// Shows times in the reader's own zone and words; without this script they stand in UTC.
const forms = {
  full: { dateStyle: "long", timeStyle: "short" },
  day: { dateStyle: "long" },
  clock: { timeStyle: "short" },
};

export function word(date, form) {
  const today = date.toDateString() === new Date().toDateString();
  const options = form === "clock" && !today ? { dateStyle: "medium", timeStyle: "short" } : forms[form] ?? forms.full;
  return new Intl.DateTimeFormat("en-GB", options).format(date);
}

export function localise(root = document) {
  for (const time of root.querySelectorAll("time[data-moment]")) {
    const date = new Date(time.dateTime);
    if (!Number.isNaN(date.getTime())) {
      time.textContent = word(date, time.dataset.moment);
      time.title = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" }).format(date);
    }
  }
}

localise();
