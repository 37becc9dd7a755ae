/* Boxes and points of one finding, kept by Python: what is drawn here is sent, and shown once it comes back. */

class Marking {
  constructor(viewer) {
    this.viewer = viewer;
    this.data = null;
    this.labels = [];
  }

  /** Take what Python sent; null where nothing is marked. */
  take(data) {
    const received = JSON.stringify(data ?? null);
    if (received === this.received) return;
    this.received = received;
    this.data = data ?? null;
    const { viewer } = this;
    viewer.find(".marking").hidden = !data?.canDraw;
    viewer.find("[data-do=box]").title = `Draw a box for ${data?.label ?? "a finding"}; a click marks a point (B)`;
    if (!data?.canDraw && viewer.measures.tool === "box") viewer.measures.cancel();
    fillHelp(viewer);
    viewer.showAdjustments(viewer.data.canAdjust); // whose keys are in that list
    this.fill();
    viewer.draw();
  }

  /** The mark between two film points, in fractions of the film; a point where they are one. */
  send([first, second]) {
    const { columns, rows } = this.viewer.film;
    const share = (point) => [point[0] / columns, point[1] / rows].map((part) => Math.min(1, Math.max(0, part)));
    const [[x0, y0], [x1, y1]] = [share(first), share(second)];
    this.viewer.sendMark({ box: [Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0)] });
  }

  fill() {
    for (const label of this.labels) label.remove();
    const marks = this.data?.marks ?? [];
    this.corners = marks.map(([left, top, width, height]) => {
      const { columns, rows } = this.viewer.film;
      return [[left * columns, top * rows], [(left + width) * columns, (top + height) * rows]];
    });
    this.paths = this.corners.flatMap((corners) => ["edge", "stroke"].map((kind) => {
      return svgElement("path", { class: `${kind} measure`, d: outlineBox(corners, this.viewer.film) });
    }));
    this.viewer.find("[data-layer=marks]").replaceChildren(...this.paths);
    this.labels = marks.map((_, index) => this.makeLabel(index));
    this.viewer.find(".labels").append(...this.labels);
  }

  makeLabel(index) {
    const label = document.createElement("div");
    label.className = "measure-label";
    const name = document.createElement("span");
    name.textContent = this.data.label;
    label.append(name);
    label.addEventListener("pointerdown", (event) => event.stopPropagation());
    if (!this.data.canDraw) return label;
    const remove = document.createElement("button");
    remove.type = "button";
    remove.textContent = "×";
    remove.title = "Remove this mark";
    remove.setAttribute("aria-label", `Remove this mark of ${this.data.label}`);
    remove.addEventListener("click", () => this.viewer.sendMark({ remove: index }));
    label.append(remove);
    return label;
  }

  draw() {
    this.labels.forEach((label, index) => {
      const [x, y] = this.viewer.geometry.toScreen(this.corners[index][0]);
      label.style.transform = `translate(${Math.max(0, x)}px, ${Math.max(0, y - label.offsetHeight - 2)}px)`;
    });
  }
}

/** The path of a box between two corners; of a point, a small cross. */
function outlineBox([[x0, y0], [x1, y1]], film) {
  if (Math.abs(x1 - x0) > 0 && Math.abs(y1 - y0) > 0) return `M${x0} ${y0}H${x1}V${y1}H${x0}Z`;
  const arm = film.columns / 60;
  return `M${x0 - arm} ${y0}H${x0 + arm}M${x0} ${y0 - arm}V${y0 + arm}`;
}
