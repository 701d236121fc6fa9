// Making elements. Texts of models enter the page here, and only as text: no function of these scripts reads markup.

addEventListener("error", ({ message }) => {
  const opening = document.querySelector("main > .opening");
  if (opening) opening.textContent = `The report cannot be shown; the file may be damaged: ${message}`;
});

const fill = (parent, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) parent.addEventListener(name.slice(2), value);
    else if (name === "style") Object.entries(value).forEach(([key, text]) => parent.style.setProperty(key, text));
    else parent.setAttribute(name, value === true ? "" : value);
  }
  parent.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return parent;
};

const element = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

const drawn = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

const section = (id, title, ...children) =>
  element("section", { id, "aria-labelledby": `${id}-title` }, element("h2", { id: `${id}-title` }, title), ...children);

/** Turns the cells of a header into buttons that sort the rows. `values` has what each cell of `rows` is sorted by. */
const makeSortable = (heads, body, values) => {
  const rows = [...body.children];
  let [by, down] = [-1, false];
  heads.forEach((head, column) => {
    const words = [...head.childNodes];
    head.replaceChildren(element("button", { type: "button", class: "sort", onclick: () => {
      [by, down] = [column, by === column ? !down : typeof values[0]?.[column] === "number"];
      const compare = (a, b) => (a === null ? 1 : b === null ? -1 : a < b ? -1 : a > b ? 1 : 0) * (down && a !== null && b !== null ? -1 : 1);
      const order = rows.map((_, n) => n).sort((a, b) => compare(values[a][column], values[b][column]) || a - b);
      body.replaceChildren(...order.map((n) => rows[n]));
      heads.forEach((one, n) => (n === column ? one.setAttribute("aria-sort", down ? "descending" : "ascending") : one.removeAttribute("aria-sort")));
    } }, words));
  });
};

/**
 * A table from a header and rows of cells. A cell is a text, an element or a list of these; the first `left` columns are names. With `values`,
 * what each cell is sorted by, the header sorts the table.
 */
const table = (header, rows, { left = 1, caption, kind, values } = {}) => {
  const align = (column) => (column < left ? undefined : "number");
  const head = header.map((cell, column) => element("th", { scope: "col", class: align(column) }, cell));
  const body = rows.map((row) =>
    element("tr", {}, row.map((cell, column) =>
      column === 0 && left > 0 ? element("th", { scope: "row" }, cell) : element("td", { class: align(column) }, cell))));
  const content = element("tbody", {}, body);
  if (values) makeSortable(head, content, values);
  // A caption inside of the table would be as wide as the table, and a narrow screen would cut it.
  return element("div", { class: "captioned" },
    caption && element("p", { class: "caption" }, caption),
    scrolled(caption ?? "table", element("table", { class: kind }, element("thead", {}, element("tr", {}, head)), content)));
};

/** A place that can be scrolled by keys if its content does not fit, and is no tab stop otherwise. */
const scrolled = (name, content) => {
  const place = element("div", { class: "scroll" }, content);
  new ResizeObserver(() => {
    const isCut = place.scrollWidth > place.clientWidth + 1;
    const attributes = { tabindex: "0", role: "region", "aria-label": name };
    Object.entries(attributes).forEach(([key, value]) => (isCut ? place.setAttribute(key, value) : place.removeAttribute(key)));
  }).observe(place);
  return place;
};

/** A header and rows without the columns that have no value in any row. */
const withoutEmpty = (header, rows) => {
  const kept = header.map((_, column) => rows.some((row) => row[column] !== none));
  const only = (cells) => cells.filter((_, column) => kept[column]);
  return [only(header), rows.map(only)];
};

/** A choice with its label. `options` are [value, text]. Calls `change` with the chosen value. */
const choice = (label, options, change, chosen) => {
  const select = element("select", { onchange: () => change(select.value) },
    options.map(([value, text]) => element("option", { value, selected: String(value) === String(chosen) }, text)));
  return element("label", { class: "choice" }, element("span", {}, label), select);
};

/** Lets the browser draw and read input if it could not for the time of a frame. */
const breathe = (() => {
  let last = 0;
  return async () => {
    if (performance.now() - last < 16) return;
    await new Promise((resume) => setTimeout(resume, 0));
    last = performance.now();
  };
})();
