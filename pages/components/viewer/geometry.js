/** The one transform of the viewer: screen = film * scale + offset.
 *  Film points are (column, row) in the film's own pixels; screen points are CSS pixels on the stage. */
class Geometry {
  constructor() {
    this.film = { columns: 1, rows: 1 };
    this.stage = { width: 1, height: 1 };
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.fitted = true; // a resize of the stage keeps showing the whole film
  }

  toScreen([column, row]) {
    return [column * this.scale + this.x, row * this.scale + this.y];
  }

  toFilm([x, y]) {
    return [(x - this.x) / this.scale, (y - this.y) / this.scale];
  }

  get fitScale() {
    return Math.min(this.stage.width / this.film.columns, this.stage.height / this.film.rows);
  }

  fit() {
    this.scale = this.fitScale;
    this.x = (this.stage.width - this.film.columns * this.scale) / 2;
    this.y = (this.stage.height - this.film.rows * this.scale) / 2;
    this.fitted = true;
  }

  /** One pixel of the film on one of the screen. */
  get actualScale() {
    return 1 / (window.devicePixelRatio || 1);
  }

  /** The view as shares, for films and stages of any size. */
  get view() {
    const [column, row] = this.toFilm([this.stage.width / 2, this.stage.height / 2]);
    const middle = [column / this.film.columns, row / this.film.rows];
    return { fitted: this.fitted, zoom: this.scale / this.fitScale, middle };
  }

  set view({ fitted, zoom, middle }) {
    if (fitted) return this.fit();
    this.scale = zoom * this.fitScale;
    this.x = this.stage.width / 2 - middle[0] * this.film.columns * this.scale;
    this.y = this.stage.height / 2 - middle[1] * this.film.rows * this.scale;
    this.fitted = false;
  }

  /** Zoom by a factor and leave the film point under the screen point where it is. */
  zoomAt([x, y], factor) {
    const smallest = Math.min(this.fitScale / 2, this.actualScale);
    const largest = Math.max(8, this.fitScale * 8);
    const scale = Math.min(largest, Math.max(smallest, this.scale * factor));
    const [column, row] = this.toFilm([x, y]);
    this.scale = scale;
    this.x = x - column * scale;
    this.y = y - row * scale;
    this.fitted = false;
    this.keepInView();
  }

  moveBy(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
    this.keepInView();
  }

  /** The middle of the stage never leaves the film. */
  keepInView() {
    const { width, height } = this.stage;
    this.x = Math.min(width / 2, Math.max(width / 2 - this.film.columns * this.scale, this.x));
    this.y = Math.min(height / 2, Math.max(height / 2 - this.film.rows * this.scale, this.y));
  }

  resize(width, height) {
    const middle = this.toFilm([this.stage.width / 2, this.stage.height / 2]);
    this.stage = { width, height };
    if (this.fitted) return this.fit();
    this.x = width / 2 - middle[0] * this.scale;
    this.y = height / 2 - middle[1] * this.scale;
    this.keepInView();
  }

  get matrix() {
    return [this.scale, 0, 0, this.scale, this.x, this.y];
  }
}
