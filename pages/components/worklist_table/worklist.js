/* The worklist: a row for each film, chosen by a click, the arrow keys, or J and K anywhere on the page.
 * A row is marked as chosen only once Python displays its film, so that no row ever stands beside another film. */
const lists = new WeakMap();

export default function mount({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".worklist");
  let list = lists.get(root);
  if (!list) {
    list = new Worklist(root);
    lists.set(root, list);
  }
  list.send = setTriggerValue;
  list.take(data);
  return () => document.removeEventListener("keydown", list.onPageKey);
}

class Worklist {
  constructor(root) {
    this.root = root;
    this.body = root.querySelector("tbody");
    this.filter = root.querySelector("[data-filter=text]");
    this.filter.addEventListener("input", () => this.applyFilter());
    root.addEventListener("click", (event) => this.onClick(event));
    this.body.addEventListener("keydown", (event) => this.onRowKey(event));
    this.onPageKey = (event) => this.onKeyAnywhere(event);
  }

  take(data) {
    document.removeEventListener("keydown", this.onPageKey);
    document.addEventListener("keydown", this.onPageKey);
    const received = JSON.stringify(data);
    if (received === this.received) return;
    this.received = received;
    this.data = data;
    const head = this.root.querySelector("thead tr");
    head.replaceChildren(...["", ...data.columns, "✓"].map((name) => makeCell("th", name)));
    head.lastChild.title = "Read";
    const held = this.body.contains(this.root.getRootNode().activeElement);
    this.body.replaceChildren(...data.rows.map((row) => this.makeRow(row)));
    this.applyFilter();
    const chosen = this.rowOf(data.chosen);
    chosen?.scrollIntoView({ block: "nearest" });
    if (held) chosen?.focus({ preventScroll: true });
    this.root.dataset.ready = "true";
  }

  makeRow(row) {
    const element = document.createElement("tr");
    element.dataset.key = row.key;
    element.dataset.suspected = String(row.suspected);
    element.dataset.read = String(row.read);
    element.dataset.text = row.cells.map((cell) => cell.text).join(" ").toLowerCase();
    const chosen = row.key === this.data.chosen;
    element.setAttribute("aria-selected", String(chosen));
    element.tabIndex = chosen ? 0 : -1;
    element.append(makePicture(row), ...row.cells.map((cell, index) => makeValue(cell, index === 0 && row.note)));
    element.append(makeMark(row));
    return element;
  }

  applyFilter() {
    const text = this.filter.value.trim().toLowerCase();
    const pressed = (name) => this.root.querySelector(`[data-filter=${name}]`).getAttribute("aria-pressed") === "true";
    const [suspected, unread] = [pressed("suspected"), pressed("unread")];
    let shown = 0;
    for (const row of this.body.rows) {
      const fits = row.dataset.text.includes(text)
        && (!suspected || row.dataset.suspected === "true") && (!unread || row.dataset.read === "false");
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    this.root.querySelector(".none").hidden = shown > 0;
  }

  onClick(event) {
    const toggle = event.target.closest("[data-filter][aria-pressed]");
    if (toggle) {
      toggle.setAttribute("aria-pressed", String(toggle.getAttribute("aria-pressed") !== "true"));
      this.applyFilter();
      return;
    }
    const row = event.target.closest("tbody tr");
    if (!row) return;
    if (event.target.closest(".mark")) this.mark(row.dataset.key);
    else this.choose(row.dataset.key);
  }

  onRowKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) this.move(step);
    else if (event.key === "Home" || event.key === "End") this.choose(this.shown().at(event.key === "Home" ? 0 : -1));
    else if (event.key === "Enter" || event.key === " ") this.choose(event.target.closest("tr").dataset.key);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  onKeyAnywhere(event) {
    const target = event.composedPath()[0];
    const typing = target instanceof Element && target.closest("input, textarea, select, [contenteditable=true]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toLowerCase();
    if (key === "j") this.move(1);
    else if (key === "k") this.move(-1);
    else if (key === "m") this.mark(this.data.chosen);
    else return;
    event.preventDefault();
  }

  shown() {
    return [...this.body.rows].filter((row) => !row.hidden).map((row) => row.dataset.key);
  }

  move(step) {
    const keys = this.shown();
    const from = keys.indexOf(this.pending ?? this.data.chosen);
    const to = from < 0 ? 0 : from + step;
    if (to >= 0 && to < keys.length) this.choose(keys[to]);
  }

  choose(key) {
    if (!key || key === (this.pending ?? this.data.chosen)) return;
    this.pending = key;
    for (const row of this.body.rows) row.classList.toggle("opening", row.dataset.key === key);
    this.rowOf(key)?.scrollIntoView({ block: "nearest" });
    this.send("chosen", key);
    setTimeout(() => { this.pending = undefined; }, 0);
  }

  mark(key) {
    if (key) this.send("marked", key);
  }

  rowOf(key) {
    return [...this.body.rows].find((row) => row.dataset.key === key);
  }
}

function makeCell(kind, text) {
  const cell = document.createElement(kind);
  cell.textContent = text;
  if (kind === "th") cell.scope = "col";
  return cell;
}

function makePicture(row) {
  const cell = document.createElement("td");
  cell.className = "picture";
  if (row.jpeg) {
    const image = document.createElement("img");
    image.src = `data:image/jpeg;base64,${row.jpeg}`;
    image.alt = "";
    cell.append(image);
  }
  return cell;
}

function makeValue({ text, tone }, note) {
  const cell = makeCell("td", text);
  if (tone) cell.dataset.tone = tone;
  cell.title = text;
  if (note) {
    const line = document.createElement("small");
    line.textContent = note;
    cell.append(line);
    cell.title = `${text}. ${note}`;
  }
  return cell;
}

function makeMark(row) {
  const cell = document.createElement("td");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "mark";
  button.tabIndex = -1;
  button.textContent = row.read ? "✓" : "";
  button.setAttribute("role", "checkbox");
  button.setAttribute("aria-checked", String(row.read));
  button.setAttribute("aria-label", `${row.cells[0].text}: read`);
  button.title = "Mark this film as read (M marks the film on display)";
  cell.append(button);
  return cell;
}
