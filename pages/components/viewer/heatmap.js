/* Colours a heatmap. The scale is absolute: a layer's `scale` has the full colour on every film; zero and below are
 * transparent. The colours come from Python (`cxr_core/reading/report/colormap.py`) with the layers. */
const HEAT_SIDE = 256; // longest side of the interpolated map; the browser smooths the rest

/** [red, green, blue, alpha], each 0 to 255, for a share of the scale; shares above 1 count as 1. */
function heatColour(share, { stops, opaqueAt }) {
  const t = Math.min(1, Math.max(0, share));
  const place = t * (stops.length - 1);
  const low = Math.min(stops.length - 2, Math.floor(place));
  const rest = place - low;
  const mix = (i) => stops[low][i] * (1 - rest) + stops[low + 1][i] * rest;
  return [mix(0), mix(1), mix(2), 255 * Math.min(1, t / opaqueAt)];
}

/** A value between `low` and `high`, with those beyond them; monotone cubic (Fritsch and Butland 1984). */
function interpolate(before, low, high, after, t) {
  const [step, earlier, later] = [high - low, low - before, after - high];
  const slope = (a, b) => (a * b > 0 ? (2 * a * b) / (a + b) : 0);
  const [start, end] = [slope(earlier, step), slope(step, later)];
  return low + t * (start + t * (3 * step - 2 * start - end + t * (start + end - 2 * step)));
}

/** A layer's value at a film point (column, row), smooth between the centres of its cells; NaN outside the model's
 *  input. The same arithmetic as `enlarge_cells` and `Placement.map_to_film` in Python. */
function layerValue(layer, column, row) {
  const at = [row, column].map((v, axis) => v * layer.placementScale[axis] + layer.placementOffset[axis]);
  if (at.some((v) => v < 0 || v > layer.side)) return NaN;
  const [rows, columns] = [layer.rows, layer.columns].map((count, axis) => {
    const place = Math.min(count - 1, Math.max(0, (at[axis] * count) / layer.side - 0.5));
    const low = Math.floor(place);
    const near = [-1, 0, 1, 2].map((offset) => Math.min(count - 1, Math.max(0, low + offset)));
    return { near, rest: place - low };
  });
  const value = (r, c) => layer.cells[r * layer.columns + c];
  const down = columns.near.map((c) => interpolate(...rows.near.map((r) => value(r, c)), rows.rest));
  return interpolate(...down, columns.rest);
}

/** A canvas that covers the whole film, with the layer in colour. */
function paintLayer(layer, film, colours) {
  const shrink = HEAT_SIDE / Math.max(film.columns, film.rows);
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(film.columns * shrink));
  canvas.height = Math.max(1, Math.round(film.rows * shrink));
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  for (let y = 0; y < canvas.height; y++) {
    for (let x = 0; x < canvas.width; x++) {
      const column = ((x + 0.5) * film.columns) / canvas.width;
      const row = ((y + 0.5) * film.rows) / canvas.height;
      const value = layerValue(layer, column, row);
      image.data.set(heatColour(Number.isNaN(value) ? 0 : value / layer.scale, colours), (y * canvas.width + x) * 4);
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** The colour bar from no evidence to the full scale, as it looks over mid grey. */
function paintRamp(canvas, opacity, colours) {
  const context = canvas.getContext("2d");
  context.fillStyle = "#6b6b6b";
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (let x = 0; x < canvas.width; x++) {
    const [red, green, blue, alpha] = heatColour(x / (canvas.width - 1), colours);
    context.fillStyle = `rgba(${red}, ${green}, ${blue}, ${(alpha / 255) * opacity})`;
    context.fillRect(x, 0, 1, canvas.height);
  }
}
