/* Draws the pictures that Python sends, with their boxes, and reports which one was clicked. */
const lastData = new WeakMap(); // by gallery, what is drawn already
const SVG = "http://www.w3.org/2000/svg";

export default function mount({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".gallery");
  root.open = (position) => setTriggerValue("opened", position);
  root.pick = (position) => setTriggerValue("picked", position);
  const received = JSON.stringify(data);
  if (lastData.get(root) === received) return; // most reruns of the page change nothing here
  lastData.set(root, received);
  root.classList.toggle("large", Boolean(data.large));
  root.replaceChildren(...data.pictures.map((picture, position) => makeCell(root, picture, position, data)));
  root.dataset.ready = "true";
}

/** A card, and on it a tick where pictures can be picked. */
function makeCell(root, picture, position, data) {
  const card = makeCard(root, picture, position, data);
  if (!data.pickable) return card;
  const cell = document.createElement("div");
  cell.className = "cell";
  const tick = document.createElement("input");
  tick.type = "checkbox";
  tick.className = "pick";
  tick.checked = picture.picked;
  tick.setAttribute("aria-label", `Pick ${picture.name}`);
  tick.title = "Pick for a subset";
  tick.addEventListener("change", () => root.pick(position));
  cell.append(card, tick);
  return cell;
}

function makeCard(root, picture, position, { large, openable }) {
  const element = document.createElement(openable ? "button" : "figure");
  element.className = "card";
  if (openable) {
    element.type = "button";
    element.addEventListener("click", () => root.open(position));
    element.setAttribute("aria-label", ["Open", picture.name, ...picture.lines, picture.note].filter(Boolean).join(", "));
    element.title = picture.name;
  }
  element.append(makeFrame(picture), ...(large ? [] : makeLines(picture)));
  return element;
}

function makeFrame(picture) {
  const element = document.createElement("span");
  element.className = "frame";
  element.style.setProperty("--aspect", picture.aspect);
  if (!picture.jpeg) {
    element.append(makeLine("note", picture.note));
    return element;
  }
  const image = document.createElement("img");
  image.src = `data:image/jpeg;base64,${picture.jpeg}`;
  image.alt = "";
  element.append(image, drawBoxes(picture));
  element.append(...picture.boxes.map(([label, left, top]) => makeTag(label, left, top)));
  return element;
}

/** The boxes in fractions of the picture, with lines of the same width at any size. */
function drawBoxes(picture) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 1 1");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  for (const [label, x, y, width, height] of picture.boxes) {
    for (const className of ["edge", "box"]) {
      const rect = document.createElementNS(SVG, "rect");
      for (const [name, value] of Object.entries({ x, y, width, height })) rect.setAttribute(name, value);
      rect.setAttribute("class", className);
      rect.dataset.label = label;
      svg.append(rect);
    }
  }
  return svg;
}

function makeTag(label, left, top) {
  const element = makeLine("tag", label);
  element.style.left = `${100 * left}%`;
  element.style.top = `${100 * top}%`;
  return element;
}

function makeLines(picture) {
  return [makeLine("name", picture.name), ...picture.lines.map((text) => makeLine("line", text))];
}

function makeLine(className, text) {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = text;
  return element;
}
