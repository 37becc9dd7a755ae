/* Lengths and angles that the reader draws on the film. They belong to this film and this screen: no one else gets them. */
const POINTS = { length: 2, angle: 3, box: 2 };
const HINTS = {
  length: "Length: click its two ends, or drag from one to the other; Esc cancels",
  angle: "Angle: click one end, the vertex, and the other end; Esc cancels",
  box: "Box: drag from corner to corner; a click marks a point; Esc cancels",
};
const CLICK_PX = 4; // a pointer that moves farther has dragged

class Measures {
  constructor(viewer) {
    this.viewer = viewer;
    this.items = [];
    this.tool = null; // "length" or "angle" while one is being drawn
    this.open = null; // the measure being drawn; its last point follows the pointer
  }

  clear() {
    for (const item of [...this.items]) this.remove(item);
    this.cancel();
  }

  /** Start a measure of this kind, or stop. */
  choose(kind) {
    const again = this.tool === kind;
    this.cancel();
    if (!again) this.tool = kind;
    this.viewer.draw();
  }

  /** Stop drawing. False when nothing was being drawn. */
  cancel() {
    if (!this.tool) return false;
    this.tool = null;
    if (this.open) this.takeAway(this.open);
    this.open = null;
    this.viewer.draw();
    return true;
  }

  /** A press on the stage at a film point. */
  press(point) {
    this.open ??= this.make(this.tool, [point]);
    this.pressed = point;
    this.follow(point);
    this.fix(point);
  }

  /** The pointer moves, pressed or not. */
  follow(point) {
    if (!this.open) return;
    this.open.points[this.open.points.length - 1] = point;
    this.viewer.draw();
  }

  /** The pointer is released: a drag sets the second point too. */
  release(point) {
    const { scale } = this.viewer.geometry;
    const [dx, dy] = [point[0] - this.pressed[0], point[1] - this.pressed[1]];
    const dragged = Math.hypot(dx, dy) * scale > CLICK_PX;
    if (this.open && (dragged || this.open.kind === "box")) this.fix(dragged ? point : this.pressed);
  }

  fix(point) {
    const { open } = this;
    open.points[open.points.length - 1] = point;
    if (open.points.length < POINTS[open.kind]) open.points.push(point);
    else this.finish();
    this.viewer.draw();
  }

  finish() {
    const item = this.open;
    [this.open, this.tool] = [null, null];
    if (item.kind === "box") { // Python keeps it
      this.takeAway(item);
      return this.viewer.marking.send(item.points);
    }
    item.handles = item.points.map((_, index) => this.makeHandle(item, index));
    this.viewer.find("[data-layer=points]").append(...item.handles);
    this.items.push(item);
    this.viewer.draw();
  }

  /** Without a pointer: a measure in the middle of the stage, whose points the arrow keys then move. */
  placeInMiddle() {
    const { width, height } = this.viewer.geometry.stage;
    const places = {
      length: [[-60, 0], [60, 0]], angle: [[-60, 40], [0, -40], [60, 40]], box: [[-60, -60], [60, 60]],
    }[this.tool];
    const points = places.map(([x, y]) => this.viewer.geometry.toFilm([width / 2 + x, height / 2 + y]));
    this.cancelOpen();
    this.open = this.make(this.tool, points);
    const item = this.open;
    this.finish();
    item.handles[0]?.focus({ preventScroll: true });
  }

  cancelOpen() {
    if (this.open) this.takeAway(this.open);
    this.open = null;
  }

  make(kind, points) {
    const paths = ["edge", "stroke"].map((name) => svgElement("path", { class: `${name} measure` }));
    this.viewer.find("[data-layer=measures]").append(...paths);
    const label = document.createElement("div");
    label.className = "measure-label";
    const remove = document.createElement("button");
    remove.type = "button";
    remove.textContent = "×";
    remove.title = `Delete this ${kind} (Delete)`;
    remove.setAttribute("aria-label", `Delete this ${kind}`);
    const item = { kind, points, paths, label, handles: [] };
    remove.addEventListener("click", () => this.remove(item));
    label.append(document.createElement("span"), remove);
    label.addEventListener("pointerdown", (event) => event.stopPropagation());
    this.viewer.find(".labels").append(label);
    return item;
  }

  makeHandle(item, index) {
    const corner = item.kind === "angle" && index === 1;
    const name = item.kind === "angle" ? "Angle" : "Length";
    const handle = makeHandle("measure", `${name}, ${corner ? "vertex" : `end ${index ? 2 : 1}`}`,
      "drag it, or use the arrow keys (10 px with shift); Delete removes it");
    makeMovable(this.viewer, handle, {
      at: () => item.points[index],
      move: (point) => {
        item.points[index] = point;
        this.viewer.draw();
      },
    });
    handle.addEventListener("keydown", (event) => {
      if (event.key !== "Delete" && event.key !== "Backspace") return;
      event.preventDefault();
      event.stopPropagation();
      this.remove(item);
    });
    return handle;
  }

  remove(item) {
    const focused = item.handles.includes(item.label.getRootNode().activeElement);
    this.takeAway(item);
    this.items = this.items.filter((other) => other !== item);
    if (focused) this.viewer.root.focus({ preventScroll: true }); // keys go on working
    this.viewer.draw();
  }

  removeLast() {
    if (this.items.length) this.remove(this.items.at(-1));
  }

  takeAway(item) {
    for (const element of [...item.paths, ...item.handles, item.label]) element.remove();
  }

  draw() {
    const { viewer } = this;
    for (const kind of Object.keys(POINTS)) {
      viewer.find(`[data-do=${kind}]`).setAttribute("aria-pressed", String(this.tool === kind));
    }
    viewer.stage.classList.toggle("measuring", this.tool !== null);
    for (const item of this.open ? [...this.items, this.open] : this.items) this.drawItem(item);
    viewer.find(".note").textContent = this.tool ? HINTS[this.tool] : this.describeUnit();
  }

  drawItem({ kind, points, paths, label, handles }) {
    const { geometry } = this.viewer;
    const ends = points.length > 1 ? points : [points[0], points[0]];
    const d = kind === "box" ? outlineBox(ends, this.viewer.film) : `M${points.map((point) => point.join(" ")).join("L")}`;
    for (const path of paths) path.setAttribute("d", d);
    const text = kind === "box" ? this.viewer.data.marking.label : formatMeasure(kind, points, this.viewer.film.spacing);
    handles.forEach((handle, index) => placeHandle(this.viewer, handle, points[index], text));
    label.firstChild.textContent = text;
    const [first, second] = points.map((point) => geometry.toScreen(point));
    const [x, y] = kind === "angle" ? second ?? first : [(first[0] + (second ?? first)[0]) / 2, (first[1] + (second ?? first)[1]) / 2];
    const keep = (at, size, room) => Math.max(0, Math.min(at, room - size));
    const left = keep(x + 10, label.offsetWidth, geometry.stage.width);
    const top = keep(y + 8, label.offsetHeight, geometry.stage.height);
    label.style.transform = `translate(${left}px, ${top}px)`;
  }

  /** What the lengths are in, and why; nothing where there are none. */
  describeUnit() {
    if (!this.items.some((item) => item.kind === "length")) return "";
    const { spacing } = this.viewer.film;
    return spacing ? `Lengths in mm ${spacing.source}` : "Lengths in px, as no pixel size is known";
  }
}

/** A length in mm where the pixel size is known, else in pixels; an angle in degrees, on the film as it was taken. */
function formatMeasure(kind, points, spacing) {
  const [row, column] = spacing ? [spacing.row, spacing.column] : [1, 1];
  const [a, b, c] = points.map(([x, y]) => [x * column, y * row]);
  if (kind === "length") {
    const length = b ? Math.hypot(b[0] - a[0], b[1] - a[1]) : 0;
    return spacing ? `${length.toFixed(1)} mm` : `${Math.round(length)} px`;
  }
  if (!c) return "–";
  const [first, second] = [a, c].map((end) => Math.atan2(end[1] - b[1], end[0] - b[0]));
  const turn = Math.abs(first - second) * (180 / Math.PI);
  return `${Math.min(turn, 360 - turn).toFixed(1)}°`;
}
