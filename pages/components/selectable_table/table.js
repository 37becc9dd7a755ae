/* A table of rows with ids. A click on a row selects it alone; its box, or a click with Ctrl, adds it or takes it away.
 * What is selected shows at once; Python is sent all ids with a serial, and what it selects counts again once it has
 * answered the last one sent. */
const tables = new WeakMap();

export default function mount({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".frame");
  let table = tables.get(root);
  if (!table) {
    table = new SelectableTable(root, data.answered);
    tables.set(root, table);
  }
  table.sendSelection = (value) => setStateValue("selection", value);
  table.sendSort = (column) => setTriggerValue("sorted", column);
  table.take(data);
}

class SelectableTable {
  constructor(root, serial) {
    this.root = root;
    this.serial = serial;
    this.selected = new Set();
    this.area = root.querySelector(".rows");
    this.table = root.querySelector("table");
    this.body = root.querySelector("tbody");
    this.table.addEventListener("click", (event) => this.onClick(event));
    this.body.addEventListener("keydown", (event) => this.onKey(event));
  }

  take(data) {
    const isFirst = !this.data;
    this.data = data;
    if (data.answered >= this.serial) this.selected = new Set(data.selected);
    const content = JSON.stringify([data.columns, data.rows, data.sorting]);
    if (content !== this.content) {
      this.content = content;
      this.draw(data);
    }
    this.showSelection();
    if (isFirst) this.scrollToSelected();
    this.root.dataset.ready = "true";
  }

  draw({ columns, rows, sorting, label }) {
    const focused = this.root.getRootNode().activeElement?.closest("tbody tr")?.dataset.id;
    const before = new Set([...this.body.rows].map((row) => row.dataset.id));
    const isOtherPage = !rows.some((row) => before.has(row.id));
    this.table.setAttribute("aria-label", label);
    this.table.setAttribute("aria-rowcount", String(rows.length + 1));
    const heads = columns.map((column, index) => makeHead(column, index, sorting));
    this.table.querySelector("thead tr").replaceChildren(makeBoxHead(), ...heads);
    this.body.replaceChildren(...rows.map((row) => makeRow(row, columns)));
    this.area.hidden = rows.length === 0;
    this.root.querySelector(".none").hidden = rows.length > 0;
    if (focused) this.rowOf(focused)?.focus({ preventScroll: true });
    if (isOtherPage) this.area.scrollTop = 0;
  }

  showSelection() {
    const { limit } = this.data;
    const isFull = this.selected.size >= limit;
    const rows = [...this.body.rows];
    const reachable = rows.find((row) => this.selected.has(row.dataset.id)) ?? rows[0];
    for (const row of rows) {
      const isSelected = this.selected.has(row.dataset.id);
      const box = row.querySelector("input");
      row.setAttribute("aria-selected", String(isSelected));
      row.tabIndex = row === reachable ? 0 : -1;
      box.checked = isSelected;
      box.disabled = isFull && !isSelected;
    }
    const hidden = this.selected.size - rows.filter((row) => this.selected.has(row.dataset.id)).length;
    const notes = [];
    if (this.selected.size > 1 || hidden) notes.push(`${this.selected.size} selected`);
    if (hidden) notes.push(`${hidden} of them not in this list`);
    if (isFull) notes.push(`no more than ${limit} at once`);
    this.root.querySelector(".state").textContent = notes.join(", ");
    this.root.querySelector("[data-clear]").hidden = this.selected.size === 0;
  }

  scrollToSelected() {
    const row = this.body.querySelector("[aria-selected=true]");
    if (row) this.area.scrollTop = row.offsetTop - this.area.clientHeight / 2;
  }

  onClick(event) {
    const head = event.target.closest("th");
    if (head) {
      if (head.dataset.column) this.sendSort(head.dataset.column);
      else if (event.target.closest("[data-clear]")) this.select([]);
      return;
    }
    const row = event.target.closest("tbody tr");
    if (!row) return;
    row.focus({ preventScroll: true }); // keys go on from the row that was clicked
    const adds = event.target.closest(".box") || event.ctrlKey || event.metaKey || event.shiftKey;
    if (adds) this.toggle(row.dataset.id);
    else this.selectAlone(row.dataset.id);
  }

  onKey(event) {
    const row = event.target.closest("tr");
    const rows = [...this.body.rows];
    const place = rows.indexOf(row);
    const target = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (target !== undefined) rows[target]?.focus();
    else if (event.key === " ") this.toggle(row.dataset.id);
    else if (event.key === "Enter") this.selectAlone(row.dataset.id);
    else if (event.key === "Escape") this.select([]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  selectAlone(id) {
    const isAlone = this.selected.size === 1 && this.selected.has(id);
    this.select(isAlone ? [] : [id]);
  }

  toggle(id) {
    const ids = new Set(this.selected);
    if (!ids.delete(id)) ids.add(id);
    if (ids.size <= this.data.limit || ids.size < this.selected.size) this.select(ids);
    else this.showSelection(); // the box that was clicked is emptied again
  }

  select(ids) {
    this.selected = new Set(ids);
    this.serial += 1;
    this.showSelection();
    this.sendSelection({ serial: this.serial, ids: [...this.selected] });
  }

  rowOf(id) {
    return [...this.body.rows].find((row) => row.dataset.id === id);
  }
}

function makeBoxHead() {
  const head = document.createElement("th");
  head.className = "box";
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.clear = "";
  button.textContent = "✕";
  button.title = "Clear the selection (Esc)";
  button.setAttribute("aria-label", "Clear the selection");
  head.append(button);
  return head;
}

function makeHead(column, index, sorting) {
  const head = document.createElement("th");
  head.scope = "col";
  head.dataset.column = column.name;
  setKind(head, column, index);
  if (column.help) head.title = column.help;
  if (sorting.column === column.name) head.setAttribute("aria-sort", sorting.ascending ? "ascending" : "descending");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = column.name;
  head.append(button);
  return head;
}

function makeRow({ id, cells }, columns) {
  const row = document.createElement("tr");
  row.dataset.id = id;
  const box = document.createElement("input");
  box.type = "checkbox";
  box.tabIndex = -1;
  box.setAttribute("aria-label", `Select ${cells[0]}`);
  const boxCell = document.createElement("td");
  boxCell.className = "box";
  boxCell.append(box);
  row.append(boxCell);
  cells.forEach((text, index) => {
    const cell = document.createElement("td");
    cell.textContent = text;
    if (text.length > 24) cell.title = text;
    setKind(cell, columns[index], index);
    row.append(cell);
  });
  return row;
}

function setKind(cell, column, index) {
  if (index === 0) cell.className = "name";
  else if (column.is_number) cell.className = "number";
}
