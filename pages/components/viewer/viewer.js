/* The film viewer: takes the data that Python sends, draws it, and handles mouse, touch and keyboard itself. */
const STEP = 1.25; // zoom per click or key
const viewers = new WeakMap();

export default function mount({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".viewer");
  if (!viewers.has(root)) viewers.set(root, new Viewer(root));
  const viewer = viewers.get(root);
  viewer.requestMethod = (method) => setStateValue("method", method);
  viewer.sendEnds = (ends) => setStateValue("ends", ends);
  viewer.sendMark = (mark) => setTriggerValue("mark", { film: viewer.filmId, ...mark });
  viewer.requestAdjustment = (change) => setTriggerValue("adjust", { film: viewer.filmId, change });
  viewer.update(data);
  document.removeEventListener("keydown", viewer.onPageKey);
  document.addEventListener("keydown", viewer.onPageKey);
  return () => document.removeEventListener("keydown", viewer.onPageKey);
}

class Viewer {
  constructor(root) {
    this.root = root;
    this.find = (selector) => root.querySelector(selector);
    this.stage = this.find(".stage");
    this.geometry = new Geometry();
    this.look = { ...Picture.plain };
    this.heat = { on: true, opacity: null, chosen: null, layers: [], colours: null };
    this.heatCanvas = null;
    this.pointer = null; // where it is on the stage
    this.magnifies = false;
    this.link = null; // viewers of the same link show the same view
    root.filmViewer = this; // for tests and for tools on top of the film
    this.calipers = new Calipers(this);
    this.measures = new Measures(this);
    this.marking = new Marking(this);
    this.onPageKey = (event) => onPageKey(this, event);
    fillHelp(this);
    listen(this);
    listenToKeys(this);
    listenToMenus(this);
    listenToLink(this);
    new ResizeObserver(() => this.resize()).observe(this.stage);
  }

  get layer() {
    return this.heat.layers.find((layer) => layer.key === this.heat.chosen) ?? null;
  }

  /** Take the data that Python sent; only what has changed is decoded and painted again. */
  async update(data) {
    this.data = data;
    this.film = data.film;
    this.heat.colours = data.colours;
    this.heat.opacity ??= data.colours.opacity;
    this.showAdjustments(data.canAdjust);
    const linked = this.link !== data.link;
    this.link = data.link;
    const received = JSON.stringify([data.film.id, data.layers]);
    if (received === this.received) { // most reruns of the page change nothing else
      if (linked && this.picture) joinLink(this);
      this.takeMarking();
      return this.takeCalipers();
    }
    this.received = received;
    const opened = this.filmId !== data.film.id;
    if (opened && !(await this.open(data.film))) return;
    this.takeLayers(this.data); // the newest: other data may have arrived while the film was decoded
    this.takeCalipers();
    this.takeMarking();
    this.find(".badge").hidden = !this.film.isDrawing;
    this.draw();
    if (opened || linked) joinLink(this);
    this.root.dataset.film = this.filmId;
    this.root.dataset.ready = String(this.picture !== null);
  }

  /** Decode and fit another film; false when a third one arrived meanwhile. */
  async open(film) {
    this.calipers.flush();
    this.calipers.take(null);
    this.measures.clear();
    this.marking.take(null);
    this.filmId = film.id;
    this.root.dataset.ready = "false";
    this.heat.chosen = null;
    this.picture = null;
    this.geometry.film = { columns: film.columns, rows: film.rows };
    this.stage.style.setProperty("--aspect", film.columns / film.rows);
    this.resize();
    this.geometry.fit();
    const picture = await Picture.load(film.png);
    if (this.filmId !== film.id) return false;
    this.picture = picture;
    this.picture.apply(this.look);
    return true;
  }

  takeLayers({ layers, first, methods }) {
    this.heat.layers = layers;
    if (!this.layer) this.heat.chosen = first;
    fillChoices(this, methods);
    this.paintHeat();
  }

  showAdjustments(can) {
    this.find(".adjust").hidden = !can;
    this.find("[data-keys^=Correct]").hidden = !can;
  }

  takeCalipers() {
    if (this.picture) this.calipers.take(this.data.calipers);
  }

  takeMarking() {
    if (this.picture) this.marking.take(this.data.marking);
  }

  /** The chosen heatmap's value at a film point (column, row); NaN where there is none. */
  valueAt(point) {
    return this.layer ? layerValue(this.layer, ...point) : NaN;
  }

  /** Show or hide the heatmap; shows the first one if none is chosen yet. */
  toggleHeat() {
    if (this.layer) this.heat.on = !this.heat.on;
    else if (this.heat.layers.length) this.choose(this.heat.layers[0].key);
  }

  choose(key) {
    this.heat.chosen = key;
    this.heat.on = true;
    this.paintHeat();
    this.draw();
  }

  paintHeat() {
    this.heatCanvas = this.layer ? paintLayer(this.layer, this.film, this.heat.colours) : null;
    showScale(this);
  }

  setLook(change) {
    Object.assign(this.look, change);
    this.look.window = Math.min(200, Math.max(2, this.look.window));
    this.look.level = Math.min(100, Math.max(0, this.look.level));
    this.lookChanged = true;
    shareView(this);
    this.draw();
  }

  zoom(factor, point) {
    const { width, height } = this.geometry.stage;
    this.geometry.zoomAt(point ?? [width / 2, height / 2], factor);
    shareView(this);
    this.draw();
  }

  move(dx, dy) {
    this.geometry.moveBy(dx, dy);
    shareView(this);
    this.draw();
  }

  fit() {
    this.geometry.fit();
    shareView(this);
  }

  act(name) {
    const actions = {
      "zoom-in": () => this.zoom(STEP),
      "zoom-out": () => this.zoom(1 / STEP),
      fit: () => this.fit(),
      actual: () => this.zoom(this.geometry.actualScale / this.geometry.scale),
      magnify: () => (this.magnifies = !this.magnifies),
      invert: () => this.setLook({ inverted: !this.look.inverted }),
      reset: () => this.setLook({ ...Picture.plain }),
      length: () => this.measures.choose("length"),
      angle: () => this.measures.choose("angle"),
      box: () => this.marking.data?.canDraw && this.measures.choose("box"),
      delete: () => this.measures.removeLast(),
      heat: () => this.toggleHeat(),
      hearts: () => this.calipers.toggle(),
      help: () => toggleHelp(this),
      fullscreen: () => (document.fullscreenElement ? document.exitFullscreen() : this.root.requestFullscreen()),
    };
    const [group, choice] = name.split("-");
    if (group === "preset") this.setLook(Picture.presets[choice]);
    else if (group === "adjust") this.adjust(choice);
    else actions[name]?.();
    this.draw();
  }

  /** Ask Python to read the film again, changed; what is displayed here stays as it is until then. */
  adjust(change) {
    closeMenu(this);
    if (this.picture && this.data.canAdjust) this.requestAdjustment(change);
  }

  resize() {
    const { clientWidth, clientHeight } = this.stage;
    if (!clientWidth || !clientHeight) return;
    const density = window.devicePixelRatio || 1;
    for (const canvas of [this.find("canvas.film"), this.find("canvas.heat")]) {
      canvas.width = Math.round(clientWidth * density);
      canvas.height = Math.round(clientHeight * density);
    }
    this.geometry.resize(clientWidth, clientHeight);
    this.draw();
  }

  /** Draw once, at the browser's next frame, however often this is called. */
  draw() {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      this.drawNow();
    });
  }

  drawNow() {
    if (this.lookChanged && this.picture) this.picture.apply(this.look);
    this.lookChanged = false;
    this.place(this.find("canvas.film"), this.picture?.canvas);
    this.place(this.find("canvas.heat"), this.heat.on ? this.heatCanvas : null);
    this.find("canvas.heat").style.opacity = this.heat.opacity;
    for (const layer of this.root.querySelectorAll(".film-points")) {
      layer.setAttribute("transform", `matrix(${this.geometry.matrix.join(" ")})`);
    }
    this.calipers.draw();
    this.measures.draw();
    this.marking.draw();
    drawLens(this);
    showState(this);
  }

  /** Draw an image that covers the whole film on a canvas of the stage, as the geometry places it. */
  place(canvas, image) {
    const context = canvas.getContext("2d");
    const density = canvas.width / this.geometry.stage.width;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!image) return;
    const { scale, x, y, film } = this.geometry;
    context.setTransform(density, 0, 0, density, 0, 0);
    context.imageSmoothingQuality = "high";
    context.drawImage(image, x, y, film.columns * scale, film.rows * scale);
  }
}
