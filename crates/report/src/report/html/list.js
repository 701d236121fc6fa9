// The list of attempts. Only its visible rows exist.

const rowHeight = 54;

/** A list. `look(index, isNew)` is called when an attempt is chosen: `isNew` for a click, and not for a step with the keys. */
const listOf = (store, look) => {
  const { attempts, ids, texts, problems } = store;
  let [indices, selected] = [[], -1];
  const rows = element("div", { class: "rows", role: "presentation" });
  const list = element("div", {
    class: "list", role: "listbox", tabindex: 0, "aria-label": "attempts", onscroll: () => draw(),
    onkeydown: (event) => {
      const page = Math.max(1, Math.floor(list.clientHeight / rowHeight) - 1);
      const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
      if (!(event.key in moves)) return;
      event.preventDefault();
      step(moves[event.key]);
    },
  }, rows);
  const row = (position) => {
    const index = indices[position];
    const problem = attempts.problem[index];
    const snippet = element("span", { class: "snippet" }, " ");
    Promise.all([texts.at(index), verdictOf(attempts, index).name === "wrong" && problems.at(problem)]).then(([text, known]) => {
      const said = known && saidAndKnown(text, known);
      snippet.textContent = said || plain(text[0].slice(0, 160).replace(/\s+/g, " ").trim()) || "(nothing)";
    });
    return element("div", {
      class: "row", role: "option", id: `attempt-${index}`, "aria-selected": position === selected ? "true" : "false",
      "aria-setsize": indices.length, "aria-posinset": position + 1, style: { top: `${position * rowHeight}px` }, onclick: () => { select(position); look(index, true); },
    },
    element("span", { class: "line" }, verdictBadge(verdictOf(attempts, index)), element("span", { class: "id", title: plain(ids[problem]) }, plain(lastPart(ids[problem]))),
      element("span", { class: "where" }, `${plain(methodRuns[attempts.method[index]].name)} · ${attempts.iteration[index]} · ${purposeOf(attempts, index).label}`),
      isToLearn(attempts, index) && outcomeOf(attempts, index).tone !== "bad" && element("span", { class: "became" }, outcomeOf(attempts, index).label)),
    element("span", { class: "line" }, meter(attempts.logprob[index]), snippet));
  };
  let drawnRows = new Map();
  const draw = (anew = false) => {
    const first = Math.max(0, Math.floor(list.scrollTop / rowHeight) - 6);
    const end = Math.min(indices.length, Math.ceil((list.scrollTop + list.clientHeight) / rowHeight) + 6);
    const next = new Map();
    for (let position = first; position < end; position += 1) next.set(position, (!anew && drawnRows.get(position)) || row(position));
    for (const [position, old] of drawnRows) if (next.get(position) !== old) old.remove();
    for (const [position, one] of next) if (drawnRows.get(position) !== one) rows.append(one);
    drawnRows = next;
  };
  /** Marks the row at a position, and scrolls to it. */
  const select = (position) => {
    drawnRows.get(selected)?.setAttribute("aria-selected", "false");
    selected = position;
    if (position < 0) return list.removeAttribute("aria-activedescendant");
    const top = position * rowHeight;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + rowHeight > list.scrollTop + list.clientHeight) list.scrollTop = top + rowHeight - list.clientHeight;
    draw();
    drawnRows.get(selected)?.setAttribute("aria-selected", "true");
    return list.setAttribute("aria-activedescendant", `attempt-${indices[position]}`);
  };
  const step = (by) => {
    if (indices.length === 0) return;
    select(Math.min(Math.max(selected + by, 0), indices.length - 1));
    look(indices[selected], false);
  };
  new ResizeObserver(() => draw()).observe(list);
  return {
    list, step,
    /** Lists other attempts. */
    show: (found) => {
      [indices, selected] = [found, -1];
      list.removeAttribute("aria-activedescendant");
      // Browsers have a limit of about 30 million pixels. Half a million rows are below it.
      rows.style.setProperty("height", `${indices.length * rowHeight}px`);
      list.scrollTop = 0;
      draw(true);
    },
    /** Marks an attempt, if the list has it. */
    mark: (index) => select(indices.indexOf(index)),
    /** "3 of 120" */
    place: () => (selected < 0 ? `${count(indices.length)} listed` : `${count(selected + 1)} of ${count(indices.length)}`),
  };
};
