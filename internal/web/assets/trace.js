// Turns a picture of a signature into strokes: the dark stretches of its rows. The picture stays in this browser.
const side = 900; // pixels that are looked at, at most
const rows = 56; // of the grid
const most = 9_000; // points; the server takes 10,000

export async function trace(file) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) throw new Error("This is no picture that can be read here. A photograph (JPEG) or PNG file will do.");
  const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((n) => Math.max(1, Math.round(n * scale)));
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.fillStyle = "white"; // what is transparent is paper
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  const mark = strokes(ink(context.getImageData(0, 0, width, height).data), width, height);
  if (!mark) throw new Error("There is no writing to be found. It should be dark, on plain light paper.");
  return mark;
}

// ink tells of each pixel whether it is clearly darker than the paper, which is most of the picture.
function ink(data) {
  const light = new Float32Array(data.length / 4);
  let sum = 0;
  for (let i = 0; i < light.length; i++) sum += light[i] = (data[4 * i] + data[4 * i + 1] + data[4 * i + 2]) / 3;
  const limit = (sum / light.length) * 0.68;
  return light.map((value) => (value < limit ? 1 : 0));
}

function strokes(dark, width, height) {
  let [left, top, right, bottom] = [width, height, -1, -1];
  dark.forEach((value, i) => {
    if (!value) return;
    const [x, y] = [i % width, Math.floor(i / width)];
    [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
  });
  const [wide, high] = [right - left + 1, bottom - top + 1];
  if (wide < 8 || high < 4) return null;
  const lines = Math.min(rows, high);
  const columns = Math.max(2, Math.min(wide, Math.round((lines * wide) / high), 320));
  const inked = (column, line) => {
    const [x0, x1] = [column, column + 1].map((n) => left + Math.floor((n * wide) / columns));
    const [y0, y1] = [line, line + 1].map((n) => top + Math.floor((n * high) / lines));
    for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) if (dark[y * width + x]) return true;
    return false;
  };
  const out = [];
  const at = (n, of) => Math.round(((n + 0.5) / of) * 1e4) / 1e4;
  for (let line = 0; line < lines; line++) {
    let from = -1;
    for (let column = 0; column <= columns; column++) {
      const now = column < columns && inked(column, line);
      if (now && from < 0) from = column;
      if (!now && from >= 0) {
        out.push([[at(from, columns), at(line, lines)], [at(column - 1, columns), at(line, lines)]]);
        from = -1;
      }
    }
  }
  return out.length * 2 > most ? null : { kind: "drawn", aspect: wide / high, strokes: out };
}
