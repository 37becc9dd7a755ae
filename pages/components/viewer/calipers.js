/* Contours of heart and lungs, and the two diameters. A diameter is drawn level; its ends move sideways and the line as
 * a whole up and down. Everything is kept in film pixels (x, y). */
const ENDS = [["heart", 0], ["heart", 1], ["thorax", 0], ["thorax", 1]];
const PICTURE_SIDES = ["left of the picture", "right of the picture"];
const PATIENT_SIDES = ["patient's right", "patient's left"]; // of a film that lies as usual
const KEYS_REST_MS = 500; // how long keys must rest before the points are sent

class Calipers {
  constructor(viewer) {
    this.viewer = viewer;
    this.data = null;
    this.on = false;
    this.hidden = false; // the reader hid the calipers, on every film that has a measurement
    this.serial = 0;
    this.handles = ENDS.map(([name, end]) => {
      const handle = makeHandle(name, "", "");
      handle.dataset.end = `${name}-${end}`;
      handle.addEventListener("blur", () => this.flush());
      return handle;
    });
    viewer.find("[data-layer=ends]").replaceChildren(...this.handles);
    this.movables = [
      ...ENDS.map(([name, end], index) => makeMovable(viewer, this.handles[index], {
        at: () => [this.lines[name][end][0], this.level(name)],
        move: ([x, y], byKey) => {
          if (byKey) this.raise(name, y - this.level(name));
          this.moveEnd(name, end, x);
          if (byKey) this.sendLater();
        },
        dropped: () => this.send(),
      })),
      ...["heart", "thorax"].map((name) => makeMovable(viewer, viewer.find(`.grip.${name}`), {
        at: () => [0, this.level(name)],
        move: ([, y]) => this.raise(name, y - this.level(name)),
        dropped: () => this.send(),
      })),
    ];
  }

  /** Take what Python sent for the film on the stage; null where no model segments it. */
  take(data) {
    const before = this.data;
    // Outlines that come once an answer is revealed are a new start too.
    const hasOutlines = (each) => Object.keys(each?.outlines ?? {}).length > 0;
    const another = before?.film !== data?.film || hasOutlines(before) !== hasOutlines(data);
    this.data = data;
    if (another) {
      for (const movable of this.movables) movable.letGo();
      this.on = data !== null && (data.measured ? !this.hidden : data.offered);
    } else if (data && data.offered && !before.offered) {
      this.on = true;
      this.viewer.stage.scrollIntoView({ block: "center", behavior: "smooth" }); // on a narrow screen it is far above the button
    }
    // Points on their way to Python are newer than those it sends meanwhile.
    const held = this.movables.some((movable) => movable.isHeld());
    const newer = held || this.timer !== undefined || (data?.echo ?? 0) < this.serial;
    if (data && (another || !newer)) {
      this.lines = { heart: structuredClone(data.heart), thorax: structuredClone(data.thorax) };
      this.measured = data.measured;
      this.edited = data.edited;
    }
    if (data && another) {
      this.drawOutlines();
      this.nameHandles();
    }
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

  /** The height at which a diameter is drawn: it measures across, and the outermost points of a heart differ in y. */
  level(name) {
    const [[, first], [, second]] = this.lines[name];
    return (first + second) / 2;
  }

  moveEnd(name, end, x) {
    this.lines[name][end][0] = Math.round(x * 100) / 100;
    this.change();
  }

  /** Move a diameter up or down as a whole. */
  raise(name, by) {
    for (const point of this.lines[name]) point[1] = Math.round((point[1] + by) * 100) / 100;
    this.change();
  }

  change() {
    this.measured = this.edited = true;
    this.viewer.draw();
  }

  sendLater() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), KEYS_REST_MS);
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
      this.viewer.root.style.setProperty(`--${name}`, colour);
    }
  }

  nameHandles() {
    const sides = this.data.mirrored ? PICTURE_SIDES : PATIENT_SIDES;
    ENDS.forEach(([name, end], index) => {
      const label = `${name === "heart" ? "Heart" : "Thorax"}, end on the ${sides[end]}`;
      this.handles[index].setAttribute("aria-label", label);
      this.handles[index].querySelector("title").textContent =
        `${label}: drag it sideways, or use the arrow keys (10 px with shift); up and down move the whole line`;
    });
  }

  draw() {
    const { viewer } = this;
    const shown = this.on && this.data !== null;
    viewer.root.classList.toggle("hearts-off", !shown);
    viewer.root.dataset.hearts = shown ? "on" : "off";
    viewer.find("[data-do=hearts]").setAttribute("aria-pressed", String(shown));
    if (!shown) return;
    viewer.find(".anatomy").classList.toggle("suggested", !this.measured);
    for (const name of ["heart", "thorax"]) {
      const [[x0], [x1]] = this.lines[name];
      for (const path of viewer.root.querySelectorAll(`.across.${name}`)) {
        path.setAttribute("d", `M${x0} ${this.level(name)}H${x1}`);
      }
    }
    const ratio = this.ratio;
    const text = this.measured && ratio !== null ? formatRatio(ratio) : "–";
    ENDS.forEach(([name, end], index) => {
      placeHandle(viewer, this.handles[index], [this.lines[name][end][0], this.level(name)], `ratio ${text}`);
    });
    viewer.find(".ratio b").textContent = text;
    const state = !this.measured ? "drag the four endpoints" : this.edited ? "edited by hand" : "";
    viewer.find(".ratio span").textContent = state;
  }
}

/** Two decimals, and a third where two would hide on which side of the limit it lies; like `format_ratio` in Python. */
function formatRatio(ratio) {
  const rough = ratio.toFixed(2);
  return rough === "0.50" && ratio !== 0.5 ? ratio.toFixed(3) : rough;
}
