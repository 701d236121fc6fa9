// Tokens and seconds of each stage, and the curves of loss and learning rate.

const stages = ["sampling", "rationalizing", "fine_tuning", "evaluating", "final_evaluation"];
const stageNames = ["sampling", "rationalizing", "fine-tuning", "evaluating", "final evaluation"];

/** The attempts that a stage made or learned from. */
const attemptsOfStage = { sampling: { purpose: "unhinted" }, rationalizing: { purpose: "hinted" }, fine_tuning: { outcome: "learned" }, evaluating: { purpose: "evaluation" },
  final_evaluation: { purpose: "final_evaluation" } };

const costRows = (method, value, words) => method.iterations.map(({ metrics, stages: costs }) => ({
  name: String(metrics.iteration),
  parts: costs.filter((cost) => (value(cost) ?? 0) > 0).map((cost) => {
    const place = stages.indexOf(cost.stage);
    const open = { method: nameOf(method), iteration: String(metrics.iteration), ...attemptsOfStage[cost.stage] };
    return { place, value: value(cost), open, title: `iteration ${metrics.iteration}, ${stageNames[place]}: ${words(value(cost))}` };
  }).sort((a, b) => a.place - b.place),
})).filter((row) => row.parts.length > 0);

const costFigures = (method) => {
  if (method.iterations.every(({ stages: costs }) => costs.length === 0)) {
    return element("p", { class: "note" }, "The run has no `events.jsonl`, so the times and tokens of its stages are unknown.");
  }
  const [seconds, tokens] = [costRows(method, (cost) => cost.seconds, duration), costRows(method, (cost) => cost.tokens, short)];
  const rows = method.iterations.flatMap(({ metrics, stages: costs }) => costs.map((cost) => {
    const rate = cost.seconds > 0 ? short(Math.round(cost.tokens / cost.seconds)) : none;
    return [String(metrics.iteration), stageNames[stages.indexOf(cost.stage)], short(cost.tokens), duration(cost.seconds), rate];
  }));
  return element("div", {},
    element("div", { class: "panels" },
      seconds.length > 0 && stackedBars("Time of each stage", { rows: seconds, names: stageNames, format: duration, note: "Rows are iterations; wall-clock time." }),
      tokens.length > 0 && stackedBars("Tokens of each stage", { rows: tokens, names: stageNames, format: short, note: "Rows are iterations; tokens sampled or trained on." })),
    element("details", {}, element("summary", {}, "The same as a table"),
      table(["iteration", "stage", "tokens", "time", "tokens/s"], rows, { left: 2, caption: "Cost of each stage" })));
};

/** The iterations' curves one after another. Each is a strand of one series. */
const strands = (method, points) => {
  let before = 0;
  const found = [];
  for (const iteration of method.iterations) {
    const steps = iteration.metrics.training?.steps ?? 0;
    const from = before;
    const strand = points(iteration).map(([step, value]) => ({ x: from + step, y: value, title: `iteration ${iteration.metrics.iteration}, step ${step}: ${value.toPrecision(4)}` }));
    if (steps > 0) found.push({ name: String(iteration.metrics.iteration), at: from, to: from + steps, points: strand });
    before += steps;
  }
  return found;
};

const scientific = (value) => (value === 0 ? "0" : value.toExponential().replace("e-", "e−").replace("e+", "e"));

/** The exponentially weighted mean of a strand, with the first values weighted as if there were more (Kingma and Ba 2015, section 3). */
const smoothed = (points, weight) => {
  let [mean, mass] = [0, 0];
  return points.map((point) => {
    mean = weight * mean + (1 - weight) * point.y;
    mass = weight * mass + (1 - weight);
    return { ...point, y: mean / mass };
  });
};

/** Signs that the axes of loss and learning rate have room for, so that their steps align. */
const trainingSigns = 6;

const curve = (title, label, found, format, height) => {
  const all = found.flatMap((strand) => strand.points);
  const highest = Math.max(...all.map((point) => point.y), 0) * 1.05;
  // A loss can be negative if samples are weighted by their advantages.
  const lowest = Math.min(...all.map((point) => point.y), 0) * 1.05;
  const range = [lowest, highest > lowest ? highest : lowest + 1];
  const end = found.at(-1).to;
  // The names of many iterations would overlap.
  const every = Math.ceil(found.length / 12);
  const gaps = found.map((strand, n) => ({ ...strand, name: n % every > 0 ? "" : `${n === 0 ? "iteration " : ""}${strand.name}` }));
  return lineChart(title, {
    x: { label: "optimizer step, iteration after iteration", range: [0, end], ticks: whole(ticks(0, end, 7)), format: short },
    y: { label, range, ticks: ticks(...range, 4), format },
    series: [{ name: "", points: all, strands: found.map((strand) => strand.points) }],
    gaps, height, marks: all.length <= 24, signs: trainingSigns,
  });
};

const trainingFigures = (method) => {
  const trained = method.iterations.filter(({ metrics }) => metrics.training);
  if (trained.length === 0) return element("p", { class: "note" }, "This method trains nothing.");
  const curveOf = (key) => strands(method, ({ losses }) => losses.filter((point) => key in point).map((point) => [point.step, point[key]]));
  const [losses, rates] = ["loss", "learning_rate"].map(curveOf);
  const has = (found) => found.some((strand) => strand.points.length > 0);
  const rows = trained.map(({ metrics: { iteration, training } }) =>
    [String(iteration), count(training.steps), short(training.tokens), short(training.target_tokens), training.final_loss.toFixed(4)]);
  const lossPlace = element("div", {});
  const showLoss = (weight) => {
    const label = method.loss_unit ? `loss (${method.loss_unit})` : "loss of the objective";
    const strands = losses.map((strand) => ({ ...strand, points: smoothed(strand.points, weight) }));
    lossPlace.replaceChildren(curve("Loss", label, strands, (value) => String(Number(value.toPrecision(3))), 260));
  };
  if (has(losses)) showLoss(0);
  const jumps = method.restarts && trained.length > 1 && " It jumps where an iteration begins, because each iteration trains the untrained model anew.";
  return element("div", {},
    has(losses)
      ? [choice("Smoothing of the loss", [[0, "none"], [0.6, "a little"], [0.9, "much"]], (value) => showLoss(Number(value)), 0), lossPlace,
        element("p", { class: "note" }, "The loss of each optimizer step, or the mean of a few.", jumps)]
      : element("p", { class: "note" }, "The run recorded no curve of the loss."),
    has(rates) && element("div", { class: "screen-only" }, curve("Learning rate", "learning rate", rates, scientific, 180)),
    table(["iteration", "steps", "tokens", "target tokens", "final loss"], rows,
      { caption: "Fine-tuning; the final loss is the mean of the last tenth of the steps" }));
};
