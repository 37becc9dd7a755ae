/** The film's 8-bit grey values, and a canvas that shows them with the current window, level and inversion. */
class Picture {
  static plain = { window: 100, level: 50, inverted: false }; // per cent of the film's range
  // A film has no Hounsfield units: a preset spreads those grey values in which its tissue lies on a film that is dark
  // where there is air. Window and level, as above.
  static presets = {
    default: { window: 100, level: 50 }, // the full range
    lung: { window: 60, level: 30 }, // 0 to 60 %: the dark half
    mediastinum: { window: 60, level: 70 }, // 40 to 100 %: the bright half
    bone: { window: 40, level: 65 }, // 45 to 85 %: a narrow range of bright greys
  };

  static async load(base64) {
    const letters = atob(base64);
    // Loops, here and below: Uint8Array.from with a callback takes ten times as long.
    const bytes = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }), { colorSpaceConversion: "none" });
    return new Picture(bitmap);
  }

  constructor(bitmap) {
    this.canvas = document.createElement("canvas");
    this.canvas.width = bitmap.width;
    this.canvas.height = bitmap.height;
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.context.drawImage(bitmap, 0, 0);
    this.image = this.context.getImageData(0, 0, bitmap.width, bitmap.height);
    this.words = new Uint32Array(this.image.data.buffer);
    this.greys = new Uint8Array(this.words.length);
    for (let i = 0; i < this.words.length; i++) this.greys[i] = this.words[i]; // the lowest byte
    bitmap.close();
  }

  /** Redraw the canvas. window, level: per cent of the film's range. */
  apply({ window, level, inverted }) {
    const table = new Uint32Array(256);
    for (let grey = 0; grey < 256; grey++) {
      const share = ((grey / 255) * 100 - (level - window / 2)) / window;
      const shown = Math.round(255 * Math.min(1, Math.max(0, inverted ? 1 - share : share)));
      table[grey] = (0xff000000 | (shown << 16) | (shown << 8) | shown) >>> 0;
    }
    for (let i = 0; i < this.greys.length; i++) this.words[i] = table[this.greys[i]];
    this.context.putImageData(this.image, 0, 0);
  }

  /** The 8-bit grey value at a film point; null outside the film. */
  greyAt([column, row], film) {
    const x = Math.floor((column / film.columns) * this.canvas.width);
    const y = Math.floor((row / film.rows) * this.canvas.height);
    const inside = x >= 0 && y >= 0 && x < this.canvas.width && y < this.canvas.height;
    return inside ? this.greys[y * this.canvas.width + x] : null;
  }
}
