/* The magnifier: a round lens under the pointer, with the film alone: what a heatmap covers can be seen there. */
const LENS = { radius: 90, power: 2.5 };

function drawLens(viewer) {
  const canvas = viewer.find("canvas.lens");
  const { pointer, geometry, picture } = viewer;
  canvas.hidden = !(viewer.magnifies && pointer && picture);
  if (canvas.hidden) return;
  const { radius, power } = LENS;
  const density = window.devicePixelRatio || 1;
  canvas.width = canvas.height = Math.round(2 * radius * density);
  canvas.style.transform = `translate(${pointer[0] - radius}px, ${pointer[1] - radius}px)`;
  const context = canvas.getContext("2d");
  context.scale(density, density);
  context.imageSmoothingQuality = "high";
  const { scale, x, y, film } = geometry;
  context.drawImage(
    picture.canvas, radius + (x - pointer[0]) * power, radius + (y - pointer[1]) * power,
    film.columns * scale * power, film.rows * scale * power,
  );
}
