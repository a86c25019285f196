// Lays out the pages: fields in their places, and real text over each image for
// selecting, searching and screen readers.

export function layOut() {
  for (const page of document.querySelectorAll(".page")) {
    page.style.aspectRatio = `${page.dataset.width} / ${page.dataset.height}`;
    for (const place of page.querySelectorAll(".place")) setPlace(place);
  }
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      seen.unobserve(entry.target);
      readWords(entry.target);
    }
  }, { rootMargin: "600px 0px" });
  document.querySelectorAll(".page").forEach((page) => seen.observe(page));
}

function setPlace(place) {
  const { left, top, width, height, font } = place.dataset;
  Object.assign(place.style, {
    left: `${left}%`, top: `${top}%`, width: `${width}%`, height: `${height}%`, fontSize: `${font}cqw`,
  });
}

async function readWords(page) {
  const layer = page.querySelector(".words");
  try {
    const answer = await fetch(page.dataset.words, { credentials: "same-origin" });
    if (!answer.ok) return;
    const { words } = await answer.json();
    if (words) placeWords(layer, words, Number(page.dataset.width), Number(page.dataset.height));
  } catch {
    // without its text the page can still be read and signed
  }
}

function placeWords(layer, words, width, height) {
  const all = document.createDocumentFragment();
  const spans = words.map((word) => {
    const span = document.createElement("span");
    span.textContent = word.text;
    span.style.left = `${(100 * word.left) / width}%`;
    span.style.top = `${(100 * word.top) / height}%`;
    span.style.fontSize = `${(100 * Math.max(word.height, 1)) / width}cqw`;
    all.append(span, " ");
    return span;
  });
  layer.append(all);
  const scale = layer.clientWidth / width;
  const sizes = spans.map((span) => span.offsetWidth); // measured together: one layout
  spans.forEach((span, i) => {
    if (sizes[i] > 0) span.style.transform = `scaleX(${(words[i].width * scale) / sizes[i]})`;
  });
}
