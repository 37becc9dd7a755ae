/* Menus of the toolbars, one open at a time, and the list of all keys over the stage. */

function listenToMenus(viewer) {
  const { root } = viewer;
  for (const button of root.querySelectorAll("[data-menu]")) {
    button.addEventListener("click", () => toggleMenu(viewer, button));
  }
  root.addEventListener("focusout", (event) => {
    const to = event.relatedTarget; // null for a click on nothing; outside clicks are seen below
    if (to && !to.closest?.(".panel, [data-menu]")) closeMenu(viewer);
  });
  document.addEventListener("pointerdown", (event) => {
    const inside = event.composedPath().some((element) => element.matches?.(".panel, [data-menu]"));
    if (!inside) closeMenu(viewer);
  });
  viewer.find("[role=menu]").addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const items = [...event.currentTarget.querySelectorAll("button")];
    const at = items.indexOf(event.target);
    items[(at + step + items.length) % items.length].focus();
  });
}

function toggleMenu(viewer, button) {
  const wasOpen = button.getAttribute("aria-expanded") === "true";
  closeMenu(viewer);
  if (wasOpen) return;
  const panel = viewer.find(`[data-panel=${button.dataset.menu}]`);
  panel.hidden = false;
  panel.style.left = `${Math.max(4, Math.min(button.offsetLeft, viewer.root.clientWidth - panel.offsetWidth - 4))}px`;
  if (!button.closest(".heatbar")) panel.style.top = `${button.offsetTop + button.offsetHeight + 4}px`;
  button.setAttribute("aria-expanded", "true");
  panel.querySelector("input, select, button").focus({ preventScroll: true });
}

/** Close what is open; false when nothing was. */
function closeMenu(viewer) {
  const button = viewer.find("[data-menu][aria-expanded=true]");
  if (!button) return false;
  const panel = viewer.find(`[data-panel=${button.dataset.menu}]`);
  const focused = panel.contains(panel.getRootNode().activeElement);
  button.setAttribute("aria-expanded", "false");
  panel.hidden = true;
  if (focused) button.focus({ preventScroll: true });
  return true;
}

function toggleHelp(viewer) {
  const help = viewer.find(".help");
  help.hidden = !help.hidden;
  viewer.find("[data-do=help]").setAttribute("aria-expanded", String(!help.hidden));
  if (help.hidden) viewer.root.focus({ preventScroll: true });
  else help.focus({ preventScroll: true });
}

/** The keys of the viewer as a list; names are set as text. */
function fillHelp(viewer) {
  const around = Object.entries(viewer.marking?.data?.keys ?? {}).map(([title, rows]) => {
    return [title, rows.map(([key, text]) => ({ keys: [key], text }))];
  });
  const sections = [...around, ...Object.entries(KEYS)].map(([title, rows]) => {
    const section = document.createElement("section");
    section.dataset.keys = title;
    const heading = document.createElement("h4");
    heading.textContent = title;
    const list = document.createElement("dl");
    for (const { keys, text } of rows) {
      const [key, meaning] = ["dt", "dd"].map((name) => document.createElement(name));
      key.append(...keys.map((name) => Object.assign(document.createElement("kbd"), { textContent: name })));
      meaning.textContent = text;
      list.append(key, meaning);
    }
    section.append(heading, list);
    return section;
  });
  viewer.find(".keys").replaceChildren(...sections);
}
