/* The viewer's controls: what each one does, and how the controls and the data attributes show the viewer's state. */

function listen(viewer) {
  const { root, stage } = viewer;
  root.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.do) viewer.act(button.dataset.do);
    if (button?.dataset.layer) viewer.choose(button.dataset.layer);
  });
  root.addEventListener("input", (event) => {
    const { dataset: { set }, value } = event.target;
    if (value && (set === "window" || set === "level")) viewer.setLook({ [set]: Number(value) });
    if (set === "opacity") {
      viewer.heat.opacity = Number(value) / 100;
      showScale(viewer);
      viewer.draw();
    }
    if (set === "method") viewer.requestMethod(value);
  });
  root.addEventListener("change", () => viewer.draw()); // a number that was out of range is replaced
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    viewer.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), stagePoint(viewer, event));
  }, { passive: false });
  stage.addEventListener("dblclick", () => viewer.measures.tool || viewer.act("fit"));
  stage.addEventListener("contextmenu", (event) => event.preventDefault());
  listenToPointers(viewer);
}

/** One pointer drags the film, measures while a tool is chosen, or sets window and level with shift or the right button;
 *  two pointers pinch. */
function listenToPointers(viewer) {
  const { stage } = viewer;
  const held = new Map();
  let measuring; // the pointer that measures
  const onFilm = (event) => viewer.geometry.toFilm(stagePoint(viewer, event));
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    viewer.root.focus({ preventScroll: true });
    if (viewer.measures.tool && event.button === 0 && !event.shiftKey && !held.size) {
      measuring = event.pointerId;
      return viewer.measures.press(onFilm(event));
    }
    held.set(event.pointerId, stagePoint(viewer, event));
    stage.classList.add("held");
  });
  stage.addEventListener("pointermove", (event) => {
    const now = stagePoint(viewer, event);
    viewer.pointer = now;
    showReadout(viewer, now);
    if (viewer.magnifies) viewer.draw();
    if (!held.size) viewer.measures.follow(onFilm(event));
    const before = held.get(event.pointerId);
    if (!before) return;
    const other = [...held].find(([id]) => id !== event.pointerId)?.[1];
    held.set(event.pointerId, now);
    const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
    if (other) {
      const span = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]);
      viewer.geometry.moveBy(dx / 2, dy / 2);
      viewer.zoom(span(now) / Math.max(1, span(before)), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
    } else if (event.shiftKey || event.buttons === 2) {
      viewer.setLook({ window: viewer.look.window + dx / 3, level: viewer.look.level + dy / 5 });
    } else {
      viewer.move(dx, dy);
    }
  });
  const release = (event) => {
    if (event.pointerId === measuring) {
      measuring = undefined;
      viewer.measures.release(onFilm(event));
    }
    held.delete(event.pointerId);
    if (!held.size) stage.classList.remove("held");
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  stage.addEventListener("pointerleave", () => {
    viewer.pointer = null;
    viewer.find(".readout").replaceChildren();
    viewer.draw();
  });
}

function stagePoint(viewer, event) {
  const box = viewer.stage.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

/** Buttons for the layers and options for the methods. Names are set as text, never as HTML. */
function fillChoices(viewer, methods) {
  const { layers } = viewer.heat;
  viewer.find(".heatbar").hidden = layers.length === 0;
  viewer.find(".layers").replaceChildren(...layers.map((layer) => {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.layer = layer.key;
    button.setAttribute("role", "radio");
    button.title = layer.note;
    button.textContent = layer.label;
    return button;
  }));
  const select = viewer.find("select");
  select.replaceChildren(...Object.entries(methods).map(([key, label]) => new Option(label, key)));
  if (layers.length) select.value = layers[0].method;
}

/** The colour bar with its unit; says when this film shows no evidence at all. */
function showScale(viewer) {
  const layer = viewer.layer;
  if (!layer) return;
  const maximum = Math.max(...layer.cells);
  const relative = layer.unit === "relative";
  paintRamp(viewer.find(".ramp"), viewer.heat.opacity, viewer.heat.colours);
  viewer.find(".high").textContent = relative ? "1" : `≥ ${Number(layer.scale.toPrecision(2))}`;
  const unit = relative ? "relative to this film’s maximum" : "evidence, logits per cell";
  viewer.find(".unit").textContent = maximum > 0 ? unit : `${unit}: none on this film`;
  viewer.find(".scale").setAttribute("aria-label", `Colour scale from 0 to ${layer.scale}: ${unit}`);
  viewer.root.dataset.heatMax = String(maximum / layer.scale);
}

function showState(viewer) {
  const { root, geometry, look, heat } = viewer;
  viewer.find(".zoom").textContent = `${Math.round((geometry.scale / geometry.actualScale) * 100)} %`;
  showLook(viewer);
  viewer.find("[data-set=opacity]").value = heat.opacity * 100;
  viewer.find("[data-do=invert]").setAttribute("aria-pressed", String(look.inverted));
  viewer.find("[data-do=magnify]").setAttribute("aria-pressed", String(viewer.magnifies));
  const shown = heat.on && viewer.layer !== null;
  viewer.find("[data-do=heat]").setAttribute("aria-pressed", String(shown));
  for (const button of root.querySelectorAll("[data-layer][role=radio]")) {
    button.setAttribute("aria-checked", String(button.dataset.layer === heat.chosen));
  }
  root.classList.toggle("heat-off", !shown);
  Object.assign(root.dataset, {
    zoom: geometry.scale.toFixed(4),
    inverted: String(look.inverted),
    magnifier: viewer.magnifies ? "on" : "off",
    window: String(Math.round(look.window)),
    level: String(Math.round(look.level)),
    heat: shown ? "on" : "off",
    layer: heat.chosen ?? "",
    method: viewer.layer?.method ?? "",
  });
}

/** Window and level on their button, in their fields and among the presets. */
function showLook({ root, look, find }) {
  for (const name of ["window", "level"]) {
    const value = Math.round(look[name]);
    find(`.look-${name}`).textContent = value;
    for (const field of root.querySelectorAll(`[data-set=${name}]`)) {
      const typing = field.type === "number" && field === root.getRootNode().activeElement;
      if (!typing || Number(field.value) > field.max) field.value = value;
    }
  }
  for (const [name, preset] of Object.entries(Picture.presets)) {
    const chosen = preset.window === look.window && preset.level === look.level;
    find(`[data-do=preset-${name}]`).setAttribute("aria-pressed", String(chosen));
  }
}

/** What is under the pointer: position, grey value and evidence. */
function showReadout(viewer, point) {
  if (!viewer.picture) return;
  const at = viewer.geometry.toFilm(point);
  const grey = viewer.picture.greyAt(at, viewer.film);
  if (grey === null) return viewer.find(".readout").replaceChildren();
  let text = `x ${Math.floor(at[0])}  y ${Math.floor(at[1])}  grey ${Math.round(grey / 2.55)} %`;
  if (viewer.layer && viewer.heat.on) {
    const value = viewer.valueAt(at);
    const name = viewer.layer.unit === "relative" ? "relative" : "evidence";
    text += Number.isNaN(value) ? "  outside the model’s input" : `  ${name} ${value.toFixed(2)}`;
  }
  viewer.find(".readout").textContent = text;
}
