// One iteration as a flow: attempts, verdicts, a second try with the hint, what was kept and why not, what was trained on.

const outcomes = [["right", "correct"], ["wrong", "wrong"], ["unparsed", "unparsed"], ["cut off", "truncated"], ["no verdict", "failed"]];

const reasons = [
  ["kept, unaided", "kept_unhinted"], ["kept, rationalized", "kept_hinted"], ["duplicate", "dropped_duplicate"],
  ["tells the hint", "dropped_leaked_hint"], ["false step", "dropped_false_step"], ["restates the hint", "dropped_restated"],
  ["not sure enough", "dropped_unsure"], ["same path", "dropped_same_path"], ["over the limit", "dropped_over_limit"],
];

/** Methods that learn from right and wrong completions side by side. What is kept there is no part of what was right. */
const comparing = { grpo: "samples in groups of right and wrong", spin: "pairs with the known rationale" };

/** Nodes in columns and ribbons between them. A ribbon keeps its share of the node at either end. */
const flowOf = (metrics, kind) => {
  const nodes = [];
  const ribbons = [];
  const node = (column, name, value, tone) => {
    if (value === 0) return null;
    nodes.push({ column, name, value, tone });
    return nodes.at(-1);
  };
  const tie = (from, to, value, at = value) => {
    if (from && to && value > 0) ribbons.push({ from, to, value, at });
  };
  const { unhinted, hinted, selection } = metrics;
  const start = node(0, unhinted.attempts === metrics.problems ? "problems" : `attempts at ${plural(metrics.problems, "problem")}`, unhinted.attempts, "plain");
  const first = outcomes.map(([name, key]) => node(1, name, unhinted[key] ?? 0, key === "correct" ? "good" : "bad"));
  first.forEach((one) => tie(start, one, one?.value));
  if (comparing[kind] && (selection.pairs ?? 0) + (selection.groups_all_right ?? 0) + (selection.groups_all_wrong ?? 0) + selection.kept_unhinted > 0) {
    return comparison(metrics, kind, { nodes, ribbons, node, tie, first });
  }
  const again = node(2, "asked again with the hint", hinted.attempts, "plain");
  const failures = unhinted.attempts - unhinted.correct;
  first.slice(1).forEach((one) => tie(one, again, one?.value ?? 0, failures > 0 ? ((one?.value ?? 0) / failures) * hinted.attempts : 0));
  const second = outcomes.map(([name, key]) => node(3, `${name}, hinted`, hinted[key] ?? 0, key === "correct" ? "good" : "bad"));
  second.forEach((one) => tie(again, one, one?.value));
  const column = hinted.attempts > 0 ? 4 : 2;
  const ends = reasons.map(([name, key]) => node(column, name, selection[key] ?? 0, key.startsWith("kept") ? "good" : "dropped"));
  const right = [first[0], second[0]];
  // Which of the two a dropped one came from is known of leaked hints and of what was kept; the others are told apart by what is left.
  const left = [unhinted.correct, hinted.correct];
  const give = (side, end, value) => {
    tie(right[side], end, value);
    left[side] -= value;
  };
  give(0, ends[0], ends[0]?.value ?? 0);
  give(1, ends[1], ends[1]?.value ?? 0);
  give(1, ends[3], ends[3]?.value ?? 0);
  give(1, ends[5], ends[5]?.value ?? 0);
  for (const end of [ends[2], ends[4], ends[6], ends[7], ends[8]]) {
    const fromFirst = Math.min(end?.value ?? 0, Math.max(left[0], 0));
    give(0, end, fromFirst);
    give(1, end, (end?.value ?? 0) - fromFirst);
  }
  const steps = metrics.training ? `learned in ${plural(metrics.training.steps, "step")}` : "to be learned";
  const learned = node(column + 1, steps, selection.kept_unhinted + selection.kept_hinted, "plain");
  ends.slice(0, 2).forEach((one) => tie(one, learned, one?.value));
  return { nodes, ribbons, columns: column + 2 };
};

/** What becomes of attempts that are compared: all of them, whatever their verdict, come into it or teach nothing. */
const comparison = (metrics, kind, { nodes, ribbons, node, tie, first }) => {
  const { unhinted, selection } = metrics;
  const inside = Math.min(kind === "spin" ? selection.pairs ?? 0 : selection.kept_unhinted, unhinted.attempts);
  const left = unhinted.attempts - inside;
  const ends = [node(2, comparing[kind], inside, "good"), node(2, kind === "spin" ? "known or paired already" : "in groups that are all alike", left, "dropped")];
  // Which verdicts come into it was not counted, so each is drawn to go there by the share of all.
  for (const one of first) {
    for (const end of ends) tie(one, end, ((one?.value ?? 0) * (end?.value ?? 0)) / unhinted.attempts);
  }
  tie(ends[0], node(3, metrics.training ? `learned in ${plural(metrics.training.steps, "step")}` : "to be learned", inside, "plain"), inside);
  return { nodes, ribbons, columns: 4 };
};

/** Headings of the columns where they stand below each other. */
const columnNames = (columns) => (columns > 5
  ? ["asked", "answers without the hint", "asked again", "answers with the hint", "what became of the right ones", "learned"]
  : ["asked", "answers", "what became of them", "learned"]);

/** The same as bars below each other, where there is no room for columns beside each other. */
const flowBars = ({ nodes, columns }, width) => {
  const most = Math.max(...nodes.map((node) => node.value));
  const parts = [];
  let y = 0;
  columnNames(columns).forEach((name, column) => {
    const here = nodes.filter((node) => node.column === column);
    if (here.length === 0) return;
    parts.push(drawn("text", { class: "stage", x: 0, y: y + 13 }, `${column > 0 ? "↓ " : ""}${name}`));
    y += 22;
    for (const node of here) {
      parts.push(drawn("g", { class: `node ${node.tone}` },
        drawn("rect", { class: "track", x: 0, y: y + 17, width, height: 7, rx: 2 }),
        drawn("rect", { x: 0, y: y + 17, width: Math.max((node.value / most) * width, 2), height: 7, rx: 2 }),
        drawn("text", { x: 0, y: y + 12 }, node.name),
        drawn("text", { class: "value", x: width, y: y + 12, "text-anchor": "end" }, count(node.value))));
      y += 32;
    }
    y += 12;
  });
  return drawn("svg", { class: "flow", viewBox: `0 0 ${width} ${y}`, width, height: y, role: "img", "aria-label": "The flow of the iteration; the table below has its numbers" }, parts);
};

const flowDrawing = (metrics, kind, width) => {
  const flow = flowOf(metrics, kind);
  const { nodes, ribbons, columns } = flow;
  if (width < 140 * columns) return flowBars(flow, width);
  const [thick, gap, top] = [14, 34, 8];
  const inColumn = (column) => nodes.filter((node) => node.column === column);
  const most = Math.max(...nodes.map((node) => node.value));
  const tallest = Math.max(...Array.from({ length: columns }, (_, column) => inColumn(column).length));
  const room = 210;
  const unit = room / most;
  const step = (width - 150) / Math.max(columns - 1, 1);
  let bottom = 0;
  // What is asked again is beside the failures, below what was right at once and passes by.
  const passing = inColumn(1).find((node) => node.tone === "good");
  const below = passing ? Math.max(passing.value * unit, 4) + gap : 0;
  for (let column = 0; column < columns; column += 1) {
    let y = top + (columns > 5 && (column === 2 || column === 3) ? below : 0);
    for (const node of inColumn(column)) {
      Object.assign(node, { x: column * step, y, height: Math.max(node.value * unit, 2), out: 0, in: 0 });
      y += Math.max(node.height, 4) + gap;
    }
    bottom = Math.max(bottom, y);
  }
  const height = Math.max(bottom, tallest * gap);
  const paths = ribbons.map(({ from, to, value, at }) => {
    const [a, b] = [Math.max(value * unit, 1), Math.max(at * unit, 1)];
    const [x1, y1, x2, y2] = [from.x + thick, from.y + from.out, to.x, to.y + to.in];
    from.out += a;
    to.in += b;
    const middle = (x1 + x2) / 2;
    const path = `M${x1},${y1}C${middle},${y1} ${middle},${y2} ${x2},${y2}v${b}C${middle},${y2 + b} ${middle},${y1 + a} ${x1},${y1 + a}z`;
    return drawn("path", { class: `ribbon ${to.tone}`, d: path }, drawn("title", {}, `${from.name} → ${to.name}: ${count(Math.round(value))}`));
  });
  const boxes = nodes.map((node) => drawn("g", { class: `node ${node.tone}` },
    drawn("rect", { x: node.x, y: node.y, width: thick, height: node.height, rx: 2 }),
    drawn("text", { class: "value", x: node.x + thick + 5, y: node.y + 11 }, count(node.value)),
    drawn("text", { x: node.x + thick + 5, y: node.y + 25 }, node.name)));
  return drawn("svg", { class: "flow", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": "The flow of the iteration; the table below has its numbers" },
    paths, boxes);
};

const flowTable = (metrics, kind) => {
  const { unhinted, hinted, selection } = metrics;
  const rows = [["attempts", count(unhinted.attempts), count(hinted.attempts)],
    ...outcomes.filter(([, key]) => (unhinted[key] ?? 0) + (hinted[key] ?? 0) > 0)
      .map(([name, key]) => [name, count(unhinted[key] ?? 0), count(hinted[key] ?? 0)]),
    selection.pairs > 0 ? ["pairs to learn from", count(selection.pairs), none]
      : ["kept to learn from", count(selection.kept_unhinted), count(selection.kept_hinted)]];
  const alike = [["groups that are all right", selection.groups_all_right], ["groups that are all wrong", selection.groups_all_wrong]];
  rows.push(...alike.filter(([, groups]) => groups > 0).map(([name, groups]) => [name, count(groups), none]));
  if (unhinted.faithful !== undefined) rows.push(["right, and the rationale equals the reference", count(unhinted.faithful), count(hinted.faithful ?? 0)]);
  const dropped = reasons.slice(2).filter(([, key]) => (selection[key] ?? 0) > 0).map(([name, key]) => `${name} ${count(selection[key])}`);
  const long = metrics.training?.dropped_too_long ?? 0;
  return [
    table(["", "without the hint", "with the hint"], rows, { caption: "The same as numbers" }),
    element("p", { class: "note" }, (comparing[kind] ? "Right and wrong completions are learned from side by side; which verdicts come into it was not counted, so each is drawn by its share."
      : `Right answers that were dropped: ${dropped.length > 0 ? dropped.join(", ") : "none"}.`)
      + (long > 0 ? ` ${plural(long, "example")} longer than a packed sequence left out of training.` : "")),
  ];
};

const flowFigure = (iteration, kind) => {
  const { metrics, digest } = iteration;
  if (metrics.unhinted.attempts === 0) {
    const trained = metrics.training ? `It was trained on what is known: ${plural(metrics.training.steps, "step")}, ${short(metrics.training.tokens)} tokens.` : "Nothing was trained.";
    return element("p", { class: "note" }, `Nothing was attempted in this iteration. ${trained}`);
  }
  const disagreement = digest?.reasons_agree === false
    && "The run counted other reasons for dropping than the ones that are found now beside each rationale: it was made with other rules.";
  return element("div", {},
    figure("From problems to what is learned (attempts)", (width) => flowDrawing(metrics, kind, width)),
    disagreement && element("p", { class: "note" }, disagreement),
    flowTable(metrics, kind));
};
