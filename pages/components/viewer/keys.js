/* Every key of the viewer, in the order in which `?` lists them. J, K and M are the worklist's. A row without an action is for the mouse or is handled
 * where it is used. */
const KEYS = {
  View: [
    { keys: ["+", "="], action: "zoom-in", text: "Zoom in" },
    { keys: ["-"], action: "zoom-out", text: "Zoom out" },
    { keys: ["0"], action: "fit", text: "Fit the whole film" },
    { keys: ["Z"], action: "actual", text: "1:1, one pixel of the film on one of the screen" },
    { keys: ["← → ↑ ↓"], text: "Move the film" },
    { keys: ["G"], action: "magnify", text: "Magnifier on or off; while the key is held" },
    { keys: ["F"], action: "fullscreen", text: "Full screen" },
    { keys: ["?"], action: "help", text: "Show or hide this list" },
    { keys: ["Esc"], text: "Cancel or close" },
  ],
  "Grey values": [
    { keys: ["1"], action: "preset-default", text: "Default: the full range" },
    { keys: ["2"], action: "preset-lung", text: "Lung: dark areas spread" },
    { keys: ["3"], action: "preset-mediastinum", text: "Mediastinum: bright areas spread" },
    { keys: ["4"], action: "preset-bone", text: "Bone: bright areas, high contrast" },
    { keys: ["I"], action: "invert", text: "Invert the display" },
    { keys: ["R"], action: "reset", text: "Reset window, level and inversion" },
  ],
  Measure: [
    { keys: ["L"], action: "length", text: "Length; Enter places it without a mouse" },
    { keys: ["A"], action: "angle", text: "Angle; Enter places it without a mouse" },
    { keys: ["B"], action: "box", text: "Box of the finding that is judged; a click marks a point" },
    { keys: ["Delete"], action: "delete", text: "Delete the selected or the last one" },
  ],
  "Heatmap and heart": [
    { keys: ["H"], action: "heat", text: "Show or hide the heatmap" },
    { keys: ["C"], action: "hearts", text: "Show or hide contours and diameters" },
  ],
  "Correct and read again": [
    { keys: ["Shift+I"], action: "adjust-invert", text: "Invert the greyscale" },
    { keys: ["Shift+T"], action: "adjust-rotate", text: "Turn by 90° clockwise" },
    { keys: ["Shift+F"], action: "adjust-mirror", text: "Mirror" },
  ],
  Mouse: [
    { keys: ["Drag"], text: "Move the film" },
    { keys: ["Right-drag", "Shift+drag"], text: "Window (sideways) and level (up and down)" },
    { keys: ["Wheel"], text: "Zoom at the pointer" },
    { keys: ["Double-click"], text: "Fit the whole film" },
  ],
};
const ACTIONS = new Map(Object.values(KEYS).flat().filter((row) => row.action)
  .flatMap(({ keys, action }) => keys.map((key) => [key.toLowerCase(), action])));
ACTIONS.set("backspace", "delete");
const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const HOLD_MS = 400; // a key held for longer than this magnifies only until it is released

function listenToKeys(viewer) {
  let magnifiedAt;
  viewer.root.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "g" && !event.repeat) magnifiedAt = viewer.magnifies ? undefined : event.timeStamp;
    onKey(viewer, event);
  });
  viewer.root.addEventListener("keyup", (event) => {
    if (event.key.toLowerCase() !== "g" || magnifiedAt === undefined || !viewer.magnifies) return;
    if (event.timeStamp - magnifiedAt > HOLD_MS) viewer.act("magnify");
    magnifiedAt = undefined;
  });
}

/** Anywhere on a page with keys of its own: `?` lists them all, B draws for a finding. */
function onPageKey(viewer, event) {
  if (!viewer.marking.data || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.composedPath()[0];
  if (target.closest?.("input, textarea, select, [contenteditable=true]")) return;
  if (event.key === "?") toggleHelp(viewer);
  else if (event.key.toLowerCase() === "b" && !event.repeat) viewer.act("box");
  else return;
  event.preventDefault();
}

function onKey(viewer, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" ? !escape(viewer) : !press(viewer, event)) return;
  event.preventDefault();
  event.stopPropagation();
}

/** Close or cancel the innermost thing; false when there is none. */
function escape(viewer) {
  if (closeMenu(viewer) || viewer.measures.cancel()) return true;
  if (viewer.find(".help").hidden) return false;
  toggleHelp(viewer);
  return true;
}

/** Do what a key is for; false when it is for nothing here. */
function press(viewer, event) {
  if (event.target.closest("input, select, [role=menu]")) return false;
  const letter = /^[a-z]$/i.test(event.key);
  const action = ACTIONS.get(`${letter && event.shiftKey ? "shift+" : ""}${event.key.toLowerCase()}`);
  if (action) {
    if (!event.repeat || action.startsWith("zoom")) viewer.act(action);
    return true;
  }
  const arrow = ARROWS[event.key];
  if (arrow) viewer.move(40 * arrow[0], 40 * arrow[1]);
  else if (event.key === "Enter" && viewer.measures.tool && event.target === viewer.root) viewer.measures.placeInMiddle();
  else return false;
  return true;
}
