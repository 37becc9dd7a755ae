/* Marks on the film that a pointer drags and the arrow keys move. */
const NUDGES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const SVG = "http://www.w3.org/2000/svg";

function svgElement(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** A round handle. Its size is in screen pixels, so that it stays easy to grab. */
function makeHandle(name, label, hint) {
  const handle = svgElement("g", { class: `end ${name}`, tabindex: "0", role: "slider", "aria-label": label });
  const title = svgElement("title", {});
  title.textContent = `${label}: ${hint}`;
  handle.append(title, svgElement("circle", { class: "hit" }), svgElement("circle", { class: "knob" }));
  return handle;
}

function placeHandle(viewer, handle, point, measured) {
  const [x, y] = viewer.geometry.toScreen(point);
  handle.setAttribute("transform", `translate(${x} ${y})`);
  handle.setAttribute("aria-valuemin", "0");
  handle.setAttribute("aria-valuemax", String(viewer.film.columns));
  handle.setAttribute("aria-valuenow", String(point[0]));
  handle.setAttribute("aria-valuetext", `x ${point[0].toFixed(1)}, y ${point[1].toFixed(1)} pixels; ${measured}`);
}

/** Lets pointer and keys move an element. at(): its film point.  move(point, byKey): take another one.
 *  dropped(): a drag has ended.  Returned: whether it is held, and a way to let go of it. */
function makeMovable(viewer, element, { at, move, dropped = () => {} }) {
  let held;
  const letGo = () => {
    held = undefined;
    element.classList.remove("held");
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return; // the right button sets window and level, here too
    event.stopPropagation(); // otherwise the film would move too
    if (held) return;
    event.preventDefault();
    element.setPointerCapture(event.pointerId);
    element.focus({ preventScroll: true });
    const place = viewer.geometry.toScreen(at());
    const [x, y] = stagePoint(viewer, event);
    held = { pointer: event.pointerId, offset: [place[0] - x, place[1] - y] };
    element.classList.add("held");
  });
  element.addEventListener("pointermove", (event) => {
    if (held?.pointer !== event.pointerId) return;
    event.stopPropagation();
    const { width, height } = viewer.geometry.stage;
    const [x, y] = stagePoint(viewer, event);
    // Never out of sight, where it could not be grabbed again.
    const place = [
      Math.min(width, Math.max(0, x + held.offset[0])), Math.min(height, Math.max(0, y + held.offset[1])),
    ];
    held.moved = true;
    viewer.pointer = place; // the magnifier goes with it
    move(viewer.geometry.toFilm(place), false);
  });
  const release = (event) => {
    if (held?.pointer !== event.pointerId) return;
    const { moved } = held;
    letGo();
    if (moved) dropped();
  };
  element.addEventListener("pointerup", release);
  element.addEventListener("pointercancel", release);
  element.addEventListener("dblclick", (event) => event.stopPropagation());
  element.addEventListener("keydown", (event) => {
    const by = NUDGES[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const step = event.shiftKey ? 10 : 1;
    const [x, y] = at();
    move([x + step * by[0], y + step * by[1]], true);
  });
  return { isHeld: () => held !== undefined, letGo };
}
