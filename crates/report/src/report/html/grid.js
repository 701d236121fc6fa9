// Problems by iterations: a row for each problem, a cell for each iteration. A cell opens its attempts. Only visible rows exist.

const [gridRow, gridSets] = [26, [["learning", "training problems"], ["evaluation", "evaluation problems"], ["final_evaluation", "final evaluation"]]];

const cellKinds = {
  right: ["✓", "right without hint"], hinted: ["h", "right only with hint"], wrong: ["✗", "not right"], none: ["·", "not asked"],
};

/** The set of an attempt: to learn from, or one of the evaluations. */
const setOf = (attempts, index) => (isToLearn(attempts, index) ? "learning" : purposeOf(attempts, index).name);

/** The attempts of a method and set by problem and iteration: [problem, cells], where a cell is { kind, indices, right }. */
const gridCells = ({ attempts, total }, method, set) => {
  const byProblem = new Map();
  const iterations = new Set();
  for (let index = 0; index < total; index += 1) {
    if (attempts.method[index] !== method || setOf(attempts, index) !== set) continue;
    const [problem, iteration] = [attempts.problem[index], attempts.iteration[index]];
    iterations.add(iteration);
    if (!byProblem.has(problem)) byProblem.set(problem, new Map());
    const cells = byProblem.get(problem);
    if (!cells.has(iteration)) cells.set(iteration, { indices: [], right: 0, hinted: 0 });
    const cell = cells.get(iteration);
    cell.indices.push(index);
    if (verdictOf(attempts, index).name === "correct") cell[purposeOf(attempts, index).name === "hinted" ? "hinted" : "right"] += 1;
  }
  for (const cells of byProblem.values()) {
    for (const cell of cells.values()) cell.kind = cell.right > 0 ? "right" : cell.hinted > 0 ? "hinted" : "wrong";
  }
  return { rows: [...byProblem], iterations: [...iterations].sort((a, b) => a - b) };
};

/** How often the result of a problem changes. */
const changes = (cells) => {
  const shown = [...cells.entries()].sort(([a], [b]) => a - b).map(([, { kind }]) => kind);
  return shown.filter((kind, n) => n > 0 && kind !== shown[n - 1]).length;
};

const rightCells = (cells) => [...cells.values()].filter(({ kind }) => kind === "right").length;

const gridOrders = [
  ["changes", "most changes first", (a, b) => changes(b[1]) - changes(a[1]) || rightCells(a[1]) - rightCells(b[1])],
  ["wrong", "least often right first", (a, b) => rightCells(a[1]) - rightCells(b[1])],
  ["made", "as made", () => 0],
];

/** The grid of one method and set. */
const gridTable = (store, method, set, order) => {
  const { attempts, ids } = store;
  const { rows, iterations } = gridCells(store, method, set);
  rows.sort(order);
  const columns = `minmax(7rem, 16rem) repeat(${iterations.length}, minmax(1.7rem, 3.2rem))`;
  const asked = (iteration) => rows.filter(([, cells]) => cells.has(iteration));
  const rightShare = (iteration) => share(asked(iteration).filter(([, cells]) => cells.get(iteration).kind === "right").length, asked(iteration).length);
  const head = element("div", { class: "grid-row grid-head", role: "row", "aria-rowindex": 1, style: { "grid-template-columns": columns } },
    element("span", { role: "columnheader" }, plural(rows.length, "problem")),
    iterations.map((iteration) => element("span", { role: "columnheader", "aria-label": `iteration ${iteration}: ${percent(rightShare(iteration))}% right without hint` },
      element("strong", {}, String(iteration)), element("small", {}, `${Math.round(100 * rightShare(iteration))}%`))));
  const body = element("div", { class: "grid-body", role: "rowgroup", style: { height: `${rows.length * gridRow}px` } });
  const words = ([problem, cells], iteration) => {
    const cell = cells.get(iteration);
    const several = cell && cell.indices.length > 1 ? `, ${cell.right + cell.hinted} of ${cell.indices.length} attempts right` : "";
    return `${plain(lastPart(ids[problem]))}, iteration ${iteration}: ${cellKinds[cell?.kind ?? "none"][1]}${several}`;
  };
  let [chosen, drawnRows] = [[0, 0], new Map()];
  const open = ([problem, cells], iteration) => {
    const cell = cells.get(iteration);
    if (!cell) return;
    const best = cell.indices.find((index) => verdictOf(attempts, index).name === "correct") ?? cell.indices[0];
    showAttempts({ method: methodRuns[method].name, problem: ids[problem], attempt: store.nameOf(best) });
  };
  const cellId = (row, column) => `cell-${row}-${column}`;
  const row = (n) => element("div", { class: "grid-row", role: "row", "aria-rowindex": n + 2, style: { top: `${n * gridRow}px`, "grid-template-columns": columns } },
    element("span", { class: "id", role: "rowheader", title: plain(ids[rows[n][0]]) }, plain(lastPart(ids[rows[n][0]]))),
    iterations.map((iteration, column) => {
      const kind = rows[n][1].get(iteration)?.kind ?? "none";
      return element("span", {
        class: `grid-cell ${kind}`, role: "gridcell", id: cellId(n, column), "aria-label": words(rows[n], iteration), title: words(rows[n], iteration),
        "data-chosen": chosen[0] === n && chosen[1] === column, onclick: () => open(rows[n], iteration),
      }, cellKinds[kind][0]);
    }));
  const draw = (anew) => {
    const first = Math.max(0, Math.floor(grid.scrollTop / gridRow) - 4);
    const end = Math.min(rows.length, Math.ceil((grid.scrollTop + grid.clientHeight) / gridRow) + 4);
    const next = new Map();
    for (let n = first; n < end; n += 1) next.set(n, (!anew && drawnRows.get(n)) || row(n));
    body.replaceChildren(...next.values());
    drawnRows = next;
  };
  const move = (down, right) => {
    chosen = [Math.min(Math.max(chosen[0] + down, 0), rows.length - 1), Math.min(Math.max(chosen[1] + right, 0), iterations.length - 1)];
    const top = chosen[0] * gridRow;
    if (top < grid.scrollTop) grid.scrollTop = top;
    else if (top + 3 * gridRow > grid.scrollTop + grid.clientHeight) grid.scrollTop = top + 3 * gridRow - grid.clientHeight;
    draw(true);
    grid.setAttribute("aria-activedescendant", cellId(...chosen));
  };
  const grid = element("div", {
    class: "grid-box", role: "grid", tabindex: 0, "aria-label": "problems by iterations; the arrow keys move, Enter opens the attempts", "aria-rowcount": rows.length + 1,
    onscroll: () => draw(false),
    onkeydown: (event) => {
      const moves = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1], PageDown: [12, 0], PageUp: [-12, 0], Home: [-Infinity, 0], End: [Infinity, 0] };
      if (event.key === "Enter") open(rows[chosen[0]], iterations[chosen[1]]);
      else if (event.key in moves) move(...moves[event.key]);
      else return;
      event.preventDefault();
    },
  }, head, body);
  // Drawing may add a scroll bar, which changes the size again: it waits for the next frame.
  new ResizeObserver(() => requestAnimationFrame(() => draw(false))).observe(grid);
  return grid;
};

/** The grid with its choices. */
const gridOf = (store) => {
  const { attempts, total } = store;
  const sets = new Map();
  for (let index = 0; index < total; index += 1) {
    const [method, set] = [attempts.method[index], setOf(attempts, index)];
    if (!sets.has(method)) sets.set(method, new Set());
    sets.get(method).add(set);
  }
  const main = methodRuns.findIndex(({ run, method }) => run.headline?.method === method.name);
  let [method, set, order] = [sets.has(main) ? main : [...sets.keys()][0], "", "changes"];
  const place = element("div", {});
  const choices = element("div", { class: "filters" });
  const draw = () => {
    const has = gridSets.filter(([name]) => sets.get(method).has(name));
    if (!has.some(([name]) => name === set)) set = (has.find(([name]) => name === "evaluation") ?? has[0])[0];
    choices.replaceChildren(
      ...[sets.size > 1 && choice("Method", [...sets.keys()].map((number) => [number, plain(methodRuns[number].name)]), (value) => { method = Number(value); draw(); }, method),
        has.length > 1 && choice("Problems", has, (value) => { set = value; draw(); }, set),
        choice("Order", gridOrders.map(([name, words]) => [name, words]), (value) => { order = value; draw(); }, order)].filter(Boolean));
    place.replaceChildren(gridTable(store, method, set, gridOrders.find(([name]) => name === order)[2]));
  };
  draw();
  const key = element("ul", { class: "legend" }, Object.entries(cellKinds).map(([kind, [sign, words]]) =>
    element("li", {}, element("span", { class: `grid-cell ${kind}`, "aria-hidden": "true" }, sign), words)));
  return element("div", { id: "grid" }, element("h3", {}, "Problems by iterations"), choices, key, place);
};
