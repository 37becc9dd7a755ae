/* Keeps the token of this tab's study where only this tab finds it: a reload keeps it, another tab does not see it. */
const PLACE = "silhouette-study";

export default function mount({ data, setStateValue }) {
  const known = sessionStorage.getItem(PLACE);
  if (known && known !== data.token && !data.answered) setStateValue("claimed", known);
  else sessionStorage.setItem(PLACE, data.token);
}
