/* Contours of heart and lungs, the two diameters, and their four endpoints, which a pointer or a key can move.
 * Everything is kept in film pixels (x, y); handles have a size in screen pixels, so they stay easy to grab. */
const ENDS = [["heart", 0], ["heart", 1], ["thorax", 0], ["thorax", 1]];
const SIDES = ["left", "right"]; // of the picture, not of the patient
const NUDGES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const KEYS_REST_MS = 500; // how long keys must rest before the points are sent
const SVG = "http://www.w3.org/2000/svg";

function svgElement(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

class Calipers {
  constructor(viewer) {
    this.viewer = viewer;
    this.data = null;
    this.on = false;
    this.hidden = false; // the reader hid the calipers, on every film that has a measurement
    this.serial = 0;
    this.handles = ENDS.map(([name, end]) => this.makeHandle(name, end));
    viewer.find("[data-layer=ends]").replaceChildren(...this.handles);
  }

  /** Take what Python sent for the film on the stage; null where no model segments it. */
  take(data) {
    const before = this.data;
    const another = before?.film !== data?.film;
    this.data = data;
    if (another) {
      this.held = undefined;
      this.on = data !== null && (data.measured ? !this.hidden : data.offered);
    } else if (data && data.offered && !before.offered) {
      this.on = true;
      this.viewer.stage.scrollIntoView({ block: "center", behavior: "smooth" }); // on a narrow screen it is far above the button
    }
    // Points on their way to Python are newer than those it sends meanwhile.
    const newer = this.held !== undefined || this.timer !== undefined || (data?.echo ?? 0) < this.serial;
    if (data && (another || !newer)) {
      this.lines = { heart: structuredClone(data.heart), thorax: structuredClone(data.thorax) };
      this.measured = data.measured;
      this.edited = data.edited;
    }
    if (data && another) this.drawOutlines();
    this.viewer.find(".hearts").hidden = data === null;
    this.viewer.draw();
  }

  toggle() {
    if (!this.data) return;
    this.on = !this.on;
    if (this.measured) this.hidden = !this.on;
  }

  /** Transverse heart over thorax diameter; null where the points make no ratio. */
  get ratio() {
    const { columns, rows } = this.viewer.film;
    const inside = ([x, y]) => x >= 0 && y >= 0 && x <= columns && y <= rows;
    if (![...this.lines.heart, ...this.lines.thorax].every(inside)) return null;
    const [heart, thorax] = [this.lines.heart, this.lines.thorax].map(([first, second]) => second[0] - first[0]);
    return heart > 0 && thorax >= heart ? heart / thorax : null;
  }

  makeHandle(name, end) {
    const handle = svgElement("g", { class: `end ${name}`, tabindex: "0", role: "slider", "data-end": `${name}-${end}` });
    const label = `${name === "heart" ? "Heart" : "Thorax"}, endpoint on the ${SIDES[end]} of the picture`;
    handle.setAttribute("aria-label", label);
    const title = svgElement("title", {});
    title.textContent = `${label}: drag it, or use the arrow keys (10 px with shift)`;
    handle.append(title, svgElement("circle", { class: "hit" }), svgElement("circle", { class: "knob" }));
    handle.addEventListener("pointerdown", (event) => this.grasp(event, handle, name, end));
    handle.addEventListener("pointermove", (event) => this.drag(event, name, end));
    for (const kind of ["pointerup", "pointercancel"]) handle.addEventListener(kind, () => this.release());
    handle.addEventListener("dblclick", (event) => event.stopPropagation());
    handle.addEventListener("keydown", (event) => this.nudge(event, name, end));
    handle.addEventListener("blur", () => this.flush());
    return handle;
  }

  grasp(event, handle, name, end) {
    event.stopPropagation(); // otherwise the film would move too
    if (event.button !== 0 || this.held) return;
    event.preventDefault();
    handle.setPointerCapture(event.pointerId);
    handle.focus({ preventScroll: true });
    const at = this.viewer.geometry.toScreen(this.lines[name][end]);
    const [x, y] = stagePoint(this.viewer, event);
    this.held = { pointer: event.pointerId, offset: [at[0] - x, at[1] - y] };
    handle.classList.add("held");
  }

  drag(event, name, end) {
    if (this.held?.pointer !== event.pointerId) return;
    event.stopPropagation();
    const { width, height } = this.viewer.geometry.stage;
    const [x, y] = stagePoint(this.viewer, event);
    // Never out of sight, where it could not be grabbed again.
    const at = [
      Math.min(width, Math.max(0, x + this.held.offset[0])), Math.min(height, Math.max(0, y + this.held.offset[1])),
    ];
    this.held.moved = true;
    this.moveTo(name, end, this.viewer.geometry.toFilm(at));
  }

  release() {
    const moved = this.held?.moved;
    this.held = undefined;
    for (const handle of this.handles) handle.classList.remove("held");
    if (moved) this.send();
  }

  nudge(event, name, end) {
    const by = NUDGES[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const step = event.shiftKey ? 10 : 1;
    const [x, y] = this.lines[name][end];
    this.moveTo(name, end, [x + step * by[0], y + step * by[1]]);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), KEYS_REST_MS);
  }

  moveTo(name, end, point) {
    this.lines[name][end] = point.map((value) => Math.round(value * 100) / 100);
    this.measured = this.edited = true;
    this.viewer.draw();
  }

  /** Send what keys have moved, unless it was sent already. */
  flush() {
    if (this.timer === undefined) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.send();
  }

  send() {
    this.serial = Math.max(this.serial + 1, Date.now());
    this.viewer.sendEnds({ film: this.data.film, serial: this.serial, ...structuredClone(this.lines) });
  }

  drawOutlines() {
    const paths = Object.entries(this.data.outlines).flatMap(([name, points]) => {
      const d = points.length ? `M${points.map((point) => point.join(" ")).join("L")}Z` : "";
      return ["edge", "stroke"].map((kind) => svgElement("path", { d, class: `${kind} outline ${name}` }));
    });
    this.viewer.find("[data-layer=outlines]").replaceChildren(...paths);
    for (const [name, colour] of Object.entries(this.data.colours)) {
      this.viewer.stage.style.setProperty(`--${name}`, colour);
    }
  }

  draw() {
    const { viewer } = this;
    const shown = this.on && this.data !== null;
    viewer.root.classList.toggle("hearts-off", !shown);
    viewer.root.dataset.hearts = shown ? "on" : "off";
    viewer.find("[data-do=hearts]").setAttribute("aria-pressed", String(shown));
    if (!shown) return;
    viewer.find(".marks").classList.toggle("suggested", !this.measured);
    for (const name of ["heart", "thorax"]) {
      const [[x0, y0], [x1, y1]] = this.lines[name];
      const level = (y0 + y1) / 2; // a diameter measures horizontally, so it is drawn level
      const parts = { across: `M${x0} ${level}H${x1}`, leader: `M${x0} ${y0}V${level}M${x1} ${y1}V${level}` };
      for (const [kind, d] of Object.entries(parts)) {
        for (const path of viewer.root.querySelectorAll(`.${kind}.${name}`)) path.setAttribute("d", d);
      }
    }
    const ratio = this.ratio;
    const text = this.measured && ratio !== null ? formatRatio(ratio) : "–";
    ENDS.forEach(([name, end], index) => this.placeHandle(this.handles[index], this.lines[name][end], text));
    viewer.find(".ratio b").textContent = text;
    const state = !this.measured ? "drag the four endpoints" : this.edited ? "edited by hand" : "";
    viewer.find(".ratio span").textContent = state;
  }

  placeHandle(handle, point, ratio) {
    const [x, y] = this.viewer.geometry.toScreen(point);
    handle.setAttribute("transform", `translate(${x} ${y})`);
    handle.setAttribute("aria-valuemin", "0");
    handle.setAttribute("aria-valuemax", String(this.viewer.film.columns));
    handle.setAttribute("aria-valuenow", String(point[0]));
    handle.setAttribute("aria-valuetext", `x ${point[0].toFixed(1)}, y ${point[1].toFixed(1)} pixels; ratio ${ratio}`);
  }
}

/** Two decimals, and a third where two would hide on which side of the limit it lies; like `format_ratio` in Python. */
function formatRatio(ratio) {
  const rough = ratio.toFixed(2);
  return rough === "0.50" && ratio !== 0.5 ? ratio.toFixed(3) : rough;
}
