/* Draws the pictures that Python sends, with their boxes, and says which one was clicked. */
const drawn = new WeakMap();
const SVG = "http://www.w3.org/2000/svg";

export default function mount({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".gallery");
  root.open = (place) => setTriggerValue("opened", place);
  const received = JSON.stringify(data);
  if (drawn.get(root) === received) return; // most reruns of the page change nothing here
  drawn.set(root, received);
  root.classList.toggle("large", Boolean(data.large));
  root.replaceChildren(...data.pictures.map((picture, place) => card(root, picture, place, data.large)));
  root.dataset.ready = "true";
}

function card(root, picture, place, large) {
  const element = document.createElement(large ? "figure" : "button");
  element.className = "card";
  if (!large) {
    element.type = "button";
    element.addEventListener("click", () => root.open(place));
    element.setAttribute("aria-label", ["Open", picture.name, ...picture.lines, picture.note].filter(Boolean).join(", "));
    element.title = picture.name;
  }
  element.append(frame(picture), ...(large ? [] : words(picture)));
  return element;
}

function frame(picture) {
  const element = document.createElement("span");
  element.className = "frame";
  element.style.setProperty("--aspect", picture.aspect);
  if (!picture.jpeg) {
    element.append(line("note", picture.note));
    return element;
  }
  const image = document.createElement("img");
  image.src = `data:image/jpeg;base64,${picture.jpeg}`;
  image.alt = "";
  element.append(image, outlines(picture));
  element.append(...picture.boxes.map(([label, left, top]) => tag(label, left, top)));
  return element;
}

/** The boxes as outlines in fractions of the picture, of the same thickness at any size. */
function outlines(picture) {
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

function tag(label, left, top) {
  const element = line("tag", label);
  element.style.left = `${100 * left}%`;
  element.style.top = `${100 * top}%`;
  return element;
}

function words(picture) {
  return [line("name", picture.name), ...picture.lines.map((text) => line("line", text))];
}

function line(className, text) {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = text;
  return element;
}
