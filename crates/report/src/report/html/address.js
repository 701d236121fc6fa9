// The part of the address after `#` holds the filters and the attempt of the rationales: the way back works, and a link can be sent.

/** The address of a state: names of filters, the searched text, the order and the attempt. */
const addressOf = (state) => {
  const words = new URLSearchParams(Object.entries(state).filter(([, value]) => value !== "" && value !== null && value !== undefined)).toString();
  return words === "" ? "#rationales" : `#rationales?${words}`;
};

/** The state of an address; null if the address is of another part of the page. */
const stateOf = (address) => {
  if (address === "") return {};
  const [place, words = ""] = address.split("?", 2);
  return place === "#rationales" ? Object.fromEntries(new URLSearchParams(words)) : null;
};

/** Puts a state into the address: as a new place to go back from, or instead of the last one. */
const remember = (state, isNew) => {
  const address = addressOf(state);
  // A page in a frame without an origin may have no history.
  try { history[isNew && address !== location.hash ? "pushState" : "replaceState"](null, "", address); } catch { /* the page works without it */ }
};

/** Shows the attempts of a state, and scrolls there. */
const showAttempts = (state) => {
  remember(state, true);
  document.dispatchEvent(new CustomEvent("attempts", { detail: state }));
};

/** A link to attempts. It is an ordinary link, so it can be copied and opened in a new tab. */
const attemptsLink = (state, attributes, ...children) => element("a", { href: addressOf(state), ...attributes }, ...children);

/** The same around a drawing. It is no tab stop: the keys of the chart lead there. */
attemptsLink.drawn = (state, name, ...children) => drawn("a", { href: addressOf(state), tabindex: -1, "aria-label": name }, ...children);

document.addEventListener("click", (event) => {
  const link = event.target.closest?.('a[href^="#rationales?"]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  showAttempts(stateOf(link.getAttribute("href")));
});
