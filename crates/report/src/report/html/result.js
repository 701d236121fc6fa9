// The main results, and the paper's table beside the measured results.

/** Share of the training problems that are learned from: `86.7 (78.2 + 8.5)`. */
const problemsLearned = (used) => {
  if (!used) return none;
  return percent(used.share) + (used.rationalized > 0 ? ` (${percent(used.generated)} + ${percent(used.rationalized)})` : "");
};

/** The figures that represent a method; null if only its base was measured so far. */
const shownMetrics = (method) => {
  const { accuracy, iteration } = method.summary;
  return accuracy === null ? null : method.final ?? method.iterations.find(({ metrics }) => metrics.iteration === iteration).metrics;
};

/** The methods' accuracies before and after, as a card for each run. */
const glance = (run) => {
  const measured = run.methods.filter((method) => shownMetrics(method));
  const best = (methods) => methods.reduce((a, b) => (shownMetrics(b).accuracy.mean >= shownMetrics(a).accuracy.mean ? b : a));
  const bootstrapping = measured.filter((method) => method.bootstraps);
  const facts = [`seed ${run.seed}`, run.finished ? "finished" : "not finished", plural(run.methods.length, "method")];
  if (measured.length === 0) return element("article", { class: "card" }, element("h3", {}, run.name), element("p", {}, facts.join(" · ")));
  const chosen = best(bootstrapping.length > 0 ? bootstrapping : measured);
  const metrics = shownMetrics(chosen);
  const { accuracy } = metrics;
  // The base is measured on the same problems: by the method's own iteration 0, or by few-shot prompting on the final split. Else it is not shown.
  const prompted = measured.filter((method) => method.summary.approach === "few_shot").map(shownMetrics);
  const bases = [...chosen.iterations.map((iteration) => iteration.metrics), ...prompted];
  const base = bases.find((one) => one.iteration === 0 && one.split === metrics.split && one.accuracy.total > 0);
  const from = chosen.bootstraps && base ? base.accuracy : null;
  const seconds = run.methods.map((method) => method.summary.seconds).filter((known) => known !== null);
  const cost = seconds.length > 0 ? duration(seconds.reduce((a, b) => a + b)) : "time unknown";
  const tokens = run.methods.reduce((sum, method) => sum + method.summary.sampled_tokens + method.summary.trained_tokens, 0);
  return element("article", { class: "card" },
    element("h3", {}, plain(run.name)),
    element("p", { class: "headline" },
      from && element("span", { class: "before" }, `${percent(from.mean)}%`),
      from && element("span", { class: "arrow", "aria-label": "to" }, " → "),
      element("strong", {}, `${percent(accuracy.mean)}%`)),
    element("p", {}, `${chosen.label} (${plain(chosen.name)}), iteration ${metrics.iteration}, on ${plural(accuracy.total, `${metrics.split} problem`)}; `
      + `95% interval ${interval(accuracy)}`),
    element("p", { class: "note" }, [...facts, cost, `${short(tokens)} tokens sampled and trained`].join(" · ")));
};

/** A share as a bar behind its number, with the interval as a line. */
const bar = (accuracy) => drawn("svg", { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
  drawn("rect", { class: "track", width: 100, height: 8 }),
  drawn("rect", { class: "level", width: 100 * accuracy.mean, height: 8 }),
  drawn("rect", { class: "whisker", x: 100 * accuracy.low, y: 3, width: 100 * (accuracy.high - accuracy.low), height: 2 }));

const measuredCells = (method) => {
  if (!method) return [none, none];
  const shown = shownMetrics(method);
  if (!shown) return [none, problemsLearned(method.summary.train_used)];
  const { accuracy, split } = shown;
  const title = `${accuracy.correct} of ${accuracy.total} ${split} problems`;
  const figure = element("span", { class: "measured", title },
    element("strong", {}, percent(accuracy.mean)), element("small", {}, ` ${interval(accuracy)}`), bar(accuracy));
  return [figure, problemsLearned(method.summary.train_used)];
};

/** One table for each task: the paper's rows, each with the methods of the same approach, then the other methods. */
const paperTable = (task) => {
  const runs = data.runs.filter((run) => run.task === task);
  const paperModel = runs[0].paper_model;
  const known = (approach) => {
    const names = runs.flatMap((run) => run.methods.filter((method) => method.summary.approach === approach).map((method) => method.name));
    return [...new Set(names)];
  };
  const row = (title, name, approach, figure) => {
    const methods = runs.map((run) => run.methods.find((method) => method.name === name && method.summary.approach === approach));
    const used = figure?.train_used;
    const paperUsed = used ? problemsLearned({ share: (used[0] + used[1]) / 100, generated: used[0] / 100, rationalized: used[1] / 100 }) : none;
    const label = [title, name && element("small", {}, ` ${plain(name)}`)];
    const paper = paperModel ? [figure ? figure.percent.toFixed(1) : none, paperUsed] : [];
    return [label, ...methods.flatMap(measuredCells), ...paper];
  };
  const rows = runs[0].paper.flatMap((figure) => {
    if (figure.model !== paperModel) return [row(`${figure.title}, ${figure.model}`, null, figure.approach, figure)];
    const names = known(figure.approach);
    return names.length > 0 ? names.map((name) => row(figure.title, name, figure.approach, figure)) : [row(figure.title, null, figure.approach, figure)];
  });
  const inPaper = new Set(runs[0].paper.map((figure) => figure.approach));
  const others = runs.flatMap((run) => run.methods).filter((method) => !inPaper.has(method.summary.approach));
  for (const key of new Set(others.map((method) => `${method.name}\n${method.summary.approach}`))) {
    const [name, approach] = key.split("\n");
    rows.push(row(others.find((method) => method.name === name).label, name, approach, null));
  }
  const header = ["", ...runs.flatMap((run) => [runs.length > 1 ? `${plain(run.name)}, % and 95% interval` : "measured, % and 95% interval", "training problems learned from, %"]),
    ...(paperModel ? [`paper (${paperModel}), %`, "paper, training problems learned from, %"] : [])];
  return table(header, rows, { caption: `Accuracy on ${plain(task)}${paperModel ? ", beside the paper (Zelikman et al. 2022)" : ""}` });
};

const resultSection = () => section("result", "Result",
  element("div", { class: "cards" }, data.runs.map(glance)),
  [...new Set(data.runs.map((run) => run.task))].map(paperTable),
  element("p", { class: "note" }, "Training problems learned from: a share of those attempted (by a rationale without hint + by "
    + "rationalization only). Intervals are Wilson's."));
