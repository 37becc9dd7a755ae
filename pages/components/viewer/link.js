/* Linked viewers show the same part of their films with the same window and level, without asking Python. Films differ
 * in size, so zoom counts from the whole film, and places are shares of its width and height. */
const LINK_EVENT = "silhouette-film-viewer";

function listenToLink(viewer) {
  const listener = ({ detail }) => {
    if (!viewer.root.isConnected) return window.removeEventListener(LINK_EVENT, listener);
    if (detail.link !== viewer.link || detail.from === viewer || !viewer.picture) return;
    if (detail.view) takeView(viewer, detail);
    else shareView(viewer); // another viewer has joined
  };
  window.addEventListener(LINK_EVENT, listener);
}

/** Show the other viewers of the link this one's view. */
function shareView(viewer) {
  if (!viewer.link || !viewer.picture) return;
  const { window: range, level } = viewer.look;
  tellLinked(viewer, { view: viewer.geometry.view, look: { window: range, level } });
}

/** Ask the other viewers of the link for their view. */
function joinLink(viewer) {
  if (viewer.link) tellLinked(viewer, {});
}

function tellLinked(viewer, message) {
  const detail = { link: viewer.link, from: viewer, ...message };
  window.dispatchEvent(new CustomEvent(LINK_EVENT, { detail }));
}

function takeView(viewer, { view, look }) {
  viewer.geometry.view = view;
  Object.assign(viewer.look, look);
  viewer.lookChanged = true;
  viewer.draw();
}
