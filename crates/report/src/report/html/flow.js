// One iteration as a flow: attempts, verdicts, the second try with the hint, outcomes and examples. The width of every ribbon is a count of
// the record.

/** The number of attempts in a flow that have these properties. */
const flowSum = (flow, wanted) => flow.counts
  .filter((count) => Object.entries(wanted).every(([key, value]) => count[key] === value))
  .reduce((sum, { attempts }) => sum + attempts, 0);

const here = { source: "this_iteration" };
const earlier = { source: "earlier_iterations" };

/** Nodes in columns and ribbons between them. A ribbon has a width at either end. */
const flowOf = (method, { metrics, attempts: { flow } }) => {
  const nodes = [];
  const ribbons = [];
  const of = { method: nameOf(method), iteration: String(metrics.iteration) };
  /** `wanted` are the filters that list the attempts of the node; null if the iteration did not make them. */
  const node = (column, name, value, tone, wanted) => {
    if (value === 0) return null;
    nodes.push({ column, name, value, tone, open: wanted && { ...of, ...wanted } });
    return nodes.at(-1);
  };
  const tie = (from, to, value, at = value) => {
    if (from && to && value + at > 0) ribbons.push({ from, to, value, at });
  };
  const byVerdict = (column, mode, words) => new Map(verdicts.map(({ name, label }) =>
    [name, node(column, `${label}${words}`, flowSum(flow, { ...here, mode, verdict: name }), name === "correct" ? "good" : "bad", { purpose: mode, verdict: name })]));
  const [unhinted, hinted] = ["unhinted", "hinted"].map((mode) => flowSum(flow, { ...here, mode }));
  const start = node(0, unhinted === metrics.problems ? "problems" : `attempts at ${plural(metrics.problems, "problem")}`, unhinted, "plain", { purpose: "unhinted" });
  const tried = { unhinted: byVerdict(1, "unhinted", "") };
  tried.unhinted.forEach((one) => tie(start, one, one?.value));
  if (hinted > 0) {
    const again = node(2, "asked again with the hint", hinted, "plain", { purpose: "hinted" });
    flow.retries.forEach((retry) => tie(tried.unhinted.get(retry.verdict), again, retry.unhinted, retry.hinted));
    tried.hinted = byVerdict(3, "hinted", ", with hint");
    tried.hinted.forEach((one) => tie(again, one, one?.value));
  }
  const column = hinted > 0 ? 4 : 2;
  const decided = flow.counts.filter(({ outcome }) => outcome !== null && outcomeNamed(outcome).tone !== "bad");
  const before = node(column - 1, "from earlier iterations", flowSum({ counts: decided }, earlier), "plain", null);
  const ends = new Map();
  for (const { name, label, tone } of outcomes) {
    // Examples without hint and examples with hint are shown apart.
    for (const modes of tone === "good" ? [["unhinted"], ["hinted"]] : [["unhinted", "hinted"]]) {
      const value = modes.reduce((sum, mode) => sum + flowSum({ counts: decided }, { mode, outcome: name }), 0);
      const end = node(column, `${label}${tone === "good" && modes[0] === "hinted" ? ", with hint" : ""}`, value, tone,
        { outcome: name, ...(tone === "good" ? { purpose: modes[0] } : {}) });
      modes.forEach((mode) => ends.set(`${name} ${mode}`, end));
    }
  }
  for (const { source, mode, verdict, outcome, attempts } of decided) {
    tie(source === earlier.source ? before : tried[mode]?.get(verdict), ends.get(`${outcome} ${mode}`), attempts);
  }
  const good = [...new Set(ends.values())].filter((end) => end?.tone === "good");
  const steps = metrics.training ? `learned in ${plural(metrics.training.steps, "step")}` : "to be learned";
  const learned = node(column + 1, steps, good.reduce((sum, end) => sum + end.value, 0), "plain", good.length > 0 ? { outcome: good[0].open.outcome } : null);
  good.forEach((end) => tie(end, learned, end.value));
  return { nodes, ribbons, columns: column + 2 };
};

/** Headings of the columns if they are below each other. */
const columnNames = (columns) => (columns > 5
  ? ["attempts", "answers without hint", "asked again", "answers with hint", "outcomes", "learned"]
  : ["attempts", "answers", "outcomes", "learned"]);

const flowLabel = "The flow of the iteration; the table below has its numbers";

/** The flow as bars below each other, for a narrow screen. */
const flowBars = ({ nodes, columns }, width) => {
  const most = Math.max(...nodes.map((node) => node.value));
  const parts = [];
  let y = 0;
  columnNames(columns).forEach((name, column) => {
    const inColumn = nodes.filter((node) => node.column === column);
    if (inColumn.length === 0) return;
    parts.push(drawn("text", { class: "stage", x: 0, y: y + 13 }, `${column > 0 ? "↓ " : ""}${name}`));
    y += 22;
    for (const node of inColumn) {
      parts.push(opening(node, `${node.name} ${count(node.value)}`, drawn("g", { class: `node ${node.tone}` },
        drawn("rect", { class: "track", x: 0, y: y + 17, width, height: 7, rx: 2 }),
        drawn("rect", { x: 0, y: y + 17, width: Math.max((node.value / most) * width, 2), height: 7, rx: 2 }),
        drawn("text", { x: 0, y: y + 12 }, `${node.name} `),
        drawn("text", { class: "value", x: width, y: y + 12, "text-anchor": "end" }, count(node.value)))));
      y += 32;
    }
    y += 12;
  });
  return drawn("svg", { class: "flow", viewBox: `0 0 ${width} ${y}`, width, height: y, role: "group", "aria-label": flowLabel }, parts.flat());
};

/** A drawing that opens attempts, if it stands for some. */
const opening = ({ open }, words, drawing) => (open ? attemptsLink.drawn(open, words, drawing) : drawing);

const flowDrawing = (method, iteration, width) => {
  const flow = flowOf(method, iteration);
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
  // The second try is beside the failures. The ribbon of the right answers passes above it.
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
    const counts = value === at ? count(value) : `${count(value)} → ${count(at)}`;
    return opening(to, `${counts} ${to.name}`, drawn("path", { class: `ribbon ${to.tone}`, d: path }, drawn("title", {}, `${from.name} → ${to.name}: ${counts}`)));
  });
  const boxes = nodes.map((node) => opening(node, `${count(node.value)} ${node.name}`, drawn("g", { class: `node ${node.tone}` },
    drawn("rect", { x: node.x, y: node.y, width: thick, height: node.height, rx: 2 }),
    drawn("text", { class: "value", x: node.x + thick + 5, y: node.y + 11 }, count(node.value)),
    drawn("text", { x: node.x + thick + 5, y: node.y + 25 }, ` ${node.name}`))));
  return drawn("svg", { class: "flow", viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": flowLabel }, paths, boxes);
};

const flowTable = ({ metrics, attempts: { flow } }) => {
  const modes = ["unhinted", "hinted"];
  const cells = (wanted) => modes.map((mode) => count(flowSum(flow, { ...wanted, mode })));
  const has = (wanted) => flowSum(flow, wanted) > 0;
  const learned = { counts: flow.counts.filter(({ outcome }) => outcome !== null && outcomeNamed(outcome).tone === "good") };
  const rows = [
    ["attempts", ...cells(here)],
    ...verdicts.filter(({ name }) => has({ ...here, verdict: name })).map(({ name, label }) => [label, ...cells({ ...here, verdict: name })]),
    ["learned", ...modes.map((mode) => count(flowSum(learned, { mode })))],
  ];
  if (has(earlier)) rows.push(["of these, from earlier iterations", ...modes.map((mode) => count(flowSum(learned, { ...earlier, mode })))]);
  const { unhinted, hinted, selection, training } = metrics;
  if (selection.pairs > 0) rows.push(["pairs to learn from", count(selection.pairs), none]);
  if (unhinted.faithful !== undefined) rows.push(["right, and equal to the reference", count(unhinted.faithful), count(hinted.faithful ?? 0)]);
  const dropped = outcomes.filter(({ name, tone }) => tone === "dropped" && has({ outcome: name }))
    .map(({ name, label }) => `${label} ${count(flowSum(flow, { outcome: name }))}`);
  const long = training?.dropped_too_long ?? 0;
  return [
    table(["count", "without hint", "with hint"], rows, { caption: "The same as numbers" }),
    element("p", { class: "note" }, `Not learned: ${dropped.length > 0 ? dropped.join(", ") : "only failures"}.`
      + (long > 0 ? ` ${plural(long, "example")} longer than a packed sequence left out of training.` : "")),
  ];
};

const flowFigure = (method, iteration) => {
  const { metrics, attempts } = iteration;
  if (!attempts) {
    const trained = metrics.training ? `It trained on known answers: ${plural(metrics.training.steps, "step")}, ${short(metrics.training.tokens)} tokens.` : "Nothing was trained.";
    return element("p", { class: "note" }, `Nothing was attempted in this iteration. ${trained}`);
  }
  return element("div", {},
    figure("From problems to what is learned (attempts)", (width) => flowDrawing(method, iteration, width)),
    flowTable(iteration));
};
